//! The fields' names, which can be configured, and the minimal schemas.

/// The smallest question schema that works.
pub const MINIMAL_QUESTION_SCHEMA: &str = r#"{"type":"record","name":"Pergunta","fields":[{"name":"session_id","type":"string"},{"name":"pergunta","type":"string"}]}"#;

/// The smallest answer schema that works.
pub const MINIMAL_ANSWER_SCHEMA: &str = r#"{"type":"record","name":"Resposta","fields":[{"name":"session_id","type":"string"},{"name":"resposta","type":"string"}]}"#;

/// The names of a question's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionFieldNames {
    /// Required: the wire id.
    pub session_id: String,
    /// Required: the question.
    pub text: String,
    /// Optional: the question's id.
    pub question_id: String,
    /// Optional: the session's own id, without suffix.
    pub conversation_id: String,
    /// Optional: who asks.
    pub user_name: String,
    /// Optional, a long: milliseconds since 1970.
    pub asked_at: String,
}

/// The names of an answer's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerFieldNames {
    /// Required: the wire id.
    pub session_id: String,
    /// The answer.
    pub text: String,
    /// Optional: the question's id.
    pub question_id: String,
    /// Optional: what went wrong.
    pub error: String,
    /// Optional, an int or long: which part of the answer it is, from 0.
    pub part: String,
    /// Optional, a boolean: whether it is the last part.
    pub is_final: String,
    /// Optional, an int or long: which attempt at the answer the part belongs to.
    pub attempt: String,
    /// Optional, a string: JSON text about the answer.
    pub metadata: String,
}

impl Default for QuestionFieldNames {
    fn default() -> Self {
        Self {
            session_id: "session_id".to_owned(),
            text: "pergunta".to_owned(),
            question_id: "question_id".to_owned(),
            conversation_id: "conversation_id".to_owned(),
            user_name: "user_name".to_owned(),
            asked_at: "asked_at".to_owned(),
        }
    }
}

impl Default for AnswerFieldNames {
    fn default() -> Self {
        Self {
            session_id: "session_id".to_owned(),
            text: "resposta".to_owned(),
            question_id: "question_id".to_owned(),
            error: "error".to_owned(),
            part: "part".to_owned(),
            is_final: "final".to_owned(),
            attempt: "attempt".to_owned(),
            metadata: "metadata".to_owned(),
        }
    }
}
