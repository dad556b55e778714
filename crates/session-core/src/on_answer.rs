//! Whose is it? An answer was read from Kafka.
//!
//! In this order: the echoed question id decides; else the wire id; else, under the plain id, the
//! session's only open question, provided the record is not below its floor. No clock decides
//! anything, and equal text is no sign of a duplicate.

use std::time::Instant;

use types::{
    Answer, AnswerBody, AnswerOutcome, AnswerPart, AnswerText, QuestionId, QuestionIdEcho,
    QuestionOutcome, SessionId,
};

use crate::parts::{Joined, Part, Parts};
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
            Attribution::To(id) => return self.receive(now, &id, answer),
            Attribution::Contradiction => AnswerOutcome::Invalid,
            Attribution::None => self.explain(now, &answer),
        };
        self.decided(outcome);
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
    pub(crate) fn waited_for(&self, session: &str) -> Option<&Pending> {
        match self.sessions.get(session)?.state {
            State::Waiting(question_id) => self.pending.get(&question_id),
            State::Departed { .. } | State::Idle | State::Closing => None,
        }
    }

    /// A record answers the question this session waits for: wholly, or in part.
    fn receive(&mut self, now: Instant, id: &SessionId, answer: Answer) {
        let text = match answer.body {
            AnswerBody::Text(text) => text,
            failed @ AnswerBody::Failed(_) => return self.deliver(now, id, failed),
        };
        match answer.part {
            AnswerPart::Whole => self.complete(now, id, text),
            AnswerPart::Piece {
                order,
                is_final,
                attempt,
            } => {
                let part = Part {
                    order,
                    is_final,
                    attempt,
                    at: answer.position,
                    text,
                };
                let exact = !answer.wire_id.is_plain() || answer.replayed;
                self.join(now, id, part, exact);
            }
        }
    }

    /// `exact`: what comes again under the record's wire id can be confused with no other question's.
    fn join(&mut self, now: Instant, id: &SessionId, part: Part, exact: bool) {
        let max_bytes = self.settings.max_answer_bytes;
        let question = self
            .waiting(id)
            .expect("an answer is attributed to a waiting session only");
        let question_id = question.question_id;
        match question.parts.get_or_insert_default().take(part, max_bytes) {
            Joined::Whole(text) => self.complete(now, id, text),
            Joined::Kept => {
                // It proves that the question is in Kafka.
                self.on_published(now, question_id);
                self.wait_for_next_part(now, question_id);
                self.decided(AnswerOutcome::Part);
            }
            Joined::Again => {
                if !exact {
                    self.duplicates_seen(now);
                }
                self.decided(AnswerOutcome::Duplicate);
            }
            Joined::Outdated => self.decided(AnswerOutcome::Late),
            Joined::TooLarge => self.refuse_answer(now, id, Event::AnswerTooLarge),
            Joined::Broken => self.refuse_answer(now, id, Event::PartsBroken),
        }
    }

    /// All of the answer is here.
    fn complete(&mut self, now: Instant, id: &SessionId, text: AnswerText) {
        if text.expose().len() > self.settings.max_answer_bytes {
            return self.refuse_answer(now, id, Event::AnswerTooLarge);
        }
        self.deliver(now, id, AnswerBody::Text(text));
    }

    /// The answer cannot be given; its question ends with an error.
    fn refuse_answer(&mut self, now: Instant, id: &SessionId, why: Event) {
        self.note(why);
        self.deliver(now, id, AnswerBody::Failed(None));
    }

    fn decided(&mut self, outcome: AnswerOutcome) {
        self.note(Event::AnswerDecided { outcome });
    }

    /// The same, to be changed.
    fn waiting(&mut self, id: &SessionId) -> Option<&mut Pending> {
        let question_id = self.waited_for(id.as_str())?.question_id;
        self.pending.get_mut(&question_id)
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
        let parts = question.parts.as_deref();
        if parts.is_some_and(Parts::may_have_stragglers) {
            self.incur(now, &question, AnswerOutcome::Late);
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
        self.decided(AnswerOutcome::Delivered);
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
            .then(|| session.debts.settle_plain(now, answer.part.is_last()))
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
