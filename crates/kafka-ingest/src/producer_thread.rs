//! The producer's thread: polls librdkafka for delivery reports and statistics, and replaces a
//! producer that failed for good.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _, PurgeConfig};

use crate::StartError;
use crate::backoff::Backoff;
use crate::client_context::KafkaClientContext;
use crate::consumer_reporting::NO_BROKER;
use crate::events::ClientRole;
use crate::pending_publishes::{DeliveryReportContext, PendingPublishes};
use crate::publisher_reporting::PublisherReporting;
use crate::replacement::{ClientReplacement, NextClient};
use crate::stop_signal::{StopHandle, StopSignal, stop_channel};
use crate::topic_offsets::{self, WRITE_RIGHTS};

pub(crate) type KafkaProducer = BaseProducer<DeliveryReportContext>;

/// The producer in use; `None` while there is none.
///
/// Whoever hands a question over holds the read lock meanwhile, so that none comes to a producer
/// whose questions have been given up.
#[derive(Debug, Default)]
pub(crate) struct ProducerHandle(RwLock<Option<SharedProducer>>);

/// A producer, shared with those who hand over.
#[derive(Clone)]
pub(crate) struct SharedProducer(Arc<KafkaProducer>);

/// The state owned by the producer's thread.
pub(crate) struct ProducerLoop {
    pub(crate) config: ClientConfig,
    pub(crate) replacement: ClientReplacement,
    pub(crate) producer: Arc<ProducerHandle>,
    pub(crate) pending: Arc<PendingPublishes>,
    pub(crate) reporting: Arc<PublisherReporting>,
}

/// The reason for which a producer is no longer polled.
enum ProducerEnd {
    Stopped,
    Failed(RDKafkaErrorCode, String),
    /// It has had no connection to a broker for as long as it may; it names these brokers.
    Disconnected(Vec<String>),
}

impl ProducerLoop {
    /// Creates the first producer, which the caller is to know of if that fails, and starts the
    /// thread.
    pub(crate) fn spawn(self) -> Result<(StopHandle, JoinHandle<()>), StartError> {
        let first = self.create_producer().map_err(StartError::client)?;
        let (asked, stop) = stop_channel();
        self.producer.set(Some(first));
        let thread = thread::Builder::new()
            .name("questions".to_owned())
            .spawn(move || self.run(&stop))
            .map_err(StartError::Thread)?;
        Ok((asked, thread))
    }

    fn run(self, stop: &StopSignal) {
        let mut ended = PublisherEndGuard(self);
        let this = &mut ended.0;
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let since = Instant::now();
            match this.poll_until_end(stop) {
                ProducerEnd::Stopped => return,
                ProducerEnd::Failed(code, reason) => {
                    this.reporting.on_producer_failed(Some(code), &reason)
                }
                ProducerEnd::Disconnected(learned) => {
                    if this.on_disconnected(&learned) == NextClient::GiveUp {
                        // Nobody polls it any more: its questions are reported now, and others refused.
                        this.close();
                        stop.wait_for_request();
                        return;
                    }
                }
            }
            this.close();
            if since.elapsed() > LONGEST_WAIT {
                backoff.reset();
            }
            if !this.replace(&mut backoff, stop) {
                return;
            }
        }
    }

    /// Polls the producer until it has failed or the thread is to stop.
    fn poll_until_end(&mut self, stop: &StopSignal) -> ProducerEnd {
        while !stop.is_requested() {
            let Some(SharedProducer(producer)) = self.producer.get().clone() else {
                return ProducerEnd::Stopped;
            };
            self.reporting.heartbeat.record_beat(Instant::now());
            producer.poll(POLL_INTERVAL);
            self.poll_context(&producer);
            // Not told apart from other errors where the context hears of them.
            if let Some((code, reason)) = producer.client().fatal_error() {
                return ProducerEnd::Failed(code, reason);
            }
            let context = &producer.context().context;
            let connected_at = context.connected_at();
            if self.replacement.is_due(connected_at) {
                return ProducerEnd::Disconnected(context.learned_brokers());
            }
        }
        ProducerEnd::Stopped
    }

    /// Says what becomes of a producer that is dropped because it had no connection.
    fn on_disconnected(&mut self, learned: &[String]) -> NextClient {
        let disconnected_for = self.replacement.disconnected_for();
        let next = self.replacement.decide(learned);
        match next {
            NextClient::Create => self.reporting.on_client_replaced(disconnected_for),
            NextClient::GiveUp => self.reporting.on_cut_off(disconnected_for),
        }
        next
    }

    /// Takes in what librdkafka said since the last look.
    fn poll_context(&self, producer: &KafkaProducer) {
        let context = &producer.context().context;
        let problem = context.take_error();
        let missing = problem.and_then(|code| {
            topic_offsets::missing_by_code(code, &self.reporting.topic, WRITE_RIGHTS)
        });
        if let Some(missing) = missing {
            self.reporting.report_missing(missing);
        }
        let Some(digest) = context.take_statistics() else {
            return;
        };
        self.pending.update_gauge();
        if digest.connected {
            self.reporting.on_kafka_up();
        } else {
            let problem = problem.map(|code| code.to_string());
            let problem = problem.unwrap_or_else(|| NO_BROKER.to_owned());
            self.reporting.on_kafka_down(&problem);
        }
    }

    /// Another producer in the failed one's place. False when the thread is to stop.
    fn replace(&mut self, backoff: &mut Backoff, stop: &StopSignal) -> bool {
        while !stop.wait(backoff.next_wait(rand::random())) {
            self.reporting.heartbeat.record_beat(Instant::now());
            match self.create_producer() {
                Ok(producer) => {
                    self.producer.set(Some(producer));
                    self.replacement.on_created();
                    self.reporting.set_producer_present(true);
                    self.reporting.events.producer_replaced();
                    return true;
                }
                Err(error) => self.reporting.on_producer_failed(None, &error.to_string()),
            }
        }
        false
    }

    /// Ends the producer. Whatever it does not report in a moment counts as possibly persisted.
    fn close(&self) {
        self.reporting.set_producer_present(false);
        if let Some(SharedProducer(producer)) = self.producer.set(None) {
            producer.purge(PurgeConfig::default().queue().inflight());
            // Runs out only for questions that are given up below.
            drop(producer.flush(PURGE_WAIT));
        }
        self.pending.report_all_unknown();
    }

    fn create_producer(&self) -> KafkaResult<SharedProducer> {
        let PublisherReporting { topic, events, .. } = &*self.reporting;
        let context =
            KafkaClientContext::new(ClientRole::Producer, Arc::clone(topic), Arc::clone(events));
        let deliveries = Arc::clone(&self.pending);
        let reports = DeliveryReportContext {
            context,
            deliveries,
        };
        let producer = self.config.create_with_context(reports)?;
        Ok(SharedProducer(Arc::new(producer)))
    }
}

impl ProducerHandle {
    /// The producer in use; it stays in use as long as the guard is held.
    pub(crate) fn get(&self) -> RwLockReadGuard<'_, Option<SharedProducer>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, producer: Option<SharedProducer>) -> Option<SharedProducer> {
        let mut line = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *line, producer)
    }
}

impl std::ops::Deref for SharedProducer {
    type Target = KafkaProducer;

    fn deref(&self) -> &KafkaProducer {
        &self.0
    }
}

impl std::fmt::Debug for SharedProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InUse")
    }
}

/// Closes the producer and says that the thread has ended, however it did.
struct PublisherEndGuard(ProducerLoop);

impl Drop for PublisherEndGuard {
    fn drop(&mut self) {
        self.0.close();
        self.0.reporting.on_thread_ended(thread::panicking());
    }
}

/// The longest poll for events; each event ends it at once.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The time for which a purged producer may report what was purged.
const PURGE_WAIT: Duration = Duration::from_millis(500);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
