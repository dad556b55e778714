//! Deadlines pass.

use std::time::Instant;

use types::{QuestionOutcome, SessionId, SessionKey};

use crate::{Registry, Reply, Timer};

impl Registry {
    pub(crate) fn on_tick(&mut self, now: Instant) {
        while self.deadlines.first().is_some_and(|(at, _, _)| *at <= now) {
            let Some((_, timer, id)) = self.deadlines.pop_first() else {
                return;
            };
            match timer {
                Timer::AnswerDeadline => self.expire(now, &id),
                Timer::DebtExpiry => self.on_debt_expired(&id),
            }
        }
    }

    /// Tells a session that its question was not answered in time, and frees it.
    pub(crate) fn expire(&mut self, now: Instant, id: &SessionId) {
        let Some(question) = self.take_question(id) else {
            return;
        };
        let generation = self
            .sessions
            .get(id)
            .and_then(|s| s.connection.as_ref())
            .map(|c| c.generation);
        if let Some(generation) = generation {
            let key = SessionKey {
                id: id.clone(),
                generation,
            };
            self.send(key.clone(), Reply::TimedOut);
            self.close_if_draining(key);
        }
        self.abandon(now, id, &question, QuestionOutcome::Expired);
    }
}
