//! Effects as a trace shows them.

use session_core::{CloseReason, Effect, Event, Reply};
use types::WireId;

use super::Run;
use super::words::name;

impl Run {
    pub(super) fn describe(&mut self, effect: Effect) -> String {
        match effect {
            Effect::Publish {
                key,
                publish,
                question,
            } => {
                self.published.insert(publish.question, publish);
                assert_eq!(question.session, key.id);
                let wire_id = self.wire_id(&question.wire_id);
                format!("publish {} as {wire_id}", question.text.expose())
            }
            Effect::Send { key, reply } => format!("send {} {}", name(&key), describe_reply(reply)),
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
            Effect::Note(event) => describe_event(event),
            Effect::Recover {
                key,
                question_id,
                wire_id,
                floor: _,
            } => {
                let wire_id = self.wire_id(&wire_id);
                format!(
                    "recover {} {} as {wire_id}",
                    name(&key),
                    self.word(question_id)
                )
            }
            Effect::Tell { key, told } => format!("tell {} {}", name(&key), self.told(*told)),
        }
    }

    fn wire_id(&self, wire_id: &WireId) -> String {
        match wire_id.as_str().split_once('~') {
            Some((session, suffix)) => format!("{session}~{}", self.suffixes[suffix]),
            None => wire_id.to_string(),
        }
    }
}

fn describe_reply(reply: Reply) -> String {
    match reply {
        Reply::Answer {
            text,
            publish,
            total,
        } => format!("{} ({publish:?} of {total:?})", text.expose()),
        Reply::AnswerFailed => "answer failed".to_owned(),
        Reply::Busy => "busy".to_owned(),
        Reply::Draining => "draining".to_owned(),
        Reply::PublishFailed => "publish failed".to_owned(),
        Reply::TimedOut => "timed out".to_owned(),
    }
}

fn describe_event(event: Event) -> String {
    match event {
        Event::QuestionAccepted { key, after, .. } => format!("{} accepted {after:?}", name(&key)),
        Event::QuestionEnded {
            key,
            outcome,
            after,
        } => format!("{} ended: {} {after:?}", name(&key), outcome.as_str()),
        Event::AnswerDecided { outcome } => format!("record: {}", outcome.as_str()),
        Event::AnswerTooLarge => "answer too large".to_owned(),
        Event::PartsBroken => "parts broken".to_owned(),
        Event::AnswerRestarted => "answer restarted".to_owned(),
        Event::QuestionAdopted { key } => format!("{} adopted", name(&key)),
        Event::SessionIdInUse { key, .. } => format!("{} session id in use", name(&key)),
        Event::NotResumed { key } => format!("{} not resumed", name(&key)),
        Event::DuplicatesSeen => "duplicates seen".to_owned(),
        Event::SuffixStripped { session } => format!("suffix stripped, as in {session}"),
        Event::OwedTableFull => "owed table full".to_owned(),
    }
}
