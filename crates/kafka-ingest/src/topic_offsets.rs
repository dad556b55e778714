//! Asking the brokers, from the consumer's thread, what the answers' topic has. Each call blocks for
//! at most [`BROKER_TIMEOUT`], which is therefore also the longest a stop may wait.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::{ClientContext, Offset};

use crate::assignment::StartPosition;
use crate::client_context::KafkaClientContext;
use crate::status::MissingPrerequisite;

/// The reason for which the topic cannot be read now. All of it is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TopicUnavailable {
    /// Somebody has to put something right.
    Missing(MissingPrerequisite),
    /// Kafka does not answer, or not usefully.
    Down(String),
}

/// Fetches the number of partitions of the topic.
pub(crate) fn fetch_partition_count<C: ClientContext>(
    client: &rdkafka::client::Client<C>,
    topic: &str,
    rights: &'static str,
) -> Result<usize, TopicUnavailable> {
    let metadata = client
        .fetch_metadata(Some(topic), BROKER_TIMEOUT)
        .map_err(|error| unavailable_by_error(&error, topic, rights))?;
    count_partitions(&metadata, topic, rights)
}

/// The ends of these partitions, in this order.
pub(crate) fn fetch_end_offsets(
    consumer: &BaseConsumer<KafkaClientContext>,
    topic: &str,
    partitions: &[i32],
) -> Result<Vec<i64>, TopicUnavailable> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        // As a time, "the end" asks for the offset of the record to be written next.
        asked
            .add_partition_offset(topic, *partition, Offset::End)
            .map_err(|error| unavailable_by_error(&error, topic, READ_RIGHTS))?;
    }
    let answered = consumer
        .offsets_for_times(asked, BROKER_TIMEOUT)
        .map_err(|error| unavailable_by_error(&error, topic, READ_RIGHTS))?;
    let end = |partition: &i32| end_offset_of(&answered, topic, *partition);
    partitions.iter().map(end).collect()
}

/// The list librdkafka wants of these partitions.
pub(crate) fn position_list(
    topic: &str,
    starts: impl Iterator<Item = (i32, StartPosition)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, start) in starts {
        let offset = match start {
            StartPosition::Beginning => Offset::Beginning,
            StartPosition::At(offset) => Offset::Offset(offset),
        };
        list.add_partition_offset(topic, partition, offset)?;
    }
    Ok(list)
}

/// The list librdkafka wants of these partitions and offsets.
pub(crate) fn offset_list(topic: &str, offsets: &[(i32, i64)]) -> KafkaResult<TopicPartitionList> {
    let starts = offsets.iter();
    position_list(
        topic,
        starts.map(|(partition, offset)| (*partition, StartPosition::At(*offset))),
    )
}

/// The list librdkafka wants of these partitions when offsets do not matter.
pub(crate) fn partition_list(topic: &str, partitions: &[i32]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(topic, *partition);
    }
    list
}

/// Maps an error to the topic's state.
pub(crate) fn unavailable_by_error(
    error: &KafkaError,
    topic: &str,
    rights: &'static str,
) -> TopicUnavailable {
    match error.rdkafka_error_code() {
        Some(code) => unavailable_by_code(code, topic, rights),
        None => TopicUnavailable::Down(error.to_string()),
    }
}

pub(crate) fn unavailable_by_code(
    code: RDKafkaErrorCode,
    topic: &str,
    rights: &'static str,
) -> TopicUnavailable {
    match missing_by_code(code, topic, rights) {
        Some(missing) => TopicUnavailable::Missing(missing),
        None => TopicUnavailable::Down(code.to_string()),
    }
}

/// Maps an error code to the prerequisite that somebody has to put right, if it names one.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "librdkafka has two hundred codes; all others are faults that pass"
)]
pub(crate) fn missing_by_code(
    code: RDKafkaErrorCode,
    topic: &str,
    rights: &'static str,
) -> Option<MissingPrerequisite> {
    let topic = topic.to_owned();
    match code {
        RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownPartition
        | RDKafkaErrorCode::InvalidTopic => Some(MissingPrerequisite::Topic { topic }),
        RDKafkaErrorCode::TopicAuthorizationFailed => {
            Some(MissingPrerequisite::TopicRights { topic, rights })
        }
        RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => {
            Some(MissingPrerequisite::Login)
        }
        RDKafkaErrorCode::SSL => Some(MissingPrerequisite::Tls),
        _ => None,
    }
}

/// The rights a consumer needs, and a producer.
pub(crate) const READ_RIGHTS: &str = "Describe and Read";
pub(crate) const WRITE_RIGHTS: &str = "Describe and Write";

fn count_partitions(
    metadata: &Metadata,
    topic: &str,
    rights: &'static str,
) -> Result<usize, TopicUnavailable> {
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let Some(found) = found else {
        return Err(TopicUnavailable::Down(
            "the broker does not answer for the topic".to_owned(),
        ));
    };
    if let Some(error) = found.error() {
        return Err(unavailable_by_code(error.into(), topic, rights));
    }
    match found.partitions().len() {
        0 => Err(TopicUnavailable::Down(
            "the topic has no partitions yet".to_owned(),
        )),
        partitions => Ok(partitions),
    }
}

fn end_offset_of(
    answered: &TopicPartitionList,
    topic: &str,
    partition: i32,
) -> Result<i64, TopicUnavailable> {
    let Some(element) = answered.find_partition(topic, partition) else {
        return Err(TopicUnavailable::Down(format!(
            "no answer for partition {partition}"
        )));
    };
    element
        .error()
        .map_err(|error| unavailable_by_error(&error, topic, READ_RIGHTS))?;
    match element.offset() {
        Offset::Offset(end) => Ok(end),
        Offset::Beginning
        | Offset::End
        | Offset::Stored
        | Offset::Invalid
        | Offset::OffsetTail(_) => Err(TopicUnavailable::Down(format!(
            "no end offset for partition {partition}"
        ))),
    }
}

pub(crate) const BROKER_TIMEOUT: Duration = Duration::from_secs(2);
