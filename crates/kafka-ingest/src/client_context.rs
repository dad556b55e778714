//! Receives librdkafka's callbacks while a client is polled: its log, its errors and, once a second, its
//! statistics, of which a digest is kept.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use crate::events::{ClientRole, Events};

/// The context of either client.
#[derive(Debug)]
pub(crate) struct KafkaClientContext {
    client: ClientRole,
    topic: Arc<str>,
    events: Arc<Events>,
    statistics: Mutex<Option<ClientStatistics>>,
    connected_at: Mutex<Option<Instant>>,
    /// `host:port` of the brokers named by the brokers, as of the latest statistics.
    learned_brokers: Mutex<Vec<String>>,
    disconnects: Mutex<i64>,
    failed: AtomicBool,
    last_error: Mutex<Option<RDKafkaErrorCode>>,
    /// Events of the group that nobody has taken yet: a few, since the group waits for each.
    rebalances: Mutex<VecDeque<RebalanceEvent>>,
}

/// The context of a client that says nothing by itself: its errors are told by whoever uses it.
#[derive(Debug)]
pub(crate) struct SilentContext;

/// An event of a consumer group for a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RebalanceEvent {
    /// These partitions are yours, and no others. Nothing is read before they are assigned.
    Assigned(Vec<i32>),
    /// These are not yours any more. They are unassigned already.
    Revoked(Vec<i32>),
}

/// The figures used of one round of statistics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClientStatistics {
    /// True when any broker is connected. A group's coordinator alone does not count: its connection
    /// outlives the list of brokers, and neither reads nor writes records.
    pub(crate) connected: bool,
    /// The number of partitions of the topic, as far as this client knows.
    pub(crate) partitions: usize,
    /// Records between the position and the end, over all partitions.
    pub(crate) lag_sum: u64,
    /// The same of the partition that is furthest behind.
    pub(crate) lag_max: u64,
}

/// Makes a context that has a [`KafkaClientContext`] in its field `context` hand on to it what librdkafka says of
/// itself.
macro_rules! hand_on {
    ($outer:ty) => {
        impl rdkafka::ClientContext for $outer {
            fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, line: &str) {
                self.context.log(level, facility, line);
            }

            fn stats(&self, statistics: rdkafka::Statistics) {
                self.context.stats(statistics);
            }

            fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
                self.context.error(error, reason);
            }
        }
    };
}

pub(crate) use hand_on;

impl KafkaClientContext {
    pub(crate) fn new(client: ClientRole, topic: Arc<str>, events: Arc<Events>) -> Self {
        Self {
            client,
            topic,
            events,
            statistics: Mutex::new(None),
            connected_at: Mutex::new(None),
            learned_brokers: Mutex::new(Vec::new()),
            disconnects: Mutex::new(0),
            failed: AtomicBool::new(false),
            last_error: Mutex::new(None),
            rebalances: Mutex::new(VecDeque::new()),
        }
    }

    /// The latest statistics, once.
    pub(crate) fn take_statistics(&self) -> Option<ClientStatistics> {
        lock(&self.statistics).take()
    }

    /// The time at which the statistics last showed a connection to a broker.
    pub(crate) fn connected_at(&self) -> Option<Instant> {
        *lock(&self.connected_at)
    }

    /// `host:port` of the brokers that the brokers have named, as the latest statistics have them.
    pub(crate) fn learned_brokers(&self) -> Vec<String> {
        lock(&self.learned_brokers).clone()
    }

    /// The latest error of the client as a whole, once.
    pub(crate) fn take_error(&self) -> Option<RDKafkaErrorCode> {
        lock(&self.last_error).take()
    }

    /// Returns the events of the group, in order, each once.
    pub(crate) fn take_rebalance(&self) -> Option<RebalanceEvent> {
        lock(&self.rebalances).pop_front()
    }

    /// True once the client has failed for good.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    fn count_reconnects(&self, statistics: &Statistics) {
        let brokers = statistics.brokers.values();
        let now: i64 = brokers.filter_map(|broker| broker.disconnects).sum();
        let before = std::mem::replace(&mut *lock(&self.disconnects), now);
        let times = u64::try_from(now - before).unwrap_or(0);
        if times > 0 {
            self.events.reconnected(self.client, times);
        }
    }
}

impl ClientContext for KafkaClientContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        // Properties are given to both clients, and each says so of those that only the other knows.
        let level = if facility == "CONFWARN" && line.contains("property and will be ignored by") {
            RDKafkaLogLevel::Debug
        } else {
            level
        };
        self.events.librdkafka(self.client, level, line);
    }

    fn stats(&self, statistics: Statistics) {
        self.count_reconnects(&statistics);
        let brokers = statistics.brokers.values();
        let learned = brokers.filter(|broker| broker.source == "learned");
        *lock(&self.learned_brokers) = learned.map(|broker| broker.nodename.clone()).collect();
        let digest = ClientStatistics::new(&statistics, &self.topic);
        if digest.connected {
            *lock(&self.connected_at) = Some(Instant::now());
        }
        *lock(&self.statistics) = Some(digest);
    }

    fn error(&self, error: KafkaError, _reason: &str) {
        let Some(code) = error.rdkafka_error_code() else {
            return;
        };
        if code == RDKafkaErrorCode::Fatal {
            self.failed.store(true, Ordering::Relaxed);
        }
        *lock(&self.last_error) = Some(code);
    }
}

impl ConsumerContext for KafkaClientContext {
    /// Called while the consumer is polled or closed. Partitions taken away are let go at once, which
    /// commits how far they were read; those given are assigned once it is known where they begin.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let partitions = list.elements();
        let partitions = partitions.iter().map(|one| one.partition()).collect();
        let rebalance = if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            RebalanceEvent::Assigned(partitions)
        } else {
            if let Err(error) = consumer.unassign() {
                self.events.consumer_error(&error);
            }
            RebalanceEvent::Revoked(partitions)
        };
        lock(&self.rebalances).push_back(rebalance);
    }
}

impl ClientContext for SilentContext {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
    fn stats(&self, _: Statistics) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for SilentContext {}

impl ClientStatistics {
    fn new(statistics: &Statistics, topic: &str) -> Self {
        let partitions = statistics.topics.get(topic).map(|topic| &topic.partitions);
        // -1 stands for records whose partition is not decided yet; unknown ones are those that are
        // read although the brokers do not name them any more.
        let partitions = partitions
            .into_iter()
            .flatten()
            .filter_map(|(number, partition)| {
                (*number >= 0 && !partition.unknown).then_some(partition)
            });
        // -1 stands for not known yet.
        let lags = partitions
            .clone()
            .map(|partition| u64::try_from(partition.consumer_lag).unwrap_or(0));
        Self {
            connected: statistics
                .brokers
                .values()
                .any(|broker| broker.state == "UP" && broker.source != "logical"),
            partitions: partitions.count(),
            lag_sum: lags.clone().sum(),
            lag_max: lags.max().unwrap_or(0),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::Broker;

    use super::*;

    fn is_connected(source: &str, state: &str) -> bool {
        let broker = Broker {
            source: source.to_owned(),
            state: state.to_owned(),
            ..Broker::default()
        };
        let statistics = Statistics {
            brokers: [("b".to_owned(), broker)].into(),
            ..Statistics::default()
        };
        ClientStatistics::new(&statistics, "respostas").connected
    }

    #[test]
    fn a_client_is_connected_by_a_broker_and_not_by_its_coordinator_alone() {
        assert!(is_connected("learned", "UP"));
        assert!(is_connected("configured", "UP"));
        assert!(!is_connected("learned", "CONNECT"));
        assert!(!is_connected("logical", "UP"));
    }
}
