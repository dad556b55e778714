//! A question on its way to Kafka.

use std::time::SystemTime;

use crate::{QuestionId, QuestionText, SessionId, UserName, WireId};

/// One question, ready to be encoded and published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The session that asked, as its client named it (header `session-id`).
    pub session: SessionId,
    /// What stands as `session_id` and as the record's key.
    pub wire_id: WireId,
    /// Header `question-id`, and the optional field.
    pub question_id: QuestionId,
    /// The question.
    pub text: QuestionText,
    /// Who asks, if the client said so.
    pub user_name: Option<UserName>,
    /// When it was asked, for the optional field `asked_at`. Decides nothing.
    pub asked_at: SystemTime,
}
