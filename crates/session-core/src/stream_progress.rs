//! Tracks the progress of a version-2 session: its sequence numbers, and which questions were answered.

use std::collections::VecDeque;

use types::{Lineage, QuestionId};

use crate::ResumePoint;
use crate::server_message::ResumeQuestion;

/// Numbers and answered questions of one session of version 2.
#[derive(Debug)]
pub(crate) struct StreamProgress {
    /// Scopes the question ids of the session.
    pub(crate) lineage: Lineage,
    /// The number of the last part.
    pub(crate) last_seq: u64,
    /// The last part that the client says it has.
    acked_seq: u64,
    /// Newest last; at most [`StreamProgress::MAX_ANSWERED`].
    answered_questions: VecDeque<QuestionId>,
    /// The question answered last, until all of its parts are acknowledged.
    unacked_answer: Option<Box<UnackedAnswer>>,
}

/// An answered question whose parts the client may not have.
#[derive(Debug, Clone)]
pub(crate) struct UnackedAnswer {
    pub(crate) question: ResumeQuestion,
    /// The number of the last part before its own.
    pub(crate) seq_before: u64,
}

impl StreamProgress {
    /// The most answered questions that a session remembers.
    pub(crate) const MAX_ANSWERED: usize = 64;

    /// Starts the progress of a new session.
    pub(crate) fn new(lineage: Lineage) -> Self {
        Self::resumed_at(lineage, 0, Vec::new())
    }

    pub(crate) fn resumed_at(lineage: Lineage, seq: u64, answered: Vec<QuestionId>) -> Self {
        Self {
            lineage,
            last_seq: seq,
            acked_seq: seq,
            answered_questions: answered.into(),
            unacked_answer: None,
        }
    }

    /// Its parts up to this one are with the client. More than were sent cannot be.
    pub(crate) fn acknowledge(&mut self, seq: u64) {
        self.acked_seq = self.acked_seq.max(seq.min(self.last_seq));
        if self.acked_seq == self.last_seq {
            self.unacked_answer = None;
        }
    }

    /// All parts of a question have been sent.
    pub(crate) fn record_answered(&mut self, question: ResumeQuestion, base: u64) {
        let question_id = question.question_id;
        self.answered_questions
            .retain(|earlier| *earlier != question_id);
        if self.answered_questions.len() == Self::MAX_ANSWERED {
            self.answered_questions.pop_front();
        }
        self.answered_questions.push_back(question_id);
        self.unacked_answer = (self.acked_seq < self.last_seq).then(|| {
            Box::new(UnackedAnswer {
                question,
                seq_before: base,
            })
        });
    }

    pub(crate) fn was_answered(&self, question: QuestionId) -> bool {
        self.answered_questions.contains(&question)
    }

    /// The question, if it was answered last and the client may lack parts of it, and the last part
    /// that it has.
    pub(crate) fn take_unacked_answer(
        &mut self,
        question: QuestionId,
    ) -> Option<(UnackedAnswer, u64)> {
        let unacked = self
            .unacked_answer
            .take_if(|unacked| unacked.question.question_id == question)?;
        Some((*unacked, self.acked_seq))
    }

    /// The newest of the answered questions, for a token.
    pub(crate) fn newest_answered_questions(&self) -> Vec<QuestionId> {
        let skip = self
            .answered_questions
            .len()
            .saturating_sub(ResumePoint::MAX_ANSWERED);
        self.answered_questions.iter().skip(skip).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use types::{AskId, MinOffsets, SessionId, WireId};

    use super::*;

    fn question(number: u8) -> ResumeQuestion {
        ResumeQuestion {
            ask_id: AskId::parse("q").unwrap(),
            question_id: id(number),
            wire_id: WireId::plain(&SessionId::parse("a").unwrap()),
            deadline: now(),
            chunk_bytes: 4,
            min_offsets: MinOffsets::unknown(),
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
        let mut course = StreamProgress::new(lineage());
        (0..=64).for_each(|number| course.record_answered(question(number), 0));
        assert!(!course.was_answered(id(0)));
        assert!(course.was_answered(id(1)) && course.was_answered(id(64)));
        let newest: Vec<_> = (57..=64).map(id).collect();
        assert_eq!(course.newest_answered_questions(), newest);
        course.record_answered(question(1), 0);
        assert_eq!(
            course.answered_questions.len(),
            64,
            "none is remembered twice"
        );
    }

    #[test]
    fn an_answer_is_at_hand_until_its_last_part_is_acknowledged() {
        let mut course = StreamProgress::resumed_at(lineage(), 3, Vec::new());
        course.last_seq = 5;
        course.record_answered(question(1), 3);
        course.acknowledge(4);
        assert!(
            course.take_unacked_answer(id(2)).is_none(),
            "another question"
        );
        let (unacked, acked) = course.take_unacked_answer(id(1)).unwrap();
        assert_eq!((unacked.seq_before, acked), (3, 4));
        course.record_answered(question(1), 3);
        course.acknowledge(99);
        assert_eq!(course.acked_seq, 5, "no more than was sent");
        assert!(course.take_unacked_answer(id(1)).is_none());
    }
}
