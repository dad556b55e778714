//! Deadlines pass: a question waited too long, or a departed session can no longer be owed anything.

use std::time::Instant;

use types::{QuestionOutcome, SessionId};

use crate::{ErrorCode, Registry, Timer};

impl Registry {
    pub(crate) fn on_timeout(&mut self, now: Instant) {
        while self.deadlines.first().is_some_and(|(at, ..)| *at <= now) {
            match self.deadlines.pop_first() {
                Some((_, Timer::AnswerDeadline, id)) => self.expire(now, &id),
                Some((_, Timer::DebtExpiry, id)) => drop(self.sessions.remove(&id)),
                None => return,
            }
        }
    }

    /// Tells a waiting session that its question was not answered in time, and frees it.
    pub(crate) fn expire(&mut self, now: Instant, id: &SessionId) {
        let Some(question) = self.waiting(id) else {
            return;
        };
        if let Some(recovering) = question.take_recovering() {
            let key = question.key.clone();
            return self.give_up(now, key, recovering.cause);
        }
        let Some(question) = self.free(id) else {
            return;
        };
        self.tell_end(&question, ErrorCode::Timeout);
        self.abandon(now, question, QuestionOutcome::Expired);
        self.close_if_draining(id);
    }
}
