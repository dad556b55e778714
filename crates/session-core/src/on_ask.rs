//! A client asks. The pending entry exists before anything is produced.

use std::time::Instant;

use types::{Question, SessionKey, WireId};

use crate::registry::{Stage, Tracked};
use crate::session::OpenQuestion;
use crate::{Ask, Registry, Reply, Timer, WireIdMode};

impl Registry {
    pub(crate) fn on_ask(&mut self, now: Instant, key: SessionKey, ask: Ask) {
        let suffixed = self.must_suffix(now, &key);
        let draining = self.drain.is_some();
        let Some(connection) = self
            .sessions
            .get_mut(&key.id)
            .and_then(|session| session.current(key.generation))
        else {
            return;
        };
        if connection.closing {
            return;
        }
        if connection.question.is_some() {
            self.send(key, Reply::Busy);
            return;
        }
        if draining {
            self.send(key, Reply::Draining);
            return;
        }
        let wire_id = if suffixed {
            WireId::suffixed(&key.id, ask.suffix)
        } else {
            WireId::plain(&key.id)
        };
        let deadline = now + self.settings.answer_timeout;
        connection.question = Some(Box::new(OpenQuestion {
            question_id: ask.question_id,
            wire_id: wire_id.clone(),
            floor: ask.floor,
            asked: now,
            deadline,
            accepted_after: None,
        }));
        self.open += 1;
        self.deadlines
            .insert((deadline, Timer::AnswerDeadline, key.id.clone()));
        let tracked = Tracked {
            key: key.clone(),
            asked: now,
            stage: Stage::Unconfirmed,
        };
        self.questions.insert(ask.question_id, tracked);
        let question = Question {
            session: key.id.clone(),
            wire_id,
            question_id: ask.question_id,
            text: ask.text,
            user_name: ask.user_name,
            asked_at: ask.asked_at,
        };
        self.publish(key, question);
    }

    /// Whether an answer under the plain id could belong to another question than this one.
    fn must_suffix(&self, now: Instant, key: &SessionKey) -> bool {
        let owed = || {
            self.sessions
                .get(&key.id)
                .is_some_and(|s| s.debts.outstanding(now))
        };
        let all = || self.suffix_all_until.is_some_and(|until| now < until);
        let full = || self.departed >= self.settings.max_owed;
        match self.settings.wire_id {
            WireIdMode::Question => true,
            WireIdMode::Plain => owed() || all() || full(),
        }
    }
}
