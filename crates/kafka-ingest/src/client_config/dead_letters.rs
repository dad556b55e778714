//! The clients of dead letters: what they are created from.

use rdkafka::ClientConfig;

use super::{KafkaSettings, check, client, consumer};
use crate::StartError;

/// What copies of dead letters are written with.
pub(crate) fn dead_letters_producer(settings: &KafkaSettings) -> Result<ClientConfig, StartError> {
    const PREFERRED: &[(&str, &str)] = &[
        ("queue.buffering.max.kbytes", "262144"),
        ("topic.metadata.refresh.interval.ms", "10000"),
        // The broker decides what is too large, not a guess of the client's.
        ("message.max.bytes", "1000000000"),
    ];
    const OWN: &[(&str, &str)] = &[
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("request.timeout.ms", "10000"),
        ("message.timeout.ms", "10000"),
        ("queue.buffering.max.messages", "1000"),
    ];
    check(client(settings, PREFERRED, OWN)?)
}

/// What takes part in the group that names the owners of dead letters: it joins, reads nothing and
/// commits nothing.
pub(crate) fn dead_letters_election(
    settings: &KafkaSettings,
    group_id: &str,
) -> Result<ClientConfig, StartError> {
    let mut config = consumer(settings, group_id, false)?;
    // What is there is not looked at.
    config.set("auto.offset.reset", "latest");
    if !settings.properties.contains_key("session.timeout.ms") {
        // An owner that is gone is noticed after this; the default is 45 s.
        config.set("session.timeout.ms", "10000");
    }
    check(config)
}

/// What a stretch of a topic is read with: it says where a partition ends. Offsets are committed by
/// the reader, if at all.
pub(crate) fn stretch_consumer(
    settings: &KafkaSettings,
    group_id: &str,
) -> Result<ClientConfig, StartError> {
    let mut config = consumer(settings, group_id, false)?;
    config.set("enable.partition.eof", "true");
    check(config)
}
