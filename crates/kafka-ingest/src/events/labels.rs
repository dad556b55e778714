//! What the metrics of this crate are labelled with, where it is not a word of the types themselves.

/// Which librdkafka client is meant. The metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Consumer,
    Producer,
    DeadLetters,
    Recall,
}

/// How a request to the registry ended. The metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookupResult {
    Ok,
    NotFound,
    Unavailable,
    Unauthorized,
    Invalid,
}

impl Client {
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
