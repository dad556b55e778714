//! A publisher, those who ask it, and what the questions' topic has.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, UNIX_EPOCH};

use kafka_ingest::status::PublisherStatus;
use kafka_ingest::{PublisherSettings, QuestionPublisher};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use telemetry::Metrics;
use types::{PublishFailure, PublishReport};
use types::{
    QuestionId, QuestionRecord, QuestionText, SessionId, TraceContext, WireId, WireIdSuffix,
};

use crate::kafka::Stack;

pub(crate) const QUESTIONS: &str = "perguntas";
pub(crate) const SUBJECT: &str = "perguntas-value";

pub(crate) type Outcome = Result<(), PublishFailure>;

/// A started publisher and what it reported.
pub(crate) struct Asking {
    pub(crate) publisher: QuestionPublisher,
    pub(crate) metrics: Metrics,
    reports: (Sender<Outcome>, Receiver<Outcome>),
}

impl Stack {
    /// With the questions' topic, of one partition, and the minimal schema.
    pub(crate) async fn for_questions() -> Self {
        let stack = Self::start().await;
        stack.cluster.create_topic(QUESTIONS, 1, 1).unwrap();
        stack.register_question(avro_codec::MINIMAL_QUESTION_SCHEMA);
        stack
    }

    pub(crate) fn register_question(&self, schema: &str) -> u32 {
        self.registry.register(SUBJECT, schema).unwrap()
    }

    pub(crate) fn publisher_settings(&self) -> PublisherSettings {
        let consumer = self.settings();
        PublisherSettings {
            refresh_interval: Duration::from_millis(50),
            ..PublisherSettings::new(consumer.kafka, consumer.registry)
        }
    }

    /// Every record of the questions' topic.
    pub(crate) fn questions(&self, count: usize) -> Vec<OwnedMessage> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.cluster.bootstrap_servers())
            .set("group.id", "reader")
            .set("fetch.wait.max.ms", "5")
            .create()
            .unwrap();
        let mut all = TopicPartitionList::new();
        all.add_partition_offset(QUESTIONS, 0, Offset::Beginning)
            .unwrap();
        consumer.assign(&all).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut records = Vec::new();
        while records.len() < count {
            assert!(Instant::now() < deadline, "only {} came", records.len());
            if let Some(record) = consumer.poll(Duration::from_millis(50)) {
                records.push(record.unwrap().detach());
            }
        }
        records
    }
}

impl Asking {
    pub(crate) fn start(settings: PublisherSettings) -> Self {
        let metrics = Metrics::new().unwrap();
        Self {
            publisher: QuestionPublisher::start(settings, metrics.instruments()).unwrap(),
            metrics,
            reports: channel(),
        }
    }

    /// Started, and ready.
    pub(crate) async fn ready(settings: PublisherSettings) -> Self {
        let asking = Self::start(settings);
        asking
            .until("ready", |status| status.is_ready() && status.kafka.up)
            .await;
        asking
    }

    /// Waits for a status.
    pub(crate) async fn until(&self, what: &str, is: impl FnMut(&PublisherStatus) -> bool) {
        let mut status = self.publisher.watch();
        let found = tokio::time::timeout(PATIENCE, status.wait_for(is)).await;
        if found.is_err() {
            panic!("never {what}: {:?}", self.publisher.status());
        }
    }

    pub(crate) fn ask(&self, question: QuestionRecord, trace: Option<TraceContext>) {
        let reports = self.reports.0.clone();
        let report = PublishReport::new(move |outcome| reports.send(outcome).unwrap());
        self.publisher.publish(question, trace, report);
    }

    /// Asks and waits for the report.
    pub(crate) fn outcome(&self, session: &str) -> Outcome {
        self.ask(question(session), None);
        self.next()
    }

    /// The next report.
    pub(crate) fn next(&self) -> Outcome {
        let report = self.reports.1.recv_timeout(PATIENCE);
        report.unwrap_or_else(|_| panic!("no report comes in time"))
    }

    /// Stops the publisher and returns the reports nobody has taken: no more can come.
    pub(crate) async fn rest(self) -> Vec<Outcome> {
        let Self {
            publisher, reports, ..
        } = self;
        publisher.stop().await;
        drop((publisher, reports.0));
        reports.1.iter().collect()
    }

    /// Drops the publisher and returns the reports to come.
    pub(crate) fn dropped(self) -> Receiver<Outcome> {
        drop(self.publisher);
        self.reports.1
    }

    pub(crate) fn count(&self, metric: &str, label: &str) -> f64 {
        self.metrics.value(metric, label).unwrap_or(0.0)
    }
}

/// A question of `session`, with a suffix.
pub(crate) fn question(session: &str) -> QuestionRecord {
    let session = SessionId::parse(session).unwrap();
    QuestionRecord {
        wire_id: WireId::suffixed(&session, WireIdSuffix::from_random([0xff; 10])),
        question_id: QuestionId::from_bytes(*b"0123456789abcdef"),
        text: QuestionText::new("why?"),
        user_name: None,
        asked_at: UNIX_EPOCH,
        session_id: session,
    }
}

/// A record's headers, in order.
pub(crate) fn headers(record: &OwnedMessage) -> Vec<(String, String)> {
    let headers = record.headers().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    headers
        .iter()
        .map(|header| (header.key.to_owned(), text(header.value.unwrap())))
        .collect()
}

const PATIENCE: Duration = Duration::from_secs(30);
