//! Defines the metric labels of this crate that are not words of the types themselves.

/// The role of a librdkafka client. The metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientRole {
    Consumer,
    Producer,
    DeadLetters,
    Recall,
}

/// The result of a request to the registry. The metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookupResult {
    Ok,
    NotFound,
    Unavailable,
    Unauthorized,
    Invalid,
}

impl ClientRole {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Producer => "producer",
            Self::DeadLetters => "dead_letters",
            Self::Recall => "recall",
        }
    }
}

impl LookupResult {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Unavailable => "unavailable",
            Self::Unauthorized => "unauthorized",
            Self::Invalid => "invalid",
        }
    }
}
