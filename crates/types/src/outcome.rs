//! Outcomes of questions and answers. Each variant is one metric label, so the sets are closed.

/// The end of an accepted question, or that it was never accepted.
///
/// The ledger holds per process: accepted + adopted = answered + expired + cancelled + failed +
/// undeliverable + handed_off + pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QuestionOutcome {
    /// Its answer was handed to the socket.
    Answered,
    /// The answer deadline, or the end of a drain, passed first.
    Expired,
    /// The client gave it up (version 2).
    Cancelled,
    /// The answering side answered with an error.
    Failed,
    /// The socket went away, or was replaced, while the question waited (version 1).
    Undeliverable,
    /// The socket went away, or was closed, while the question waited, and its client has a token to
    /// resume with, at any replica (version 2).
    HandedOff,
    /// Kafka or the registry did not take it. Stands outside the ledger: it was never accepted.
    PublishFailed,
}

impl QuestionOutcome {
    /// Every outcome, in the order of the labels' documentation.
    pub const ALL: [Self; 7] = [
        Self::Answered,
        Self::Expired,
        Self::Cancelled,
        Self::Failed,
        Self::Undeliverable,
        Self::HandedOff,
        Self::PublishFailed,
    ];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Undeliverable => "undeliverable",
            Self::HandedOff => "handed_off",
            Self::PublishFailed => "publish_failed",
        }
    }
}

/// The decision about one record of the answers' topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AnswerOutcome {
    /// Given to the session and question it belongs to.
    Delivered,
    /// A part of an answer, kept until the rest has come.
    Part,
    /// For no session this process knows: normal with several replicas.
    Foreign,
    /// For a question of this session that no longer waits.
    Late,
    /// For a session that is here and is owed nothing.
    Duplicate,
    /// For a socket that was here and is gone, whether or not its session is back (version 1).
    Undeliverable,
    /// For a session that was here and is gone, and can resume: the recent answers have it (version 2).
    HandedOff,
    /// Undecodable, or contradicting itself.
    Invalid,
}

impl AnswerOutcome {
    /// Every outcome, in the order of the labels' documentation.
    pub const ALL: [Self; 8] = [
        Self::Delivered,
        Self::Part,
        Self::Foreign,
        Self::Late,
        Self::Duplicate,
        Self::Undeliverable,
        Self::HandedOff,
        Self::Invalid,
    ];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Part => "part",
            Self::Foreign => "foreign",
            Self::Late => "late",
            Self::Duplicate => "duplicate",
            Self::Undeliverable => "undeliverable",
            Self::HandedOff => "handed_off",
            Self::Invalid => "invalid",
        }
    }
}
