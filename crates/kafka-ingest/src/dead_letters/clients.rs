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

use super::held::Again;
use super::{GROUP, Shared};
use crate::client_context::{Context, hand_on};
use crate::dead_letter::{DeadLetter, Mark};
use crate::events::Client;
use crate::reporting::Reporting;
use crate::status::DeadLetterTrouble;
use crate::steady_consumer::SteadyConsumer;
use crate::{KafkaSettings, StartError, client_config};

/// What the clients are created from.
#[derive(Debug)]
pub(super) struct Configs {
    producer: ClientConfig,
    tail: ClientConfig,
    election: ClientConfig,
}

/// The clients at work. All are polled by one thread.
pub(super) struct Clients {
    pub(super) election: BaseConsumer<Election>,
    pub(super) tail: SteadyConsumer,
    pub(super) producer: Arc<BaseProducer<Copies>>,
}

/// The context of the client that takes part in the group.
pub(super) struct Election {
    context: Context,
    shared: Arc<Shared>,
    reporting: Arc<Reporting>,
    producer: Arc<BaseProducer<Copies>>,
}

/// The producer's context: takes the delivery reports.
pub(super) struct Copies {
    context: Context,
    shared: Arc<Shared>,
    reporting: Arc<Reporting>,
    topic: Arc<str>,
}

impl Configs {
    pub(super) fn new(kafka: &KafkaSettings) -> Result<Self, StartError> {
        Ok(Self {
            producer: client_config::dead_letters_producer(kafka)?,
            tail: client_config::consumer(kafka, GROUP, false)?,
            election: client_config::dead_letters_election(kafka, GROUP)?,
        })
    }
}

impl Clients {
    pub(super) fn create(
        configs: &Configs,
        topic: &Arc<str>,
        shared: &Arc<Shared>,
        reporting: &Arc<Reporting>,
    ) -> KafkaResult<Self> {
        let context = || {
            let events = Arc::clone(&reporting.events);
            Context::new(Client::DeadLetters, Arc::clone(topic), events)
        };
        let producer: BaseProducer<Copies> = configs.producer.create_with_context(Copies {
            context: context(),
            shared: Arc::clone(shared),
            reporting: Arc::clone(reporting),
            topic: Arc::clone(topic),
        })?;
        let producer = Arc::new(producer);
        let election: BaseConsumer<Election> = configs.election.create_with_context(Election {
            context: context(),
            shared: Arc::clone(shared),
            reporting: Arc::clone(reporting),
            producer: Arc::clone(&producer),
        })?;
        election.subscribe(&[&reporting.topic])?;
        Ok(Self {
            election,
            tail: SteadyConsumer::create(&configs.tail, context())?,
            producer,
        })
    }

    /// Hands a copy to the producer; its report comes later.
    pub(super) fn send(&self, letter: &DeadLetter) {
        let Copies {
            reporting,
            shared,
            topic,
            ..
        } = &**self.producer.context();
        let mark = letter.mark();
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, Box::new(mark))
            .payload(&letter.value)
            .headers(letter.headers(&reporting.topic));
        record.key = letter.beside.key.as_deref();
        if let Err((error, _)) = self.producer.send(record) {
            shared.not_written(mark, again(&error), &error);
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

    /// Why a client will not work any more, if so.
    pub(super) fn failure(&self) -> Option<String> {
        let failed =
            self.tail.context().has_failed() || self.election.context().context.has_failed();
        let fatal = self.producer.client().fatal_error();
        let fatal = fatal.map(|(_, reason)| reason);
        fatal.or_else(|| failed.then(|| "fatal error".to_owned()))
    }
}

impl ConsumerContext for Election {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(partitions) = rebalance else {
            return;
        };
        let partitions = numbers(partitions);
        self.shared.held().on_revoked(partitions.iter().copied());
        // The next owner gets the partitions only after this, and then sees what was written.
        drop(self.producer.flush(LAST_WRITES));
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
        let partitions = numbers(partitions);
        let now = Instant::now();
        self.shared
            .held()
            .on_assigned(now, partitions.iter().copied());
        self.reporting.dead_letters_healed(DeadLetterTrouble::Group);
        self.reporting.events.dead_letters_owned(&partitions);
    }
}

impl ProducerContext for Copies {
    type DeliveryOpaque = Box<Mark>;

    fn delivery(&self, result: &DeliveryResult<'_>, mark: Box<Mark>) {
        match result {
            Ok(_) => {
                self.reporting.dead_letters_healed(DeadLetterTrouble::Write);
                self.shared.written(*mark);
            }
            Err((error, _)) => {
                self.reporting
                    .dead_letters_trouble(DeadLetterTrouble::Write, error, &self.topic);
                self.shared.not_written(*mark, again(error), error);
            }
        }
    }
}

hand_on!(Election);

hand_on!(Copies);

fn numbers(partitions: &TopicPartitionList) -> Vec<i32> {
    let mut numbers: Vec<_> = partitions
        .elements()
        .iter()
        .map(|element| element.partition())
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Whether the same record can be taken later. All that is not named is a fault that passes, or that
/// somebody mends.
fn again(error: &KafkaError) -> Again {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::MessageBatchTooLarge
            | RDKafkaErrorCode::InvalidRecord,
        ) => Again::Never,
        _ => Again::Later,
    }
}

/// How long a revocation waits for what is under way.
const LAST_WRITES: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_never_be_taken_is_given_up() {
        for (code, expected) in [
            (RDKafkaErrorCode::MessageSizeTooLarge, Again::Never),
            (RDKafkaErrorCode::MessageTimedOut, Again::Later),
            (RDKafkaErrorCode::UnknownTopicOrPartition, Again::Later),
            (RDKafkaErrorCode::TopicAuthorizationFailed, Again::Later),
            (RDKafkaErrorCode::QueueFull, Again::Later),
        ] {
            assert_eq!(again(&KafkaError::MessageProduction(code)), expected);
        }
    }
}
