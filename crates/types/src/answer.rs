//! An answer as it was read from Kafka.

use crate::{AnswerError, AnswerText, QuestionId, RecordPosition, WireId};

/// One decoded record of the answers' topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The record's `session_id`.
    pub wire_id: WireId,
    /// The question it says it answers, from the header or the field.
    pub question_id: QuestionIdEcho,
    /// What it says.
    pub body: AnswerBody,
    /// Where it stands.
    pub position: RecordPosition,
    /// True when it was put back from the dead letters (header `replayed-from`).
    pub replayed: bool,
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
