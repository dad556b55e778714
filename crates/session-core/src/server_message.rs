//! Messages to a version-2 client. The edge writes the frames.

use std::time::{Duration, Instant};

use types::{
    AnswerMetadata, AnswerText, AskId, Lineage, MinOffsets, QuestionId, SessionId, WireId,
};

use crate::text_chunks::split_into_chunks;

/// One thing a client of version 2 is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageV2 {
    /// The session is open. The first thing told, unless it is [`Self::NotResumed`] or
    /// [`Self::SessionIdInUse`].
    Hello {
        /// True if the session goes on from where the client's token says.
        resumed: bool,
        /// The question whose answer, or the rest of it, is still to come.
        pending: Option<AskId>,
        /// The content of the client's next token.
        resume: ResumePoint,
    },
    /// The content of the token cannot be resumed whole. The core knows this connection no more: the edge
    /// starts it afresh, under a new session id.
    NotResumed,
    /// A fresh start asked for the id of a live session, which goes on undisturbed. The core does not know
    /// this connection: the edge starts it afresh, under a new session id.
    SessionIdInUse,
    /// Kafka has the question.
    Accepted {
        /// The client's name for it.
        ask_id: AskId,
        /// The content of the client's next token.
        resume: ResumePoint,
    },
    /// The answer, or the next stretch of it.
    AnswerChunks(ChunkedText),
    /// Something is refused, or a question ended without an answer.
    Error {
        /// The question that it is about; with [`QuestionErrorCode::Busy`] the one that goes on.
        ask_id: AskId,
        /// The error.
        code: QuestionErrorCode,
        /// The content of the client's next token, when a question ended.
        resume: Option<ResumePoint>,
    },
}

/// A text that is sent as one or several parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkedText {
    /// The client's name for the question.
    pub ask_id: AskId,
    /// All of the text.
    pub text: AnswerText,
    /// The most bytes of a chunk.
    pub chunk_bytes: usize,
    /// The session's number of its first part.
    pub first_seq: u64,
    /// The question's number of its first part.
    pub first_chunk_index: u64,
    /// The number of parts at its beginning that the client has already; fewer than there are.
    pub skip_chunks: usize,
    /// Set with the stretch that ends the answer.
    pub end: Option<AnswerEnd>,
}

/// The data that comes with the end of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerEnd {
    /// The content of the client's next token.
    pub resume: ResumePoint,
    /// The answering side's metadata of its answer.
    pub metadata: Option<AnswerMetadata>,
    /// From [`crate::Input::Ask`] to the delivery report; `None` when the answer came first, or the
    /// question was resumed.
    pub publish_time: Option<Duration>,
    /// From [`crate::Input::Ask`], or from the resumption, to the answer.
    pub total_time: Duration,
}

/// One part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Counts the session's parts, from 1.
    pub seq: u64,
    /// Counts the question's parts, from 0.
    pub index: u64,
    /// True if the answer ends with it.
    pub is_final: bool,
    /// The text.
    pub text: &'a str,
}

impl ChunkedText {
    /// The parts that the client is sent, in order.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'_>> {
        let parts = split_into_chunks(self.text.expose(), self.chunk_bytes);
        let mut numbered = (self.first_seq..)
            .zip(self.first_chunk_index..)
            .zip(parts)
            .peekable();
        std::iter::from_fn(move || {
            let ((seq, part), data) = numbered.next()?;
            let is_last = numbered.peek().is_none();
            Some(Chunk {
                seq,
                index: part,
                is_final: is_last && self.end.is_some(),
                text: data,
            })
        })
        .skip(self.skip_chunks)
    }
}

/// The reason for which a question is refused, or ended without an answer, as far as the core decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuestionErrorCode {
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
    /// The most answered questions that are carried.
    pub const MAX_ANSWERED: usize = 8;
}

/// A question that waits for its answer, as a resume token carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeQuestion {
    /// The client's name for it.
    pub ask_id: AskId,
    /// Its name in Kafka.
    pub question_id: QuestionId,
    /// The session id of its answer.
    pub wire_id: WireId,
    /// The time at which it stops waiting.
    pub deadline: Instant,
    /// The most bytes of a chunk of its answer.
    pub chunk_bytes: usize,
    /// Below it stands no answer to it.
    pub min_offsets: MinOffsets,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(text: &str, skip: usize, end: Option<AnswerEnd>) -> ChunkedText {
        ChunkedText {
            ask_id: AskId::parse("q").unwrap(),
            text: AnswerText::new(text),
            chunk_bytes: 4,
            first_seq: 7,
            first_chunk_index: 2,
            skip_chunks: skip,
            end,
        }
    }

    fn parts(stretch: &ChunkedText) -> Vec<(u64, u64, bool, &str)> {
        let parts = stretch.chunks();
        parts
            .map(|cut| (cut.seq, cut.index, cut.is_final, cut.text))
            .collect()
    }

    fn end() -> Option<AnswerEnd> {
        Some(AnswerEnd {
            resume: ResumePoint {
                session: SessionId::parse("a").unwrap(),
                lineage: Lineage::from_random([0; 16]),
                seq: 9,
                question: None,
                answered: Vec::new(),
            },
            metadata: None,
            publish_time: None,
            total_time: Duration::ZERO,
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
