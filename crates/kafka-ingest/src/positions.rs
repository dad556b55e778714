//! Asking the brokers, from the consumer's thread, what the answers' topic has. Each call blocks for
//! at most [`PATIENCE`], which is therefore also the longest a stop may wait.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::{ClientContext, Offset};

use crate::assignment::Start;
use crate::client_context::Context;
use crate::status::Missing;

/// Why the topic cannot be read now. All of it is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unready {
    /// Somebody has to put something right.
    Missing(Missing),
    /// Kafka does not answer, or not usefully.
    Down(String),
}

/// How many partitions the topic has.
pub(crate) fn partition_count<C: ClientContext>(
    client: &rdkafka::client::Client<C>,
    topic: &str,
    rights: &'static str,
) -> Result<usize, Unready> {
    let metadata = client
        .fetch_metadata(Some(topic), PATIENCE)
        .map_err(|error| unready(&error, topic, rights))?;
    count(&metadata, topic, rights)
}

/// The ends of these partitions, in this order.
pub(crate) fn ends(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partitions: &[i32],
) -> Result<Vec<i64>, Unready> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        // As a time, "the end" asks for the offset of the record to be written next.
        asked
            .add_partition_offset(topic, *partition, Offset::End)
            .map_err(|error| unready(&error, topic, READ))?;
    }
    let answered = consumer
        .offsets_for_times(asked, PATIENCE)
        .map_err(|error| unready(&error, topic, READ))?;
    let end = |partition: &i32| end_of(&answered, topic, *partition);
    partitions.iter().map(end).collect()
}

/// The list librdkafka wants of these partitions.
pub(crate) fn list(
    topic: &str,
    starts: impl Iterator<Item = (i32, Start)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, start) in starts {
        let offset = match start {
            Start::Beginning => Offset::Beginning,
            Start::At(offset) => Offset::Offset(offset),
        };
        list.add_partition_offset(topic, partition, offset)?;
    }
    Ok(list)
}

/// The list librdkafka wants of these partitions and offsets.
pub(crate) fn offsets(topic: &str, offsets: &[(i32, i64)]) -> KafkaResult<TopicPartitionList> {
    let starts = offsets.iter();
    list(
        topic,
        starts.map(|(partition, offset)| (*partition, Start::At(*offset))),
    )
}

/// The list librdkafka wants of these partitions when offsets do not matter.
pub(crate) fn bare_list(topic: &str, partitions: &[i32]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(topic, *partition);
    }
    list
}

/// What an error says about the topic.
pub(crate) fn unready(error: &KafkaError, topic: &str, rights: &'static str) -> Unready {
    match error.rdkafka_error_code() {
        Some(code) => unready_by(code, topic, rights),
        None => Unready::Down(error.to_string()),
    }
}

pub(crate) fn unready_by(code: RDKafkaErrorCode, topic: &str, rights: &'static str) -> Unready {
    match missing(code, topic, rights) {
        Some(missing) => Unready::Missing(missing),
        None => Unready::Down(code.to_string()),
    }
}

/// What somebody has to put right, if that is what the error says.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "librdkafka has two hundred codes; all others are faults that pass"
)]
pub(crate) fn missing(
    code: RDKafkaErrorCode,
    topic: &str,
    rights: &'static str,
) -> Option<Missing> {
    let topic = topic.to_owned();
    match code {
        RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownPartition
        | RDKafkaErrorCode::InvalidTopic => Some(Missing::Topic { topic }),
        RDKafkaErrorCode::TopicAuthorizationFailed => Some(Missing::TopicRight { topic, rights }),
        RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => {
            Some(Missing::Login)
        }
        RDKafkaErrorCode::SSL => Some(Missing::Tls),
        _ => None,
    }
}

/// The rights a consumer needs, and a producer.
pub(crate) const READ: &str = "Describe and Read";
pub(crate) const WRITE: &str = "Describe and Write";

fn count(metadata: &Metadata, topic: &str, rights: &'static str) -> Result<usize, Unready> {
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let Some(found) = found else {
        return Err(Unready::Down(
            "the broker does not answer for the topic".to_owned(),
        ));
    };
    if let Some(error) = found.error() {
        return Err(unready_by(error.into(), topic, rights));
    }
    match found.partitions().len() {
        0 => Err(Unready::Down("the topic has no partitions yet".to_owned())),
        partitions => Ok(partitions),
    }
}

fn end_of(answered: &TopicPartitionList, topic: &str, partition: i32) -> Result<i64, Unready> {
    let Some(element) = answered.find_partition(topic, partition) else {
        return Err(Unready::Down(format!(
            "no answer for partition {partition}"
        )));
    };
    element
        .error()
        .map_err(|error| unready(&error, topic, READ))?;
    match element.offset() {
        Offset::Offset(end) => Ok(end),
        Offset::Beginning
        | Offset::End
        | Offset::Stored
        | Offset::Invalid
        | Offset::OffsetTail(_) => Err(Unready::Down(format!(
            "no end offset for partition {partition}"
        ))),
    }
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
