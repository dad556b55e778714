//! How questions and answers end. Each variant is one metric label, so the sets are closed.

/// How an accepted question ended, or that it was never accepted.
///
/// The ledger holds per process: accepted = answered + expired + failed + undeliverable + pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QuestionOutcome {
    /// Its answer was handed to the socket.
    Answered,
    /// The answer deadline, or the end of a drain, passed first.
    Expired,
    /// The answering side answered with an error.
    Failed,
    /// The socket went away, or was replaced, while the question waited.
    Undeliverable,
    /// Kafka or the registry did not take it. Stands outside the ledger: it was never accepted.
    PublishFailed,
}

impl QuestionOutcome {
    /// Every outcome, in the order of the labels' documentation.
    pub const ALL: [Self; 5] = [
        Self::Answered,
        Self::Expired,
        Self::Failed,
        Self::Undeliverable,
        Self::PublishFailed,
    ];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::Undeliverable => "undeliverable",
            Self::PublishFailed => "publish_failed",
        }
    }
}

/// What was decided about one record of the answers' topic.
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
    /// For a socket that was here and is gone, whether or not its session is back.
    Undeliverable,
    /// Undecodable, or contradicting itself.
    Invalid,
}

impl AnswerOutcome {
    /// Every outcome, in the order of the labels' documentation.
    pub const ALL: [Self; 7] = [
        Self::Delivered,
        Self::Part,
        Self::Foreign,
        Self::Late,
        Self::Duplicate,
        Self::Undeliverable,
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
            Self::Invalid => "invalid",
        }
    }
}
