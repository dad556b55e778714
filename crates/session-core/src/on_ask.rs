//! A client asks. The pending entry exists before anything is produced.

use std::time::Instant;

use types::{QuestionId, QuestionRecord, SessionKey};

use crate::answer_stream::{AnswerStream, RecoveryCause};
use crate::on_recovered::QuestionToRecover;
use crate::outstanding_question::OutstandingQuestion;
use crate::session_state::SessionState;
use crate::stream_progress::UnackedAnswer;
use crate::{AskIdentity, AskRequest, KeyedAsk, QuestionErrorCode, ReplyV1, SessionRegistry};

impl SessionRegistry {
    pub(crate) fn on_ask(&mut self, now: Instant, key: SessionKey, ask: AskRequest) {
        match self.current_state(&key) {
            None | Some(SessionState::Departed { .. } | SessionState::Closing) => {}
            Some(SessionState::Waiting(open)) => self.ask_while_waiting(key, open, &ask.identity),
            Some(SessionState::Idle) => self.ask_while_idle(now, key, ask),
        }
    }

    fn ask_while_waiting(&mut self, key: SessionKey, open: QuestionId, asked: &AskIdentity) {
        let question = self.outstanding_questions.get(&open);
        let stream = question.and_then(|question| question.stream.as_deref());
        match (stream, asked) {
            (None, AskIdentity::Random(_)) => self.send_v1(key, ReplyV1::Busy),
            (Some(stream), AskIdentity::Keyed(keyed)) => {
                let id = stream.ask_id.clone();
                if id != keyed.ask_id {
                    return self.send_error(key, id, QuestionErrorCode::Busy, None);
                }
                if question.is_some_and(|question| question.accepted_after.is_some()) {
                    self.send_accepted(key, id);
                }
            }
            // A client of another version than its session speaks is a mistake of the caller's.
            (None, AskIdentity::Keyed(_)) | (Some(_), AskIdentity::Random(_)) => {}
        }
    }

    fn ask_while_idle(&mut self, now: Instant, key: SessionKey, ask: AskRequest) {
        match (ask.identity.clone(), self.progress_mut(&key.id)) {
            (AskIdentity::Random(question_id), None) => match self.sessions_to_drain {
                Some(_) => self.send_v1(key, ReplyV1::Draining),
                None => self.begin_question(now, key, ask, question_id, None),
            },
            (AskIdentity::Keyed(keyed), Some(course)) => {
                let question_id = course.lineage.question_id(&keyed.ask_id);
                let id = keyed.ask_id.clone();
                if course.was_answered(question_id) {
                    return match course.take_unacked_answer(question_id) {
                        Some((unacked, acked)) => self.resend_answer(now, key, unacked, acked),
                        None => self.send_error(key, id, QuestionErrorCode::AlreadyAnswered, None),
                    };
                }
                match self.sessions_to_drain {
                    Some(_) => self.send_error(key, id, QuestionErrorCode::Draining, None),
                    None => self.begin_question(now, key, ask, question_id, Some(keyed)),
                }
            }
            (AskIdentity::Random(_), Some(_)) | (AskIdentity::Keyed(_), None) => {}
        }
    }

    fn begin_question(
        &mut self,
        now: Instant,
        key: SessionKey,
        ask: AskRequest,
        question_id: QuestionId,
        keyed: Option<KeyedAsk>,
    ) {
        let longest = self.settings.answer_timeout;
        let timeout = keyed.as_ref().and_then(|keyed| keyed.timeout);
        let stream = keyed.map(
            |KeyedAsk {
                 ask_id: id,
                 timeout: _,
             }| {
                let base = self
                    .progress_mut(&key.id)
                    .map_or(0, |course| course.last_seq);
                Box::new(AnswerStream::new(id, base, self.settings.chunk_bytes))
            },
        );
        let wire_id = self.mint_wire_id(now, &key.id, ask.suffix);
        let question = QuestionRecord {
            session_id: key.id.clone(),
            wire_id: wire_id.clone(),
            question_id,
            text: ask.text,
            user_name: ask.user_name,
            asked_at: ask.asked_at,
        };
        let publish = self.next_publish_id(question_id);
        self.begin_waiting(OutstandingQuestion {
            publish_id: publish,
            key: key.clone(),
            wire_id,
            min_offsets: ask.min_offsets,
            asked_at: now,
            deadline: now + timeout.map_or(longest, |timeout| timeout.min(longest)),
            accepted_after: None,
            is_reported: false,
            assembler: None,
            stream,
        });
        self.publish_question(key, publish, question);
    }

    /// The client lacks parts of an answer that was sent: they are looked up and sent again.
    fn resend_answer(&mut self, now: Instant, key: SessionKey, unacked: UnackedAnswer, acked: u64) {
        let UnackedAnswer {
            question,
            seq_before: base,
        } = unacked;
        let past = QuestionToRecover {
            question,
            seq_before: base,
            received_seq: acked,
            cause: RecoveryCause::AskedAgain,
        };
        self.begin_recovery(now, key, past);
    }
}
