//! Kafka or the registry did not take a question: its session is free again.

use std::time::Instant;

use types::{AnswerOutcome, Persisted, QuestionOutcome};

use crate::effect::PublishId;
use crate::outstanding_question::OutstandingQuestion;
use crate::{QuestionErrorCode, SessionRegistry};

impl SessionRegistry {
    pub(crate) fn on_publish_failed(
        &mut self,
        now: Instant,
        publish: PublishId,
        persisted: Persisted,
    ) {
        match persisted {
            Persisted::Maybe => self.on_possible_duplicate_questions(now),
            Persisted::No => {}
        }
        if let Some(ended) = self.unreported_questions.remove(&publish) {
            // Its session was told, and what it may be owed noted, when it ended.
            self.record_ended(
                ended.key,
                QuestionOutcome::PublishFailed,
                now - ended.asked_at,
            );
            return;
        }
        let unreported = |question: &&OutstandingQuestion| {
            question.publish_id == publish && question.accepted_after.is_none()
        };
        let Some(question) = self
            .outstanding_questions
            .get(&publish.question)
            .filter(unreported)
        else {
            return;
        };
        let id = question.key.id.clone();
        let Some(question) = self.end_waiting(&id) else {
            return;
        };
        match persisted {
            Persisted::Maybe => self.expect_late_answer(now, &question, AnswerOutcome::Late),
            Persisted::No => {}
        }
        self.send_question_error(&question, QuestionErrorCode::PublishFailed);
        self.record_ended(
            question.key,
            QuestionOutcome::PublishFailed,
            now - question.asked_at,
        );
        self.close_if_draining(&id);
    }
}
