//! Reports the publisher's state: the status that others read, and the events that
//! go with its changes. One place, so that neither is changed without the other. What is said of the
//! registry is in [`crate::question_schema_refresher`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use telemetry::Heartbeat;
use tokio::sync::Notify;

use crate::consumer_reporting::NO_BROKER;
use crate::events::{ClientRole, Events};
use crate::question_publisher::EnqueueError;
use crate::status::{self, LinkStatus, MissingPrerequisite, PublisherStatus, StatusBoard};
use crate::topic_offsets::{self, WRITE_RIGHTS};

#[derive(Debug)]
pub(crate) struct PublisherReporting {
    pub(crate) topic: Arc<str>,
    pub(crate) status: Arc<StatusBoard<PublisherStatus>>,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) events: Arc<Events>,
    /// True while Kafka's last word on a question was that the right to write is lacking, which no
    /// look at the topic can tell.
    denied: AtomicBool,
    /// Told when a question's failure says something about the topic.
    pub(crate) topic_doubtful: Notify,
}

impl PublisherReporting {
    pub(crate) fn new(topic: &str, events: Arc<Events>) -> Self {
        Self {
            topic: topic.into(),
            heartbeat: Heartbeat::new(Instant::now()),
            status: Arc::new(StatusBoard::new(PublisherStatus {
                running: true,
                kafka: LinkStatus::untried(),
                cut_off: false,
                registry: LinkStatus::untried(),
                missing: Vec::new(),
                schema: None,
                has_producer: true,
            })),
            events,
            denied: AtomicBool::new(false),
            topic_doubtful: Notify::new(),
        }
    }

    /// A broker is connected, so login and encryption are in order.
    pub(crate) fn on_kafka_up(&self) {
        let changed = self.status.update(|status| {
            status.missing.retain(|what| {
                !matches!(what, MissingPrerequisite::Login | MissingPrerequisite::Tls)
            });
            status.kafka.set(true, None)
        });
        if changed {
            self.events.kafka_up(ClientRole::Producer);
        }
    }

    pub(crate) fn on_kafka_down(&self, problem: &str) {
        let said = problem.to_owned();
        if self
            .status
            .update(|status| status.kafka.record_failure(said))
        {
            self.events.kafka_down(ClientRole::Producer, problem);
        }
    }

    /// Somebody has to put this right.
    pub(crate) fn report_missing(&self, what: MissingPrerequisite) {
        self.events.report_missing(ClientRole::Producer, &what);
        self.status
            .update(|status| status::add_missing(&mut status.missing, what));
    }

    /// The topic is there, and named to this client.
    pub(crate) fn on_topic_found(&self) {
        self.on_kafka_up();
        let denied = self.denied.load(Ordering::Relaxed);
        self.status.update(|status| {
            status.missing.retain(|what| {
                let right = matches!(what, MissingPrerequisite::TopicRights { .. });
                !matches!(what, MissingPrerequisite::Topic { .. }) && (denied || !right)
            });
        });
    }

    /// A question was written.
    pub(crate) fn on_written(&self) {
        if self.denied.swap(false, Ordering::Relaxed) {
            self.on_topic_found();
        }
    }

    /// A question was not, or not provably, written.
    pub(crate) fn on_write_failed(&self, error: &KafkaError) {
        let code = error.rdkafka_error_code();
        let cause = match code {
            Some(RDKafkaErrorCode::MessageTimedOut) => "publish_timeout",
            Some(RDKafkaErrorCode::QueueFull) => "queue_full",
            _ => "publish_failed",
        };
        self.events.publish_failed(cause, error);
        self.report_missing_by_code(code);
    }

    /// A question was not even handed to librdkafka.
    pub(crate) fn on_enqueue_failed(&self, refusal: &EnqueueError) {
        let cause = match refusal {
            EnqueueError::Kafka(error) => return self.on_write_failed(error),
            EnqueueError::NoSchema => "no_schema",
            EnqueueError::NoProducer => "no_producer",
            EnqueueError::TooMany => "queue_full",
        };
        self.events.publish_failed(cause, refusal);
    }

    /// librdkafka gave up on its producer, for this reason.
    pub(crate) fn on_producer_failed(&self, code: Option<RDKafkaErrorCode>, reason: &str) {
        self.events.producer_failed(&reason);
        self.report_missing_by_code(code);
    }

    /// The producer had no connection for so long: a new one takes its place.
    pub(crate) fn on_client_replaced(&self, disconnected_for: Duration) {
        self.on_kafka_down(NO_BROKER);
        self.events
            .client_replaced(ClientRole::Producer, disconnected_for);
    }

    /// No producer gets a connection, although a broker answers this process.
    pub(crate) fn on_cut_off(&self, disconnected_for: Duration) {
        self.events.cut_off(ClientRole::Producer, disconnected_for);
        self.status.update(|status| status.cut_off = true);
    }

    /// The producer comes or goes.
    pub(crate) fn set_producer_present(&self, there: bool) {
        self.status.update(|status| status.has_producer = there);
    }

    /// The producer's thread ends.
    pub(crate) fn on_thread_ended(&self, panicked: bool) {
        if panicked {
            self.events.publisher_panicked(&self.topic);
        } else {
            self.events.publisher_stopped(&self.topic);
        }
        self.status.update(|status| status.running = false);
    }

    /// Names what somebody has to put right, if that is what the error says.
    fn report_missing_by_code(&self, code: Option<RDKafkaErrorCode>) {
        let missing = match code {
            // What an idempotent producer needs beside Write until Kafka 2.7.
            Some(RDKafkaErrorCode::ClusterAuthorizationFailed) => {
                Some(MissingPrerequisite::TopicRights {
                    topic: self.topic.to_string(),
                    rights: "Describe, Write and (on the cluster) IdempotentWrite",
                })
            }
            code => code
                .and_then(|code| topic_offsets::missing_by_code(code, &self.topic, WRITE_RIGHTS)),
        };
        let Some(missing) = missing else { return };
        self.topic_doubtful.notify_one();
        if matches!(missing, MissingPrerequisite::TopicRights { .. }) {
            self.denied.store(true, Ordering::Relaxed);
        }
        self.report_missing(missing);
    }
}
