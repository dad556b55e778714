//! Errors that keep a consumer or a publisher from starting. All of these are mistakes in the settings or in the
//! caller; nothing that time could heal is an error here, it is waited for and told by the status.

use rdkafka::error::KafkaError;

/// A consumer or publisher could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A property that the guarantees rest on was set.
    #[error("the Kafka property `{name}` is decided by the gateway and cannot be set")]
    RefusedProperty {
        /// The property.
        name: String,
    },
    /// librdkafka does not know a property, or not with this value. The value may be a secret and is
    /// not in here.
    #[error("librdkafka does not accept the property `{name}`")]
    Property {
        /// The property.
        name: String,
    },
    /// librdkafka refuses the settings as a whole: a file that cannot be read, for example.
    #[error("librdkafka does not start: {reason}")]
    Client {
        /// In librdkafka's words.
        reason: String,
    },
    /// A topic's name has a NUL in it.
    #[error("a topic's name is not valid")]
    TopicName,
    /// The registry's certificates cannot be read.
    #[error("the registry's CA file cannot be used: {reason}")]
    RegistryCa {
        /// The reason.
        reason: String,
    },
    /// The registry's client cannot be built.
    #[error("the schema registry's client does not start: {reason}")]
    Registry {
        /// The reason.
        reason: String,
    },
    /// Started outside a tokio runtime, which the schema look-ups need.
    #[error("not inside a tokio runtime")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
    /// The system gave no thread.
    #[error("no thread for the consumer")]
    Thread(#[source] std::io::Error),
}

impl StartError {
    /// librdkafka refuses to create a client.
    pub(crate) fn client(error: KafkaError) -> Self {
        Self::Client {
            reason: error.to_string(),
        }
    }
}
