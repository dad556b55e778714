//! Whose is it? An answer was read from Kafka.
//!
//! In this order: the echoed question id decides; else the wire id; else, under the plain id, the
//! session's only open question, provided the record is not below its floor. No clock decides
//! anything, and equal text is no sign of a duplicate.

use std::time::Instant;

use types::{
    Answer, AnswerBody, AnswerOutcome, QuestionId, QuestionIdEcho, QuestionOutcome, SessionKey,
};

use crate::registry::Stage;
use crate::session::Answered;
use crate::{Event, Registry, Reply};

/// What a record is to the open questions.
enum Attribution {
    /// It answers this one.
    To(SessionKey),
    /// It names a question of one session and carries the id of another.
    Contradiction,
    /// It answers none of them.
    None,
}

impl Registry {
    pub(crate) fn on_answer(&mut self, now: Instant, answer: Answer) {
        match self.attribute(&answer) {
            Attribution::To(key) => self.deliver(now, key, answer.body),
            Attribution::Contradiction => self.decided(AnswerOutcome::Invalid),
            Attribution::None => {
                let outcome = self.explain(now, &answer);
                self.decided(outcome);
            }
        }
    }

    fn attribute(&self, answer: &Answer) -> Attribution {
        match answer.question_id {
            QuestionIdEcho::Echoed(id) => self.attribute_by_question(id, answer.wire_id.session()),
            QuestionIdEcho::Absent => self.attribute_by_wire_id(answer),
            QuestionIdEcho::Foreign => Attribution::None,
        }
    }

    fn attribute_by_question(&self, id: QuestionId, session: &str) -> Attribution {
        let open = self
            .questions
            .get(&id)
            .filter(|tracked| match tracked.stage {
                Stage::Unconfirmed | Stage::Accepted => true,
                Stage::Ended(_) => false,
            });
        match open {
            Some(tracked) if tracked.key.id.as_str() == session => {
                Attribution::To(tracked.key.clone())
            }
            Some(_) => Attribution::Contradiction,
            None => Attribution::None,
        }
    }

    fn attribute_by_wire_id(&self, answer: &Answer) -> Attribution {
        let Some((id, session)) = self.sessions.get_key_value(answer.wire_id.session()) else {
            return Attribution::None;
        };
        let (Some(connection), Some(question)) = (&session.connection, session.question()) else {
            return Attribution::None;
        };
        let exact = !answer.wire_id.is_plain();
        let possible = exact || (!answer.replayed && !question.floor.excludes(answer.position));
        if question.wire_id == answer.wire_id && possible {
            Attribution::To(SessionKey {
                id: id.clone(),
                generation: connection.generation,
            })
        } else {
            Attribution::None
        }
    }

    /// The one place where an answer goes to a socket.
    fn deliver(&mut self, now: Instant, key: SessionKey, body: AnswerBody) {
        let Some(question) = self.take_question(&key.id) else {
            return;
        };
        // The answer proves that the question is in Kafka, report or not.
        self.accept(now, question.question_id);
        let (outcome, reply) = match body {
            AnswerBody::Text(text) => {
                let (publish, total) = (question.accepted_after, now - question.asked);
                (
                    QuestionOutcome::Answered,
                    Reply::Answer {
                        text,
                        publish,
                        total,
                    },
                )
            }
            AnswerBody::Failed(_) => (QuestionOutcome::Failed, Reply::AnswerFailed),
        };
        if let Some(session) = self.sessions.get_mut(&key.id) {
            session.answered = Some(Box::new(Answered::new(&question)));
        }
        self.send(key.clone(), reply);
        self.end(now, question.question_id, outcome);
        self.decided(AnswerOutcome::Delivered);
        self.close_if_draining(key);
    }

    /// Why an answer goes to nobody.
    fn explain(&mut self, now: Instant, answer: &Answer) -> AnswerOutcome {
        let Some(session) = self.sessions.get_mut(answer.wire_id.session()) else {
            return AnswerOutcome::Foreign;
        };
        let settles = answer.wire_id.is_plain() && session.debts.settle_plain(now);
        if session.connection.is_none() {
            return AnswerOutcome::Undeliverable;
        }
        let again = |answered: &Answered| answered.matches(answer.question_id, &answer.wire_id);
        if session.answered.as_deref().is_some_and(again) {
            return AnswerOutcome::Duplicate;
        }
        let anonymous = answer.question_id == QuestionIdEcho::Absent && answer.wire_id.is_plain();
        let unexplained = anonymous && !settles && !answer.replayed;
        if unexplained && session.question().is_none() {
            // The answering side answered one plain question twice, so the next plain question of
            // any session could get the second answer to its last one.
            self.suffix_all(now + self.settings.answer_ttl);
            self.note(Event::DuplicatesSeen);
            return AnswerOutcome::Duplicate;
        }
        AnswerOutcome::Late
    }
}
