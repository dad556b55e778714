//! The core's deadlines, by name.

/// The reason for which [`crate::SessionRegistry::poll_timeout`] wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SessionTimer {
    /// A question has waited for its answer as long as it may.
    AnswerDeadline,
    /// A departed session can no longer be owed an answer and is forgotten.
    DepartedSessionExpiry,
}
