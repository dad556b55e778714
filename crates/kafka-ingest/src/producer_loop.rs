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
use crate::client_context::Context;
use crate::deliveries::{Deliveries, Reports};
use crate::events::Client;
use crate::positions::{self, WRITE};
use crate::publisher_reporting::PublisherReporting;
use crate::replacement::{ClientReplacement, NextClient};
use crate::reporting::NO_BROKER;
use crate::stop::{Stop, StopAsked, stop};

pub(crate) type Producer = BaseProducer<Reports>;

/// The producer in use; `None` while there is none.
///
/// Whoever hands a question over holds the read lock meanwhile, so that none comes to a producer
/// whose questions have been given up.
#[derive(Debug, Default)]
pub(crate) struct Line(RwLock<Option<InUse>>);

/// A producer, shared with those who hand over.
#[derive(Clone)]
pub(crate) struct InUse(Arc<Producer>);

/// What the thread owns.
pub(crate) struct ProducerLoop {
    pub(crate) config: ClientConfig,
    pub(crate) replacement: ClientReplacement,
    pub(crate) line: Arc<Line>,
    pub(crate) deliveries: Arc<Deliveries>,
    pub(crate) reporting: Arc<PublisherReporting>,
}

/// Why a producer is no longer served.
enum End {
    Stopped,
    Failed(RDKafkaErrorCode, String),
    /// It has had no connection to a broker for as long as it may; it names these brokers.
    Disconnected(Vec<String>),
}

impl ProducerLoop {
    /// Creates the first producer, which the caller is to know of if that fails, and starts the
    /// thread.
    pub(crate) fn spawn(self) -> Result<(StopAsked, JoinHandle<()>), StartError> {
        let first = self.create().map_err(StartError::client)?;
        let (asked, stop) = stop();
        self.line.set(Some(first));
        let thread = thread::Builder::new()
            .name("questions".to_owned())
            .spawn(move || self.run(&stop))
            .map_err(StartError::Thread)?;
        Ok((asked, thread))
    }

    fn run(self, stop: &Stop) {
        let mut ended = Ended(self);
        let this = &mut ended.0;
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let since = Instant::now();
            match this.serve(stop) {
                End::Stopped => return,
                End::Failed(code, reason) => this.reporting.failed(Some(code), &reason),
                End::Disconnected(learned) => {
                    if this.on_disconnected(&learned) == NextClient::GiveUp {
                        // Nobody polls it any more: its questions are reported now, and others refused.
                        this.close();
                        stop.wait_until_asked();
                        return;
                    }
                }
            }
            this.close();
            if since.elapsed() > LONGEST_WAIT {
                backoff.succeeded();
            }
            if !this.replace(&mut backoff, stop) {
                return;
            }
        }
    }

    /// Polls the producer until it has failed or the thread is to stop.
    fn serve(&mut self, stop: &Stop) -> End {
        while !stop.is_asked() {
            let Some(InUse(producer)) = self.line.get().clone() else {
                return End::Stopped;
            };
            self.reporting.pulse.beat(Instant::now());
            producer.poll(TICK);
            self.look(&producer);
            // Not told apart from other errors where the context hears of them.
            if let Some((code, reason)) = producer.client().fatal_error() {
                return End::Failed(code, reason);
            }
            let context = &producer.context().context;
            let connected_at = context.connected_at();
            if self.replacement.is_due(connected_at) {
                return End::Disconnected(context.learned_brokers());
            }
        }
        End::Stopped
    }

    /// Says what becomes of a producer that is dropped because it had no connection.
    fn on_disconnected(&mut self, learned: &[String]) -> NextClient {
        let disconnected_for = self.replacement.disconnected_for();
        let next = self.replacement.decide(learned);
        match next {
            NextClient::Create => self.reporting.client_replaced(disconnected_for),
            NextClient::GiveUp => self.reporting.cut_off(disconnected_for),
        }
        next
    }

    /// Takes in what librdkafka said since the last look.
    fn look(&self, producer: &Producer) {
        let context = &producer.context().context;
        let problem = context.take_problem();
        let missing =
            problem.and_then(|code| positions::missing(code, &self.reporting.topic, WRITE));
        if let Some(missing) = missing {
            self.reporting.missing(missing);
        }
        let Some(digest) = context.take_digest() else {
            return;
        };
        self.deliveries.gauge();
        if digest.connected {
            self.reporting.kafka_up();
        } else {
            let problem = problem.map(|code| code.to_string());
            let problem = problem.unwrap_or_else(|| NO_BROKER.to_owned());
            self.reporting.kafka_down(&problem);
        }
    }

    /// Another producer in the failed one's place. False when the thread is to stop.
    fn replace(&mut self, backoff: &mut Backoff, stop: &Stop) -> bool {
        while !stop.wait(backoff.after_failure(rand::random())) {
            self.reporting.pulse.beat(Instant::now());
            match self.create() {
                Ok(producer) => {
                    self.line.set(Some(producer));
                    self.replacement.on_created();
                    self.reporting.producer(true);
                    self.reporting.events.producer_replaced();
                    return true;
                }
                Err(error) => self.reporting.failed(None, &error.to_string()),
            }
        }
        false
    }

    /// Ends the producer. Whatever it does not report in a moment counts as possibly persisted.
    fn close(&self) {
        self.reporting.producer(false);
        if let Some(InUse(producer)) = self.line.set(None) {
            producer.purge(PurgeConfig::default().queue().inflight());
            // Runs out only for questions that are given up below.
            drop(producer.flush(LAST_REPORTS));
        }
        self.deliveries.give_up();
    }

    fn create(&self) -> KafkaResult<InUse> {
        let PublisherReporting { topic, events, .. } = &*self.reporting;
        let context = Context::new(Client::Producer, Arc::clone(topic), Arc::clone(events));
        let deliveries = Arc::clone(&self.deliveries);
        let reports = Reports {
            context,
            deliveries,
        };
        let producer = self.config.create_with_context(reports)?;
        Ok(InUse(Arc::new(producer)))
    }
}

impl Line {
    /// The producer in use; it stays in use as long as the guard is held.
    pub(crate) fn get(&self) -> RwLockReadGuard<'_, Option<InUse>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, producer: Option<InUse>) -> Option<InUse> {
        let mut line = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *line, producer)
    }
}

impl std::ops::Deref for InUse {
    type Target = Producer;

    fn deref(&self) -> &Producer {
        &self.0
    }
}

impl std::fmt::Debug for InUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InUse")
    }
}

/// Closes the producer and says that the thread has ended, however it did.
struct Ended(ProducerLoop);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.close();
        self.0.reporting.ended(thread::panicking());
    }
}

/// How often the thread looks up from waiting for events; each event wakes it at once.
const TICK: Duration = Duration::from_millis(100);
/// How long a purged producer gets to report what was purged.
const LAST_REPORTS: Duration = Duration::from_millis(500);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
