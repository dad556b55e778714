//! Kafka has a question: it is accepted, unless its answer came first and proved that already.

use std::time::Instant;

use types::QuestionId;

use crate::SessionRegistry;
use crate::effect::PublishId;

impl SessionRegistry {
    pub(crate) fn on_published(&mut self, now: Instant, publish: PublishId) {
        if let Some(question) = self.unreported_questions.remove(&publish) {
            let after = now - question.asked_at;
            self.record_accepted(question.key.clone(), question.version, after);
            self.record_ended(question.key, question.outcome, after);
        } else if let Some(question) = self.outstanding_questions.get_mut(&publish.question)
            && question.publish_id == publish
        {
            question.is_reported = true;
            self.mark_accepted(now, publish.question);
        }
    }

    /// An open question is in Kafka. Said once.
    pub(crate) fn mark_accepted(&mut self, now: Instant, question_id: QuestionId) {
        let Some(question) = self.outstanding_questions.get_mut(&question_id) else {
            return;
        };
        if question.accepted_after.is_some() {
            return;
        }
        let after = now - question.asked_at;
        question.accepted_after = Some(after);
        let (key, version) = (question.key.clone(), question.version());
        let id = question
            .stream
            .as_deref()
            .map(|stream| stream.ask_id.clone());
        self.record_accepted(key.clone(), version, after);
        if let Some(id) = id {
            self.send_accepted(key, id);
        }
    }
}
