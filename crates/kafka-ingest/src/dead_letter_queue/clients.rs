//! The three Kafka clients of the dead letters, and what they say: one that writes copies, one that
//! sees everybody's copies, and one that only takes part in the group that names the owners.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::held_letters::RetryDecision;
use super::{DeadLetterState, OWNER_GROUP};
use crate::client_context::{KafkaClientContext, hand_on};
use crate::consumer_reporting::ConsumerReporting;
use crate::dead_letter::{DeadLetter, DeadLetterId};
use crate::events::ClientRole;
use crate::monotonic_consumer::MonotonicConsumer;
use crate::status::DeadLetterTask;
use crate::{KafkaSettings, StartError, client_config};

/// The configurations of the clients.
#[derive(Debug)]
pub(super) struct DeadLetterConfigs {
    producer: ClientConfig,
    tail: ClientConfig,
    election: ClientConfig,
}

/// The clients at work. All are polled by one thread.
pub(super) struct DeadLetterClients {
    pub(super) election: BaseConsumer<OwnerElectionContext>,
    pub(super) tail: MonotonicConsumer,
    pub(super) producer: Arc<BaseProducer<CopyProducerContext>>,
}

/// The context of the client that takes part in the group.
pub(super) struct OwnerElectionContext {
    context: KafkaClientContext,
    shared: Arc<DeadLetterState>,
    reporting: Arc<ConsumerReporting>,
    producer: Arc<BaseProducer<CopyProducerContext>>,
}

/// The producer's context: takes the delivery reports.
pub(super) struct CopyProducerContext {
    context: KafkaClientContext,
    shared: Arc<DeadLetterState>,
    reporting: Arc<ConsumerReporting>,
    topic: Arc<str>,
}

impl DeadLetterConfigs {
    pub(super) fn new(kafka: &KafkaSettings) -> Result<Self, StartError> {
        Ok(Self {
            producer: client_config::dead_letter_producer_config(kafka)?,
            tail: client_config::consumer_config(kafka, OWNER_GROUP, false)?,
            election: client_config::owner_election_config(kafka, OWNER_GROUP)?,
        })
    }
}

impl DeadLetterClients {
    pub(super) fn create(
        configs: &DeadLetterConfigs,
        topic: &Arc<str>,
        shared: &Arc<DeadLetterState>,
        reporting: &Arc<ConsumerReporting>,
    ) -> KafkaResult<Self> {
        let context = || {
            let events = Arc::clone(&reporting.events);
            KafkaClientContext::new(ClientRole::DeadLetters, Arc::clone(topic), events)
        };
        let producer: BaseProducer<CopyProducerContext> =
            configs.producer.create_with_context(CopyProducerContext {
                context: context(),
                shared: Arc::clone(shared),
                reporting: Arc::clone(reporting),
                topic: Arc::clone(topic),
            })?;
        let producer = Arc::new(producer);
        let election: BaseConsumer<OwnerElectionContext> =
            configs.election.create_with_context(OwnerElectionContext {
                context: context(),
                shared: Arc::clone(shared),
                reporting: Arc::clone(reporting),
                producer: Arc::clone(&producer),
            })?;
        election.subscribe(&[&reporting.topic])?;
        Ok(Self {
            election,
            tail: MonotonicConsumer::create(&configs.tail, context())?,
            producer,
        })
    }

    /// Hands a copy to the producer; its report comes later.
    pub(super) fn send(&self, letter: &DeadLetter) {
        let CopyProducerContext {
            reporting,
            shared,
            topic,
            ..
        } = &**self.producer.context();
        let mark = letter.id();
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, Box::new(mark))
            .payload(&letter.value)
            .headers(letter.headers(&reporting.topic));
        record.key = letter.envelope.key.as_deref();
        if let Err((error, _)) = self.producer.send(record) {
            shared.on_write_failed(mark, retry_of(&error), &error);
        }
    }

    /// The time at which all three were last seen connected to a broker.
    pub(super) fn connected_at(&self) -> Option<Instant> {
        let election = self.election.context().context.connected_at();
        let producer = self.producer.context().context.connected_at();
        self.tail
            .context()
            .connected_at()
            .min(election)
            .min(producer)
    }

    /// Returns the reason for which a client has failed for good, if one has.
    pub(super) fn failure(&self) -> Option<String> {
        let failed =
            self.tail.context().has_failed() || self.election.context().context.has_failed();
        let fatal = self.producer.client().fatal_error();
        let fatal = fatal.map(|(_, reason)| reason);
        fatal.or_else(|| failed.then(|| "fatal error".to_owned()))
    }
}

impl ConsumerContext for OwnerElectionContext {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(partitions) = rebalance else {
            return;
        };
        let partitions = partition_numbers(partitions);
        self.shared
            .lock_held()
            .on_revoked(partitions.iter().copied());
        // The next owner gets the partitions only after this, and then sees what was written.
        drop(self.producer.flush(REVOCATION_WAIT));
        self.reporting.events.dead_letters_revoked(&partitions);
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Assign(partitions) = rebalance else {
            return;
        };
        // Nothing is read by this client.
        if let Err(error) = consumer.pause(partitions) {
            self.reporting.events.dead_letters_error(&error);
        }
        let partitions = partition_numbers(partitions);
        let now = Instant::now();
        self.shared
            .lock_held()
            .on_assigned(now, partitions.iter().copied());
        self.reporting
            .clear_dead_letter_error(DeadLetterTask::Group);
        self.reporting.events.dead_letters_owned(&partitions);
    }
}

impl ProducerContext for CopyProducerContext {
    type DeliveryOpaque = Box<DeadLetterId>;

    fn delivery(&self, result: &DeliveryResult<'_>, mark: Box<DeadLetterId>) {
        match result {
            Ok(_) => {
                self.reporting
                    .clear_dead_letter_error(DeadLetterTask::Write);
                self.shared.on_written(*mark);
            }
            Err((error, _)) => {
                self.reporting
                    .on_dead_letter_error(DeadLetterTask::Write, error, &self.topic);
                self.shared.on_write_failed(*mark, retry_of(error), error);
            }
        }
    }
}

hand_on!(OwnerElectionContext);

hand_on!(CopyProducerContext);

fn partition_numbers(partitions: &TopicPartitionList) -> Vec<i32> {
    let mut numbers: Vec<_> = partitions
        .elements()
        .iter()
        .map(|element| element.partition())
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Decides whether the same record can be taken later. All that is not named is a fault that passes, or that
/// somebody mends.
fn retry_of(error: &KafkaError) -> RetryDecision {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::MessageBatchTooLarge
            | RDKafkaErrorCode::InvalidRecord,
        ) => RetryDecision::Never,
        _ => RetryDecision::Retry,
    }
}

/// The longest time for which a revocation waits for writes in flight.
const REVOCATION_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_never_be_taken_is_given_up() {
        for (code, expected) in [
            (RDKafkaErrorCode::MessageSizeTooLarge, RetryDecision::Never),
            (RDKafkaErrorCode::MessageTimedOut, RetryDecision::Retry),
            (
                RDKafkaErrorCode::UnknownTopicOrPartition,
                RetryDecision::Retry,
            ),
            (
                RDKafkaErrorCode::TopicAuthorizationFailed,
                RetryDecision::Retry,
            ),
            (RDKafkaErrorCode::QueueFull, RetryDecision::Retry),
        ] {
            assert_eq!(retry_of(&KafkaError::MessageProduction(code)), expected);
        }
    }
}
