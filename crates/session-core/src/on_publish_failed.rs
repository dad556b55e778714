//! Kafka or the registry did not take a question: its session is free again.

use std::time::Instant;

use types::{AnswerOutcome, QuestionOutcome};

use crate::effect::PublishId;
use crate::question::Pending;
use crate::{ErrorCode, Persisted, Registry};

impl Registry {
    pub(crate) fn on_publish_failed(
        &mut self,
        now: Instant,
        publish: PublishId,
        persisted: Persisted,
    ) {
        match persisted {
            Persisted::Maybe => self.questions_may_be_doubled(now),
            Persisted::No => {}
        }
        if let Some(ended) = self.unreported.remove(&publish) {
            // Its session was told, and what it may be owed noted, when it ended.
            self.ended(ended.key, QuestionOutcome::PublishFailed, now - ended.asked);
            return;
        }
        let unreported =
            |question: &&Pending| question.publish == publish && question.accepted.is_none();
        let Some(question) = self.pending.get(&publish.question).filter(unreported) else {
            return;
        };
        let id = question.key.id.clone();
        let Some(question) = self.free(&id) else {
            return;
        };
        match persisted {
            Persisted::Maybe => self.incur(now, &question, AnswerOutcome::Late),
            Persisted::No => {}
        }
        self.tell_end(&question, ErrorCode::PublishFailed);
        self.ended(
            question.key,
            QuestionOutcome::PublishFailed,
            now - question.asked,
        );
        self.close_if_draining(&id);
    }
}
