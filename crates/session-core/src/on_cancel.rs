//! A client of version 2 gives its question up, or says what it has received.

use std::time::Instant;

use types::{AskId, QuestionOutcome, SessionKey};

use crate::{ErrorCode, Registry};

impl Registry {
    pub(crate) fn on_cancel(&mut self, now: Instant, key: &SessionKey, id: &AskId) {
        let is_open = self.current(key).is_some()
            && self.waiting(&key.id).is_some_and(|question| {
                let stream = question.stream.as_deref();
                stream.is_some_and(|stream| stream.id == *id)
            });
        if !is_open {
            return;
        }
        let Some(question) = self.free(&key.id) else {
            return;
        };
        self.tell_end(&question, ErrorCode::Cancelled);
        self.abandon(now, question, QuestionOutcome::Cancelled);
        self.close_if_draining(&key.id);
    }

    pub(crate) fn on_ack(&mut self, key: &SessionKey, seq: u64) {
        if self.current(key).is_some()
            && let Some(course) = self.course(&key.id)
        {
            course.ack(seq);
        }
    }
}
