//! Kafka has a question: it is accepted, unless its answer came first and proved that already.

use std::time::Instant;

use types::QuestionId;

use crate::Registry;
use crate::effect::PublishId;

impl Registry {
    pub(crate) fn on_published(&mut self, now: Instant, publish: PublishId) {
        if let Some(question) = self.unreported.remove(&publish) {
            let after = now - question.asked;
            self.accepted(question.key.clone(), question.version, after);
            self.ended(question.key, question.outcome, after);
        } else if let Some(question) = self.pending.get_mut(&publish.question)
            && question.publish == publish
        {
            question.reported = true;
            self.accept(now, publish.question);
        }
    }

    /// An open question is in Kafka. Said once.
    pub(crate) fn accept(&mut self, now: Instant, question_id: QuestionId) {
        let Some(question) = self.pending.get_mut(&question_id) else {
            return;
        };
        if question.accepted.is_some() {
            return;
        }
        let after = now - question.asked;
        question.accepted = Some(after);
        let (key, version) = (question.key.clone(), question.version());
        let id = question.stream.as_deref().map(|stream| stream.id.clone());
        self.accepted(key.clone(), version, after);
        if let Some(id) = id {
            self.tell_accepted(key, id);
        }
    }
}
