//! Deadlines pass: a question waited too long, or a departed session can no longer be owed anything.

use std::time::Instant;

use types::{QuestionOutcome, SessionId};

use crate::{QuestionErrorCode, SessionRegistry, SessionTimer};

impl SessionRegistry {
    pub(crate) fn on_timeout(&mut self, now: Instant) {
        while self.deadlines.first().is_some_and(|(at, ..)| *at <= now) {
            match self.deadlines.pop_first() {
                Some((_, SessionTimer::AnswerDeadline, id)) => self.expire_question(now, &id),
                Some((_, SessionTimer::DepartedSessionExpiry, id)) => {
                    drop(self.sessions.remove(&id))
                }
                None => return,
            }
        }
    }

    /// Tells a waiting session that its question was not answered in time, and frees it.
    pub(crate) fn expire_question(&mut self, now: Instant, id: &SessionId) {
        let Some(question) = self.outstanding_question_mut(id) else {
            return;
        };
        if let Some(recovering) = question.take_recovery() {
            let key = question.key.clone();
            return self.abort_recovery(now, key, recovering.cause);
        }
        let Some(question) = self.end_waiting(id) else {
            return;
        };
        self.send_question_error(&question, QuestionErrorCode::Timeout);
        self.abandon_question(now, question, QuestionOutcome::Expired);
        self.close_if_draining(id);
    }
}
