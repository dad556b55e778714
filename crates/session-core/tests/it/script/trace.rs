//! Effects as a trace shows them.

use session_core::{CloseReason, Effect, ReplyV1, SessionEvent};
use types::WireId;

use super::Run;
use super::words::name;

impl Run {
    pub(super) fn describe(&mut self, effect: Effect) -> String {
        match effect {
            Effect::Publish {
                key,
                publish_id: publish,
                question,
            } => {
                self.published.insert(publish.question, publish);
                assert_eq!(question.session_id, key.id);
                let wire_id = self.wire_id(&question.wire_id);
                format!("publish {} as {wire_id}", question.text.expose())
            }
            Effect::SendV1 { key, reply } => {
                format!("send {} {}", name(&key), describe_reply(reply))
            }
            Effect::Close {
                key,
                reason,
                resume,
            } => {
                let reason = match reason {
                    CloseReason::Draining => "draining",
                    CloseReason::Superseded => "superseded",
                };
                let token = resume.map_or(String::new(), |point| self.token(*point));
                format!("close {} {reason}{token}", name(&key))
            }
            Effect::RecordEvent(event) => describe_event(event),
            Effect::Recover {
                key,
                question_id,
                wire_id,
                min_offsets: _,
            } => {
                let wire_id = self.wire_id(&wire_id);
                format!(
                    "recover {} {} as {wire_id}",
                    name(&key),
                    self.word(question_id)
                )
            }
            Effect::SendV2 { key, message: told } => {
                format!("tell {} {}", name(&key), self.told(*told))
            }
        }
    }

    fn wire_id(&self, wire_id: &WireId) -> String {
        match wire_id.as_str().split_once('~') {
            Some((session, suffix)) => format!("{session}~{}", self.suffixes[suffix]),
            None => wire_id.to_string(),
        }
    }
}

fn describe_reply(reply: ReplyV1) -> String {
    match reply {
        ReplyV1::Answer {
            text,
            publish_time: publish,
            total_time: total,
        } => format!("{} ({publish:?} of {total:?})", text.expose()),
        ReplyV1::AnswerFailed => "answer failed".to_owned(),
        ReplyV1::Busy => "busy".to_owned(),
        ReplyV1::Draining => "draining".to_owned(),
        ReplyV1::PublishFailed => "publish failed".to_owned(),
        ReplyV1::TimedOut => "timed out".to_owned(),
    }
}

fn describe_event(event: SessionEvent) -> String {
    match event {
        SessionEvent::QuestionAccepted {
            key,
            elapsed: after,
            ..
        } => format!("{} accepted {after:?}", name(&key)),
        SessionEvent::QuestionEnded {
            key,
            outcome,
            elapsed: after,
        } => format!("{} ended: {} {after:?}", name(&key), outcome.as_str()),
        SessionEvent::AnswerDecided { outcome } => format!("record: {}", outcome.as_str()),
        SessionEvent::AnswerTooLarge => "answer too large".to_owned(),
        SessionEvent::ContradictoryParts => "parts broken".to_owned(),
        SessionEvent::AnswerRestarted => "answer restarted".to_owned(),
        SessionEvent::QuestionAdopted { key } => format!("{} adopted", name(&key)),
        SessionEvent::SessionIdInUse { key, .. } => format!("{} session id in use", name(&key)),
        SessionEvent::NotResumed { key } => format!("{} not resumed", name(&key)),
        SessionEvent::DuplicateAnswers => "duplicates seen".to_owned(),
        SessionEvent::SuffixStripped { session } => format!("suffix stripped, as in {session}"),
        SessionEvent::DepartedTableFull => "owed table full".to_owned(),
    }
}
