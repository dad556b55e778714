//! What a client of version 2 is told. The edge writes the frames.

use std::time::{Duration, Instant};

use types::{
    AnswerFloor, AnswerMetadata, AnswerText, AskId, Lineage, QuestionId, SessionId, WireId,
};

use crate::cut::cut;

/// One thing a client of version 2 is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The session is open. The first thing told, unless it is [`Self::NotResumed`] or
    /// [`Self::SessionIdInUse`].
    Hello {
        /// Whether it goes on from where the client's token says.
        resumed: bool,
        /// The question whose answer, or the rest of it, is still to come.
        pending: Option<AskId>,
        /// What the client's next token says.
        resume: ResumePoint,
    },
    /// What the token says cannot be resumed whole. The core knows this connection no more: the edge
    /// starts it afresh, under a new session id.
    NotResumed,
    /// A fresh start asked for the id of a live session, which goes on undisturbed. The core does not know
    /// this connection: the edge starts it afresh, under a new session id.
    SessionIdInUse,
    /// Kafka has the question.
    Accepted {
        /// The client's name for it.
        id: AskId,
        /// What the client's next token says.
        resume: ResumePoint,
    },
    /// The answer, or the next stretch of it.
    Answer(Stretch),
    /// Something is refused, or a question ended without an answer.
    Error {
        /// The question that it is about; with [`ErrorCode::Busy`] the one that goes on.
        id: AskId,
        /// What is wrong.
        code: ErrorCode,
        /// What the client's next token says, when a question ended.
        resume: Option<ResumePoint>,
    },
}

/// A text that is sent as one or several parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The client's name for the question.
    pub id: AskId,
    /// All of the text.
    pub text: AnswerText,
    /// Where it is cut.
    pub part_bytes: usize,
    /// The session's number of its first part.
    pub first_seq: u64,
    /// The question's number of its first part.
    pub first_part: u64,
    /// How many parts at its beginning the client has already; fewer than there are.
    pub skip: usize,
    /// Set with the stretch that ends the answer.
    pub end: Option<End>,
}

/// What comes with the end of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// What the client's next token says.
    pub resume: ResumePoint,
    /// What the answering side says of its answer.
    pub metadata: Option<AnswerMetadata>,
    /// From [`crate::Input::Ask`] to the delivery report; `None` when the answer came first, or the
    /// question was resumed.
    pub publish: Option<Duration>,
    /// From [`crate::Input::Ask`], or from the resumption, to the answer.
    pub total: Duration,
}

/// One part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut<'a> {
    /// Counts the session's parts, from 1.
    pub seq: u64,
    /// Counts the question's parts, from 0.
    pub part: u64,
    /// Whether the answer ends with it.
    pub is_final: bool,
    /// The text.
    pub data: &'a str,
}

impl Stretch {
    /// The parts that the client is sent, in order.
    pub fn parts(&self) -> impl Iterator<Item = Cut<'_>> {
        let parts = cut(self.text.expose(), self.part_bytes);
        let mut numbered = (self.first_seq..)
            .zip(self.first_part..)
            .zip(parts)
            .peekable();
        std::iter::from_fn(move || {
            let ((seq, part), data) = numbered.next()?;
            let is_last = numbered.peek().is_none();
            Some(Cut {
                seq,
                part,
                is_final: is_last && self.end.is_some(),
                data,
            })
        })
        .skip(self.skip)
    }
}

/// What is wrong, as far as the core decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// Another question is outstanding; it goes on.
    Busy,
    /// The question was answered, and the client has said that it has the answer, or the answer is
    /// no longer at hand.
    AlreadyAnswered,
    /// Kafka or the registry did not take the question.
    PublishFailed,
    /// The answer deadline passed.
    Timeout,
    /// The client gave the question up.
    Cancelled,
    /// The answering side gave up, or what it sent cannot be an answer.
    AnswerFailed,
    /// This process is draining and takes no questions.
    Draining,
}

/// From where a session can go on, at any replica: what a resume token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumePoint {
    /// The session.
    pub session: SessionId,
    /// Scopes the question ids of the session.
    pub lineage: Lineage,
    /// The number of the last part before those of `question`.
    pub seq: u64,
    /// The question that waits for its answer.
    pub question: Option<ResumeQuestion>,
    /// Questions answered before, newest last; at most [`ResumePoint::MAX_ANSWERED`].
    pub answered: Vec<QuestionId>,
}

impl ResumePoint {
    /// How many answered questions are carried.
    pub const MAX_ANSWERED: usize = 8;
}

/// A question that waits for its answer, as a resume token carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeQuestion {
    /// The client's name for it.
    pub id: AskId,
    /// Its name in Kafka.
    pub question_id: QuestionId,
    /// What its answer carries as session id.
    pub wire_id: WireId,
    /// When it stops waiting.
    pub deadline: Instant,
    /// Where its answer is cut into parts.
    pub part_bytes: usize,
    /// Below it stands no answer to it.
    pub floor: AnswerFloor,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(text: &str, skip: usize, end: Option<End>) -> Stretch {
        Stretch {
            id: AskId::parse("q").unwrap(),
            text: AnswerText::new(text),
            part_bytes: 4,
            first_seq: 7,
            first_part: 2,
            skip,
            end,
        }
    }

    fn parts(stretch: &Stretch) -> Vec<(u64, u64, bool, &str)> {
        let parts = stretch.parts();
        parts
            .map(|cut| (cut.seq, cut.part, cut.is_final, cut.data))
            .collect()
    }

    fn end() -> Option<End> {
        Some(End {
            resume: ResumePoint {
                session: SessionId::parse("a").unwrap(),
                lineage: Lineage::from_random([0; 16]),
                seq: 9,
                question: None,
                answered: Vec::new(),
            },
            metadata: None,
            publish: None,
            total: Duration::ZERO,
        })
    }

    #[test]
    fn parts_are_numbered_on_and_only_the_last_of_the_end_is_final() {
        assert_eq!(
            parts(&stretch("abcdefghi", 0, end())),
            [
                (7, 2, false, "abcd"),
                (8, 3, false, "efgh"),
                (9, 4, true, "i")
            ]
        );
        assert_eq!(
            parts(&stretch("abcde", 0, None)),
            [(7, 2, false, "abcd"), (8, 3, false, "e")]
        );
        assert_eq!(parts(&stretch("", 0, end())), [(7, 2, true, "")]);
    }

    #[test]
    fn what_the_client_has_is_left_out_and_numbers_stay() {
        assert_eq!(parts(&stretch("abcdefghi", 2, end())), [(9, 4, true, "i")]);
    }
}
