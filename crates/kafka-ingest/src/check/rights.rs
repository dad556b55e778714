//! What this login may do with a topic, as the brokers say (KIP-430).

use rdkafka::ClientContext;
use rdkafka::admin::AdminClient;

use super::PATIENCE;
use crate::native;

/// An operation on a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// See that it is there.
    Describe,
    /// Read records.
    Read,
    /// Write records.
    Write,
}

impl Right {
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
pub(super) fn of_topic<C: ClientContext + 'static>(
    admin: &AdminClient<C>,
    topic: &str,
) -> Result<Option<Vec<Right>>, String> {
    let name = native::topic_name(topic).ok_or_else(|| "the name is not valid".to_owned())?;
    // Blocks for at most `PATIENCE`, and nothing else waits for this thread.
    tokio::task::block_in_place(|| native::topic_rights(admin.inner(), &name, PATIENCE))
}
