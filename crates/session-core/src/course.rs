//! How far a session of version 2 has come: its numbers, and which questions were answered.

use std::collections::VecDeque;

use types::{Lineage, QuestionId};

use crate::ResumePoint;
use crate::told::ResumeQuestion;

/// Numbers and answered questions of one session of version 2.
#[derive(Debug)]
pub(crate) struct Course {
    /// Scopes the question ids of the session.
    pub(crate) lineage: Lineage,
    /// The number of the last part.
    pub(crate) seq: u64,
    /// The last part that the client says it has.
    acked: u64,
    /// Newest last; at most [`Course::MAX_ANSWERED`].
    answered: VecDeque<QuestionId>,
    /// The question answered last, until all of its parts are acknowledged.
    unacked: Option<Box<Unacked>>,
}

/// An answered question whose parts the client may not have.
#[derive(Debug, Clone)]
pub(crate) struct Unacked {
    pub(crate) question: ResumeQuestion,
    /// The number of the last part before its own.
    pub(crate) base: u64,
}

impl Course {
    /// How many answered questions a session remembers.
    pub(crate) const MAX_ANSWERED: usize = 64;

    /// Starts the progress of a new session.
    pub(crate) fn fresh(lineage: Lineage) -> Self {
        Self::at(lineage, 0, Vec::new())
    }

    pub(crate) fn at(lineage: Lineage, seq: u64, answered: Vec<QuestionId>) -> Self {
        Self {
            lineage,
            seq,
            acked: seq,
            answered: answered.into(),
            unacked: None,
        }
    }

    /// Its parts up to this one are with the client. More than were sent cannot be.
    pub(crate) fn ack(&mut self, seq: u64) {
        self.acked = self.acked.max(seq.min(self.seq));
        if self.acked == self.seq {
            self.unacked = None;
        }
    }

    /// All parts of a question have been sent.
    pub(crate) fn answered(&mut self, question: ResumeQuestion, base: u64) {
        let question_id = question.question_id;
        self.answered.retain(|earlier| *earlier != question_id);
        if self.answered.len() == Self::MAX_ANSWERED {
            self.answered.pop_front();
        }
        self.answered.push_back(question_id);
        self.unacked = (self.acked < self.seq).then(|| Box::new(Unacked { question, base }));
    }

    pub(crate) fn was_answered(&self, question: QuestionId) -> bool {
        self.answered.contains(&question)
    }

    /// The question, if it was answered last and the client may lack parts of it, and the last part
    /// that it has.
    pub(crate) fn take_unacked(&mut self, question: QuestionId) -> Option<(Unacked, u64)> {
        let unacked = self
            .unacked
            .take_if(|unacked| unacked.question.question_id == question)?;
        Some((*unacked, self.acked))
    }

    /// The newest of the answered questions, for a token.
    pub(crate) fn newest_answered(&self) -> Vec<QuestionId> {
        let skip = self
            .answered
            .len()
            .saturating_sub(ResumePoint::MAX_ANSWERED);
        self.answered.iter().skip(skip).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use types::{AnswerFloor, AskId, SessionId, WireId};

    use super::*;

    fn question(number: u8) -> ResumeQuestion {
        ResumeQuestion {
            id: AskId::parse("q").unwrap(),
            question_id: id(number),
            wire_id: WireId::plain(&SessionId::parse("a").unwrap()),
            deadline: now(),
            part_bytes: 4,
            floor: AnswerFloor::unknown(),
        }
    }

    fn lineage() -> Lineage {
        Lineage::from_random([0; 16])
    }

    fn id(number: u8) -> QuestionId {
        QuestionId::from_bytes([number; 16])
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn sixty_four_answered_questions_are_remembered_and_a_token_carries_eight() {
        let mut course = Course::fresh(lineage());
        (0..=64).for_each(|number| course.answered(question(number), 0));
        assert!(!course.was_answered(id(0)));
        assert!(course.was_answered(id(1)) && course.was_answered(id(64)));
        let newest: Vec<_> = (57..=64).map(id).collect();
        assert_eq!(course.newest_answered(), newest);
        course.answered(question(1), 0);
        assert_eq!(course.answered.len(), 64, "none is remembered twice");
    }

    #[test]
    fn an_answer_is_at_hand_until_its_last_part_is_acknowledged() {
        let mut course = Course::at(lineage(), 3, Vec::new());
        course.seq = 5;
        course.answered(question(1), 3);
        course.ack(4);
        assert!(course.take_unacked(id(2)).is_none(), "another question");
        let (unacked, acked) = course.take_unacked(id(1)).unwrap();
        assert_eq!((unacked.base, acked), (3, 4));
        course.answered(question(1), 3);
        course.ack(99);
        assert_eq!(course.acked, 5, "no more than was sent");
        assert!(course.take_unacked(id(1)).is_none());
    }
}
