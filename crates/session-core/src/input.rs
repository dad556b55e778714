//! Everything that can happen to the core.

use std::time::SystemTime;

use types::{Answer, AnswerFloor, QuestionId, QuestionText, SessionKey, Suffix, UserName};

/// One thing that happened. Closed and comparable, so that tests are data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A socket was accepted. Its generation is larger than any before it; one that is older than
    /// its session's connection all the same lost a race and is told to close.
    Connected {
        /// The session and its new connection.
        key: SessionKey,
    },
    /// A socket is gone. Stale keys have no effect.
    Disconnected {
        /// The session and the connection that ended.
        key: SessionKey,
    },
    /// A client asks.
    Ask {
        /// Who asks.
        key: SessionKey,
        /// What.
        ask: Ask,
    },
    /// Kafka has the question (delivery report, acks=all).
    Published {
        /// Which one.
        question_id: QuestionId,
    },
    /// Kafka or the registry did not take the question.
    PublishFailed {
        /// Which one.
        question_id: QuestionId,
        /// Whether it may be in Kafka all the same.
        persisted: Persisted,
    },
    /// An answer was read from Kafka.
    Answer(Answer),
    /// Stop taking questions, close idle sessions at most `closes` at a time. May be given again.
    Drain {
        /// How many idle sessions to close now.
        closes: usize,
    },
    /// The drain's budget is spent: tell who still waits, close everybody.
    DrainExpired,
    /// The time that [`crate::Registry::poll_timeout`] asked for has come.
    Tick,
}

/// A question as the client put it, with all that the core may not make itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Its id; no other question has it.
    pub question_id: QuestionId,
    /// Its text.
    pub text: QuestionText,
    /// Who asks, if said.
    pub user_name: Option<UserName>,
    /// Random characters for the wire id, used or not.
    pub suffix: Suffix,
    /// The answers' high watermarks as known now, before the question is produced.
    pub floor: AnswerFloor,
    /// Wall time, handed on to the record. Decides nothing.
    pub asked_at: SystemTime,
}

/// Whether a question that was reported as failed may be in Kafka all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persisted {
    /// It was never sent: no answer can come.
    No,
    /// It was sent and the outcome is unknown: an answer may come.
    Maybe,
}
