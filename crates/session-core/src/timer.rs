//! The core's deadlines, by name.

/// Why [`crate::Registry::poll_timeout`] wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// A question has waited for its answer as long as it may.
    AnswerDeadline,
    /// A departed session can no longer be owed an answer and is forgotten.
    DebtExpiry,
}
