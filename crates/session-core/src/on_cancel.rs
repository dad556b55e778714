//! A client of version 2 gives its question up, or says what it has received.

use std::time::Instant;

use types::{AskId, QuestionOutcome, SessionKey};

use crate::{QuestionErrorCode, SessionRegistry};

impl SessionRegistry {
    pub(crate) fn on_cancel(&mut self, now: Instant, key: &SessionKey, id: &AskId) {
        let is_open = self.current_state(key).is_some()
            && self
                .outstanding_question_mut(&key.id)
                .is_some_and(|question| {
                    let stream = question.stream.as_deref();
                    stream.is_some_and(|stream| stream.ask_id == *id)
                });
        if !is_open {
            return;
        }
        let Some(question) = self.end_waiting(&key.id) else {
            return;
        };
        self.send_question_error(&question, QuestionErrorCode::Cancelled);
        self.abandon_question(now, question, QuestionOutcome::Cancelled);
        self.close_if_draining(&key.id);
    }

    pub(crate) fn on_ack(&mut self, key: &SessionKey, seq: u64) {
        if self.current_state(key).is_some()
            && let Some(course) = self.progress_mut(&key.id)
        {
            course.acknowledge(seq);
        }
    }
}
