//! A client asks. The pending entry exists before anything is produced.

use std::time::Instant;

use types::{Question, QuestionId, SessionKey};

use crate::course::Unacked;
use crate::on_recovered::Past;
use crate::question::Pending;
use crate::state::State;
use crate::stream::{Cause, Stream};
use crate::{Ask, AskIdentity, ErrorCode, KeyedAsk, Registry, Reply};

impl Registry {
    pub(crate) fn on_ask(&mut self, now: Instant, key: SessionKey, ask: Ask) {
        match self.current(&key) {
            None | Some(State::Departed { .. } | State::Closing) => {}
            Some(State::Waiting(open)) => self.ask_while_waiting(key, open, &ask.identity),
            Some(State::Idle) => self.ask_while_idle(now, key, ask),
        }
    }

    fn ask_while_waiting(&mut self, key: SessionKey, open: QuestionId, asked: &AskIdentity) {
        let question = self.pending.get(&open);
        let stream = question.and_then(|question| question.stream.as_deref());
        match (stream, asked) {
            (None, AskIdentity::Random(_)) => self.send(key, Reply::Busy),
            (Some(stream), AskIdentity::Keyed(keyed)) => {
                let id = stream.id.clone();
                if id != keyed.id {
                    return self.tell_error(key, id, ErrorCode::Busy, None);
                }
                if question.is_some_and(|question| question.accepted.is_some()) {
                    self.tell_accepted(key, id);
                }
            }
            // A client of another version than its session speaks is a mistake of the caller's.
            (None, AskIdentity::Keyed(_)) | (Some(_), AskIdentity::Random(_)) => {}
        }
    }

    fn ask_while_idle(&mut self, now: Instant, key: SessionKey, ask: Ask) {
        match (ask.identity.clone(), self.course(&key.id)) {
            (AskIdentity::Random(question_id), None) => match self.draining {
                Some(_) => self.send(key, Reply::Draining),
                None => self.ask(now, key, ask, question_id, None),
            },
            (AskIdentity::Keyed(keyed), Some(course)) => {
                let question_id = course.lineage.question_id(&keyed.id);
                let id = keyed.id.clone();
                if course.was_answered(question_id) {
                    return match course.take_unacked(question_id) {
                        Some((unacked, acked)) => self.answer_again(now, key, unacked, acked),
                        None => self.tell_error(key, id, ErrorCode::AlreadyAnswered, None),
                    };
                }
                match self.draining {
                    Some(_) => self.tell_error(key, id, ErrorCode::Draining, None),
                    None => self.ask(now, key, ask, question_id, Some(keyed)),
                }
            }
            (AskIdentity::Random(_), Some(_)) | (AskIdentity::Keyed(_), None) => {}
        }
    }

    fn ask(
        &mut self,
        now: Instant,
        key: SessionKey,
        ask: Ask,
        question_id: QuestionId,
        keyed: Option<KeyedAsk>,
    ) {
        let longest = self.settings.answer_timeout;
        let timeout = keyed.as_ref().and_then(|keyed| keyed.timeout);
        let stream = keyed.map(|KeyedAsk { id, timeout: _ }| {
            let base = self.course(&key.id).map_or(0, |course| course.seq);
            Box::new(Stream::new(id, base, self.settings.part_bytes))
        });
        let wire_id = self.mint_wire_id(now, &key.id, ask.suffix);
        let question = Question {
            session: key.id.clone(),
            wire_id: wire_id.clone(),
            question_id,
            text: ask.text,
            user_name: ask.user_name,
            asked_at: ask.asked_at,
        };
        let publish = self.next_publish(question_id);
        self.wait(Pending {
            publish,
            key: key.clone(),
            wire_id,
            floor: ask.floor,
            asked: now,
            deadline: now + timeout.map_or(longest, |timeout| timeout.min(longest)),
            accepted: None,
            reported: false,
            parts: None,
            stream,
        });
        self.publish(key, publish, question);
    }

    /// The client lacks parts of an answer that was sent: they are looked up and sent again.
    fn answer_again(&mut self, now: Instant, key: SessionKey, unacked: Unacked, acked: u64) {
        let Unacked { question, base } = unacked;
        let past = Past {
            question,
            base,
            seen: acked,
            cause: Cause::AskedAgain,
        };
        self.recover(now, key, past);
    }
}
