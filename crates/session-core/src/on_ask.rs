//! A client asks. The pending entry exists before anything is produced.

use std::time::Instant;

use types::{Question, QuestionId, SessionKey};

use crate::course::Unacked;
use crate::on_recovered::Past;
use crate::question::Pending;
use crate::state::State;
use crate::stream::{Cause, Stream};
use crate::{Ask, ErrorCode, Named, Registry, Reply, Version};

impl Registry {
    pub(crate) fn on_ask(&mut self, now: Instant, key: SessionKey, ask: Ask) {
        let version = self.version(&key.id);
        match self.current(&key) {
            None | Some(State::Departed { .. } | State::Closing) => {}
            // A client of another version than its session speaks is a mistake of the caller's.
            Some(_) if ask.named.is_some() != (version == Version::V2) => {}
            Some(State::Waiting(open)) => self.ask_while_waiting(key, open, ask.question_id),
            Some(State::Idle) => self.ask_while_idle(now, key, ask),
        }
    }

    fn ask_while_waiting(&mut self, key: SessionKey, open: QuestionId, asked: QuestionId) {
        let question = self.pending.get(&open);
        let Some(stream) = question.and_then(|question| question.stream.as_deref()) else {
            return self.send(key, Reply::Busy);
        };
        let id = stream.id.clone();
        if open != asked {
            return self.tell_error(key, id, ErrorCode::Busy, None);
        }
        if question.is_some_and(|question| question.accepted.is_some()) {
            self.tell_accepted(key, id);
        }
    }

    fn ask_while_idle(&mut self, now: Instant, key: SessionKey, ask: Ask) {
        let Some(named) = &ask.named else {
            return match self.draining {
                Some(_) => self.send(key, Reply::Draining),
                None => self.ask(now, key, ask),
            };
        };
        let id = named.id.clone();
        let Some(course) = self.course(&key.id) else {
            return;
        };
        if course.was_answered(ask.question_id) {
            return match course.take_unacked(ask.question_id) {
                Some((unacked, acked)) => self.answer_again(now, key, unacked, acked),
                None => self.tell_error(key, id, ErrorCode::AlreadyAnswered, None),
            };
        }
        match self.draining {
            Some(_) => self.tell_error(key, id, ErrorCode::Draining, None),
            None => self.ask(now, key, ask),
        }
    }

    fn ask(&mut self, now: Instant, key: SessionKey, ask: Ask) {
        let part_bytes = self.settings.part_bytes;
        let (timeout, stream) = match ask.named {
            None => (None, None),
            Some(Named { id, timeout }) => {
                let base = self.course(&key.id).map_or(0, |course| course.seq);
                let stream = Stream::new(id, base, part_bytes);
                (timeout, Some(Box::new(stream)))
            }
        };
        let wire_id = self.mint_wire_id(now, &key.id, ask.suffix);
        let question = Question {
            session: key.id.clone(),
            wire_id: wire_id.clone(),
            question_id: ask.question_id,
            text: ask.text,
            user_name: ask.user_name,
            asked_at: ask.asked_at,
        };
        let longest = self.settings.answer_timeout;
        let publish = self.next_publish(ask.question_id);
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
