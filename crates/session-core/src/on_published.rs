//! Kafka has a question: it is accepted, unless its answer came first and proved that already.

use std::time::Instant;

use types::QuestionId;

use crate::Registry;

impl Registry {
    pub(crate) fn on_published(&mut self, now: Instant, question_id: QuestionId) {
        if let Some(question) = self.pending.get_mut(&question_id) {
            if question.accepted.is_none() {
                let after = now - question.asked;
                question.accepted = Some(after);
                let key = question.key.clone();
                self.accepted(key, after);
            }
        } else if let Some(question) = self.unreported.remove(&question_id) {
            let after = now - question.asked;
            self.accepted(question.key.clone(), after);
            self.ended(question.key, question.outcome, after);
        }
    }
}
