//! A sink that keeps what it is given, and a consumer that fills it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kafka_ingest::status::ConsumerStatus;
use kafka_ingest::{AnswerSink, ConsumerHandle, ConsumerSettings, KafkaResponseConsumer};
use telemetry::Metrics;
use types::{Answer, AnswerBody, QuestionId, RecordPosition, TraceContext};

/// A sink that records its answers. Every session is here but those whose id begins with `foreign`.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<Vec<(Answer, Option<TraceContext>)>>);

impl AnswerSink for Answers {
    fn deliver(&self, answer: Answer, trace: Option<TraceContext>) {
        if answer.wire_id.to_string() == PANIC {
            panic!("the sink was asked to");
        }
        self.0.lock().unwrap().push((answer, trace));
    }

    fn is_session_known(&self, wire_id: &str) -> bool {
        !wire_id.starts_with("foreign")
    }

    fn is_question_awaited(&self, _: QuestionId) -> bool {
        false
    }
}

/// The session at whose answer the sink panics.
pub(crate) const PANIC: &str = "panic";

impl Answers {
    pub(crate) fn all(&self) -> Vec<(Answer, Option<TraceContext>)> {
        self.0.lock().unwrap().clone()
    }

    /// The answers' texts, in the order they came.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |(answer, _): (Answer, _)| match answer.body {
            AnswerBody::Text(text) => text.expose().to_owned(),
            AnswerBody::Failed(_) => "failed".to_owned(),
        };
        self.all().into_iter().map(text).collect()
    }

    /// Returns the positions of the answers, in the order they came.
    pub(crate) fn positions(&self) -> Vec<RecordPosition> {
        let all = self.all().into_iter();
        all.map(|(answer, _)| answer.position).collect()
    }
}

/// A started consumer and its sink.
pub(crate) struct Reading {
    pub(crate) answers: Arc<Answers>,
    pub(crate) handle: ConsumerHandle,
    pub(crate) metrics: Metrics,
}

impl Reading {
    pub(crate) fn start(settings: ConsumerSettings) -> Self {
        let answers = Arc::new(Answers::default());
        let metrics = Metrics::new().unwrap();
        let sink = Arc::<Answers>::clone(&answers);
        let consumer = KafkaResponseConsumer::new(settings, sink, metrics.instruments());
        Self {
            answers,
            handle: consumer.start().unwrap(),
            metrics,
        }
    }

    /// Started, and positioned.
    pub(crate) async fn positioned(settings: ConsumerSettings) -> Self {
        let reading = Self::start(settings);
        reading
            .until("positioned", |status| status.positioned)
            .await;
        reading
    }

    /// Waits for a status.
    pub(crate) async fn until(&self, what: &str, is: impl FnMut(&ConsumerStatus) -> bool) {
        let mut status = self.handle.watch();
        let found = tokio::time::timeout(PATIENCE, status.wait_for(is)).await;
        if found.is_err() {
            panic!("never {what}: {:?}", self.handle.status());
        }
    }

    /// Waits for as many answers as there are in `expected` and compares them.
    pub(crate) async fn expect(&self, expected: &[&str]) {
        eventually("the answers come", || {
            self.answers.texts().len() >= expected.len()
        })
        .await;
        assert_eq!(self.answers.texts(), expected);
    }

    pub(crate) fn count(&self, metric: &str, label: &str) -> f64 {
        self.metrics.value(metric, label).unwrap_or(0.0)
    }
}

/// Looks again and again until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
