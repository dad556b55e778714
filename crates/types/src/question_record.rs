//! A question on its way to Kafka.

use std::time::SystemTime;

use crate::{QuestionId, QuestionText, SessionId, UserName, WireId};

/// One question, ready to be encoded and published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionRecord {
    /// The session that asked, as its client named it (header `session-id`).
    pub session_id: SessionId,
    /// The record's `session_id`.
    pub wire_id: WireId,
    /// Header `question-id`, and the optional field.
    pub question_id: QuestionId,
    /// The question.
    pub text: QuestionText,
    /// The name of the person who asks, if the client gave one.
    pub user_name: Option<UserName>,
    /// The time of asking, for the optional field `asked_at`. Decides nothing.
    pub asked_at: SystemTime,
}
