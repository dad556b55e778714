//! The producer reports. Only its report decides whether a question was accepted, unless the answer
//! came first.

use std::time::Instant;

use types::{QuestionId, QuestionOutcome};

use crate::registry::Stage;
use crate::{Persisted, Registry, Reply};

impl Registry {
    pub(crate) fn on_published(&mut self, now: Instant, question_id: QuestionId) {
        // Unknown: the answer came first and proved it.
        let Some(tracked) = self.questions.get(&question_id) else {
            return;
        };
        let (key, after, stage) = (tracked.key.clone(), now - tracked.asked, tracked.stage);
        self.accept(now, question_id);
        match stage {
            Stage::Ended(outcome) => self.end(now, question_id, outcome),
            Stage::Unconfirmed | Stage::Accepted => {
                let session = self.sessions.get_mut(&key.id);
                let question = session
                    .and_then(|session| session.current(key.generation))
                    .and_then(|connection| connection.question.as_mut());
                if let Some(question) = question {
                    question.accepted_after.get_or_insert(after);
                }
            }
        }
    }

    pub(crate) fn on_publish_failed(
        &mut self,
        now: Instant,
        question_id: QuestionId,
        persisted: Persisted,
    ) {
        let Some(tracked) = self.questions.get(&question_id) else {
            return;
        };
        let key = tracked.key.clone();
        match tracked.stage {
            // A second report; the first one stands.
            Stage::Accepted => {}
            Stage::Ended(_) => self.end(now, question_id, QuestionOutcome::PublishFailed),
            Stage::Unconfirmed => {
                if let Some(question) = self.take_question(&key.id)
                    && persisted == Persisted::Maybe
                {
                    let until = now + self.settings.answer_ttl;
                    if let Some(session) = self.sessions.get_mut(&key.id) {
                        session.debts.incur(now, until, &question.wire_id);
                    }
                }
                self.end(now, question_id, QuestionOutcome::PublishFailed);
                self.send(key.clone(), Reply::PublishFailed);
                self.close_if_draining(key);
            }
        }
    }
}
