//! A request for the records of an answer that were written before its session was resumed.

use crate::{MinOffsets, QuestionId, WireId};

/// Names the records of an answer: every one that names the question, and every one under the wire
/// id that names none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerLookup {
    /// The question.
    pub question_id: QuestionId,
    /// The session id of the records that name no question.
    pub wire_id: WireId,
    /// The offsets below which none of them can be.
    pub min_offsets: MinOffsets,
}
