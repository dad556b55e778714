//! Asks the brokers for the rights of this login on a topic (KIP-430).

use rdkafka::ClientContext;
use rdkafka::admin::AdminClient;

use super::CHECK_TIMEOUT;
use crate::librdkafka;

/// An operation on a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TopicRight {
    /// See that it is there.
    Describe,
    /// Read records.
    Read,
    /// Write records.
    Write,
}

impl TopicRight {
    /// As Kafka's tools call it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Describe => "Describe",
            Self::Read => "Read",
            Self::Write => "Write",
        }
    }
}

/// The rights on `topic`; `None` when the brokers do not tell.
pub(super) fn fetch_topic_rights<C: ClientContext + 'static>(
    admin: &AdminClient<C>,
    topic: &str,
) -> Result<Option<Vec<TopicRight>>, String> {
    let name = librdkafka::topic_name(topic).ok_or_else(|| "the name is not valid".to_owned())?;
    // Blocks for at most `PATIENCE`, and nothing else waits for this thread.
    tokio::task::block_in_place(|| {
        librdkafka::fetch_topic_rights(admin.inner(), &name, CHECK_TIMEOUT)
    })
}
