//! What the publisher says of itself and of Kafka: the status that others read, and the events that
//! go with its changes. One place, so that neither is changed without the other. What is said of the
//! registry is in [`crate::question_schema`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use telemetry::Pulse;
use tokio::sync::Notify;

use crate::events::{Client, Events};
use crate::positions::{self, WRITE};
use crate::producer::Refusal;
use crate::reporting::NO_BROKER;
use crate::status::{self, Board, Link, Missing, PublisherStatus};

#[derive(Debug)]
pub(crate) struct PublisherReporting {
    pub(crate) topic: Arc<str>,
    pub(crate) board: Arc<Board<PublisherStatus>>,
    pub(crate) pulse: Pulse,
    pub(crate) events: Arc<Events>,
    /// True while Kafka's last word on a question was that the right to write is lacking, which no
    /// look at the topic can tell.
    denied: AtomicBool,
    /// Told when a question's failure says something about the topic.
    pub(crate) doubt: Notify,
}

impl PublisherReporting {
    pub(crate) fn new(topic: &str, events: Arc<Events>) -> Self {
        Self {
            topic: topic.into(),
            pulse: Pulse::new(Instant::now()),
            board: Arc::new(Board::new(PublisherStatus {
                running: true,
                kafka: Link::untried(),
                cut_off: false,
                registry: Link::untried(),
                missing: Vec::new(),
                schema: None,
                producer: true,
            })),
            events,
            denied: AtomicBool::new(false),
            doubt: Notify::new(),
        }
    }

    /// A broker is connected, so login and encryption are in order.
    pub(crate) fn kafka_up(&self) {
        let changed = self.board.update(|status| {
            status
                .missing
                .retain(|what| !matches!(what, Missing::Login | Missing::Tls));
            status.kafka.set(true, None)
        });
        if changed {
            self.events.kafka_up(Client::Producer);
        }
    }

    pub(crate) fn kafka_down(&self, problem: &str) {
        let said = problem.to_owned();
        if self.board.update(|status| status.kafka.fail(said)) {
            self.events.kafka_down(Client::Producer, problem);
        }
    }

    /// Somebody has to put this right.
    pub(crate) fn missing(&self, what: Missing) {
        self.events.missing(Client::Producer, &what);
        self.board
            .update(|status| status::add(&mut status.missing, what));
    }

    /// The topic is there, and named to this client.
    pub(crate) fn topic_found(&self) {
        self.kafka_up();
        let denied = self.denied.load(Ordering::Relaxed);
        self.board.update(|status| {
            status.missing.retain(|what| {
                let right = matches!(what, Missing::TopicRight { .. });
                !matches!(what, Missing::Topic { .. }) && (denied || !right)
            });
        });
    }

    /// A question was written.
    pub(crate) fn written(&self) {
        if self.denied.swap(false, Ordering::Relaxed) {
            self.topic_found();
        }
    }

    /// A question was not, or not provably, written.
    pub(crate) fn not_written(&self, error: &KafkaError) {
        let code = error.rdkafka_error_code();
        let cause = match code {
            Some(RDKafkaErrorCode::MessageTimedOut) => "publish_timeout",
            Some(RDKafkaErrorCode::QueueFull) => "queue_full",
            _ => "publish_failed",
        };
        self.events.publish_failed(cause, error);
        self.blame(code);
    }

    /// A question was not even handed to librdkafka.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        let cause = match refusal {
            Refusal::Kafka(error) => return self.not_written(error),
            Refusal::NoSchema => "no_schema",
            Refusal::NoProducer => "no_producer",
            Refusal::TooMany => "queue_full",
        };
        self.events.publish_failed(cause, refusal);
    }

    /// librdkafka gave up on its producer, for this reason.
    pub(crate) fn failed(&self, code: Option<RDKafkaErrorCode>, reason: &str) {
        self.events.producer_failed(&reason);
        self.blame(code);
    }

    /// The producer had no connection for so long: a new one takes its place.
    pub(crate) fn client_replaced(&self, disconnected_for: Duration) {
        self.kafka_down(NO_BROKER);
        self.events
            .client_replaced(Client::Producer, disconnected_for);
    }

    /// No producer gets a connection, although a broker answers this process.
    pub(crate) fn cut_off(&self, disconnected_for: Duration) {
        self.events.cut_off(Client::Producer, disconnected_for);
        self.board.update(|status| status.cut_off = true);
    }

    /// The producer comes or goes.
    pub(crate) fn producer(&self, there: bool) {
        self.board.update(|status| status.producer = there);
    }

    /// The producer's thread ends.
    pub(crate) fn ended(&self, panicked: bool) {
        if panicked {
            self.events.publisher_panicked(&self.topic);
        } else {
            self.events.publisher_stopped(&self.topic);
        }
        self.board.update(|status| status.running = false);
    }

    /// Names what somebody has to put right, if that is what the error says.
    fn blame(&self, code: Option<RDKafkaErrorCode>) {
        let missing = match code {
            // What an idempotent producer needs beside Write until Kafka 2.7.
            Some(RDKafkaErrorCode::ClusterAuthorizationFailed) => Some(Missing::TopicRight {
                topic: self.topic.to_string(),
                rights: "Describe, Write and (on the cluster) IdempotentWrite",
            }),
            code => code.and_then(|code| positions::missing(code, &self.topic, WRITE)),
        };
        let Some(missing) = missing else { return };
        self.doubt.notify_one();
        if matches!(missing, Missing::TopicRight { .. }) {
            self.denied.store(true, Ordering::Relaxed);
        }
        self.missing(missing);
    }
}
