//! The clients of dead letters: what they are created from.

use rdkafka::ClientConfig;

use super::{KafkaSettings, base_config, consumer_config, validate};
use crate::StartError;

/// Builds the configuration of the producer of dead letters.
pub(crate) fn dead_letter_producer_config(
    settings: &KafkaSettings,
) -> Result<ClientConfig, StartError> {
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
    validate(base_config(settings, PREFERRED, OWN)?)
}

/// Builds the configuration of the member of the group that names the owners of dead letters: it joins,
/// reads nothing and commits nothing.
pub(crate) fn owner_election_config(
    settings: &KafkaSettings,
    group_id: &str,
) -> Result<ClientConfig, StartError> {
    let mut config = consumer_config(settings, group_id, false)?;
    // What is there is not looked at.
    config.set("auto.offset.reset", "latest");
    if !settings.properties.contains_key("session.timeout.ms") {
        // An owner that is gone is noticed after this; the default is 45 s.
        config.set("session.timeout.ms", "10000");
    }
    validate(config)
}

/// Builds the configuration of a consumer of offset ranges: it reports the end of a partition. Offsets are committed by
/// the reader, if at all.
pub(crate) fn range_consumer_config(
    settings: &KafkaSettings,
    group_id: &str,
) -> Result<ClientConfig, StartError> {
    let mut config = consumer_config(settings, group_id, false)?;
    config.set("enable.partition.eof", "true");
    validate(config)
}
