//! Whose is it? An answer was read from Kafka.
//!
//! In this order: the echoed question id decides; else the wire id; else, under the plain id, the
//! session's only open question, provided the record is not below its floor. No clock decides
//! anything, and equal text is no sign of a duplicate.

use std::time::Instant;

use types::{
    Answer, AnswerBody, AnswerOutcome, QuestionId, QuestionIdEcho, QuestionOutcome, SessionId,
};

use crate::question::Pending;
use crate::session::Answered;
use crate::state::State;
use crate::{Event, Registry, Reply};

/// What a record is to the open questions.
enum Attribution {
    /// It answers the one this session waits for.
    To(SessionId),
    /// It names a question of one session and carries the id of another.
    Contradiction,
    /// It answers none of them.
    None,
}

impl Registry {
    pub(crate) fn on_answer(&mut self, now: Instant, answer: Answer) {
        let outcome = match self.attribute(&answer) {
            Attribution::To(id) => return self.deliver(now, &id, answer.body),
            Attribution::Contradiction => AnswerOutcome::Invalid,
            Attribution::None => self.explain(now, &answer),
        };
        self.note(Event::AnswerDecided { outcome });
    }

    fn attribute(&self, answer: &Answer) -> Attribution {
        match answer.question_id {
            QuestionIdEcho::Echoed(id) => self.attribute_by_question(id, answer.wire_id.session()),
            QuestionIdEcho::Absent => self.attribute_by_wire_id(answer),
            QuestionIdEcho::Foreign => Attribution::None,
        }
    }

    fn attribute_by_question(&self, id: QuestionId, session: &str) -> Attribution {
        match self.pending.get(&id) {
            Some(question) if question.key.id.as_str() == session => {
                Attribution::To(question.key.id.clone())
            }
            Some(_) => Attribution::Contradiction,
            None => Attribution::None,
        }
    }

    fn attribute_by_wire_id(&self, answer: &Answer) -> Attribution {
        match self.waited_for(answer.wire_id.session()) {
            Some(question)
                if question.wire_id == answer.wire_id && could_answer(question, answer) =>
            {
                Attribution::To(question.key.id.clone())
            }
            Some(_) | None => Attribution::None,
        }
    }

    /// The question this session waits for.
    fn waited_for(&self, session: &str) -> Option<&Pending> {
        match self.sessions.get(session)?.state {
            State::Waiting(question_id) => self.pending.get(&question_id),
            State::Departed { .. } | State::Idle | State::Closing => None,
        }
    }

    /// The one place where an answer goes to a socket.
    fn deliver(&mut self, now: Instant, id: &SessionId, body: AnswerBody) {
        let question = self
            .free(id)
            .expect("an answer is attributed to a waiting session only");
        let total = now - question.asked;
        if question.accepted.is_none() {
            // The answer proves that the question is in Kafka.
            self.accepted(question.key.clone(), total);
        }
        if let Some(session) = self.sessions.get_mut(id) {
            session.answered = Some(Box::new(Answered::new(&question)));
        }
        let (outcome, reply) = match body {
            AnswerBody::Text(text) => {
                let publish = question.accepted;
                let reply = Reply::Answer {
                    text,
                    publish,
                    total,
                };
                (QuestionOutcome::Answered, reply)
            }
            AnswerBody::Failed(_) => (QuestionOutcome::Failed, Reply::AnswerFailed),
        };
        self.send(question.key.clone(), reply);
        self.ended(question.key, outcome, total);
        self.note(Event::AnswerDecided {
            outcome: AnswerOutcome::Delivered,
        });
        self.close_if_draining(id);
    }

    /// Why an answer goes to nobody.
    fn explain(&mut self, now: Instant, answer: &Answer) -> AnswerOutcome {
        let Some(session) = self.sessions.get_mut(answer.wire_id.session()) else {
            return AnswerOutcome::Foreign;
        };
        let again = session.was_answered(answer.question_id, &answer.wire_id);
        let plain = answer.wire_id.is_plain();
        let may_be_owed = plain && !again;
        let owed = may_be_owed
            .then(|| session.debts.settle_plain(now))
            .flatten();
        // Neither open, nor owed, nor put back by an operator: something was answered twice, so the
        // next plain question of any session could get the second answer to its last one.
        let twice = plain && owed.is_none() && !answer.replayed;
        let outcome = match session.state {
            State::Departed { .. } => return AnswerOutcome::Undeliverable,
            State::Idle | State::Closing if again || twice => AnswerOutcome::Duplicate,
            State::Waiting(_) if again => AnswerOutcome::Duplicate,
            State::Idle | State::Closing | State::Waiting(_) => owed.unwrap_or(AnswerOutcome::Late),
        };
        if twice {
            self.duplicates_seen(now);
        }
        outcome
    }
}

/// Whether a record under the question's own wire id could be its answer. A suffix is exact; the
/// plain id is not, so a record from before the question, or put back from the dead letters, is none.
fn could_answer(question: &Pending, answer: &Answer) -> bool {
    !answer.wire_id.is_plain() || (!answer.replayed && !question.floor.excludes(answer.position))
}
