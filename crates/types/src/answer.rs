//! An answer as it was read from Kafka.

use crate::{AnswerError, AnswerMetadata, AnswerText, QuestionId, RecordPosition, WireId};

/// One decoded record of the answers' topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The record's `session_id`.
    pub wire_id: WireId,
    /// The question it says it answers, from the header or the field.
    pub question_id: QuestionIdEcho,
    /// Which piece of its answer it is.
    pub part: AnswerPart,
    /// What it says.
    pub body: AnswerBody,
    /// Where it stands.
    pub position: RecordPosition,
    /// What it says of itself.
    pub metadata: Option<AnswerMetadata>,
    /// True when it was put back from the dead letters (header `replayed-from`).
    pub replayed: bool,
}

/// Which piece of its answer a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerPart {
    /// All of it: the answering side numbers nothing.
    Whole,
    /// One of several, to be joined.
    Piece {
        /// Where it stands among the others.
        order: PartOrder,
        /// Whether it is the last.
        is_final: bool,
        /// Counts the answering side's attempts at this answer. A later one starts anew.
        attempt: u32,
    },
}

/// Where a piece stands among the others of its attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartOrder {
    /// By its number, from 0.
    Numbered(u32),
    /// In the order of the offsets, in one partition.
    AsWritten,
}

impl AnswerPart {
    /// Whether nothing comes after it.
    pub fn is_last(self) -> bool {
        match self {
            Self::Whole => true,
            Self::Piece { is_final, .. } => is_final,
        }
    }
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerBody {
    /// The answer.
    Text(AnswerText),
    /// The answering side gave up; `None` when it sent neither a text nor an error.
    Failed(Option<AnswerError>),
}

/// Whether, and how, the answering side echoed `question-id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionIdEcho {
    /// Not at all: the wire id has to decide.
    Absent,
    /// An id of the form minted here.
    Echoed(QuestionId),
    /// Something that is no id of ours: it answers no question of this gateway.
    Foreign,
}
