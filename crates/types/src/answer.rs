//! An answer as it was read from Kafka.

use crate::{AnswerError, AnswerMetadata, AnswerText, QuestionId, RecordPosition, WireId};

/// One decoded record of the answers' topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The record's `session_id`.
    pub wire_id: WireId,
    /// The question it says it answers, from the header or the field.
    pub question_id: QuestionIdEcho,
    /// The piece of the answer that it is.
    pub part: AnswerPart,
    /// The content.
    pub body: AnswerBody,
    /// The position of the record.
    pub position: RecordPosition,
    /// The answering side's metadata.
    pub metadata: Option<AnswerMetadata>,
    /// True when it was put back from the dead letters (header `replayed-from`).
    pub is_replayed: bool,
}

/// The piece of an answer that a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerPart {
    /// All of it: the answering side numbers nothing.
    Whole,
    /// One of several, to be joined.
    Piece {
        /// The position among the others.
        order: PartOrder,
        /// True if it is the last.
        is_final: bool,
        /// Counts the answering side's attempts at this answer. A later one starts anew.
        attempt: u32,
    },
}

/// The position of a piece among the others of its attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartOrder {
    /// By its number, from 0.
    Numbered(u32),
    /// In the order of the offsets, in one partition.
    ByOffset,
}

impl AnswerPart {
    /// Tells whether nothing comes after it.
    pub fn is_last(self) -> bool {
        match self {
            Self::Whole => true,
            Self::Piece { is_final, .. } => is_final,
        }
    }
}

/// The content of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerBody {
    /// The answer.
    Text(AnswerText),
    /// The answering side gave up; `None` when it sent neither a text nor an error.
    Failed(Option<AnswerError>),
}

/// The answering side's echo of `question-id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionIdEcho {
    /// Not at all: the wire id has to decide.
    Absent,
    /// An id of the form minted here.
    Echoed(QuestionId),
    /// Something that is no id of ours: it answers no question of this gateway.
    Foreign,
}
