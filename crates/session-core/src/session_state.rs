//! States of a session. Every handler decides every state.

use std::time::Instant;

use types::QuestionId;

/// A session that was never here, or is forgotten, has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionState {
    /// No socket; remembered because it may still be owed an answer.
    Departed {
        /// The time at which it is forgotten.
        until: Instant,
    },
    /// A socket and no question.
    Idle,
    /// A socket that waits for the answer to this question.
    Waiting(QuestionId),
    /// A socket that was told to close: nothing more is sent to it and nothing taken from it.
    Closing,
}

impl SessionState {
    /// Tells whether the session has a socket.
    pub(crate) fn is_connected(self) -> bool {
        match self {
            Self::Departed { .. } => false,
            Self::Idle | Self::Waiting(_) | Self::Closing => true,
        }
    }
}
