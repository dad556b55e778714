//! A client asks. The pending entry exists before anything is produced.

use std::time::Instant;

use types::{Question, SessionKey};

use crate::question::Pending;
use crate::state::State;
use crate::{Ask, Registry, Reply};

impl Registry {
    pub(crate) fn on_ask(&mut self, now: Instant, key: SessionKey, ask: Ask) {
        match self.current(&key) {
            None | Some(State::Departed { .. } | State::Closing) => {}
            Some(State::Waiting(_)) => self.send(key, Reply::Busy),
            Some(State::Idle) if self.draining.is_some() => self.send(key, Reply::Draining),
            Some(State::Idle) => self.ask(now, key, ask),
        }
    }

    fn ask(&mut self, now: Instant, key: SessionKey, ask: Ask) {
        let wire_id = self.mint_wire_id(now, &key.id, ask.suffix);
        let question = Question {
            session: key.id.clone(),
            wire_id: wire_id.clone(),
            question_id: ask.question_id,
            text: ask.text,
            user_name: ask.user_name,
            asked_at: ask.asked_at,
        };
        self.wait(Pending {
            question_id: ask.question_id,
            key: key.clone(),
            wire_id,
            floor: ask.floor,
            asked: now,
            deadline: now + self.settings.answer_timeout,
            accepted: None,
            parts: None,
        });
        self.publish(key, question);
    }
}
