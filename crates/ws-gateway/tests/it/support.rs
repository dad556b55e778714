//! Shared parts of the tests: a manager whose questions are held, and clients of its sessions.

pub(crate) mod client;
pub(crate) mod client_v2;
pub(crate) mod edge;
pub(crate) mod history;
pub(crate) mod questions;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use telemetry::Metrics;
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;
use types::{Answer, AnswerBody, AnswerText, SessionId};
use ws_gateway::{
    CoreSettings, ProtocolVersion, ResumeTokenKeys, SessionSettings, WebSocketSessionManager,
};

use client::Client;
use client_v2::ClientV2;
use history::History;
use questions::{Asked, Questions, answer_to};

/// The longest time for anything that should happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than any deadline of the settings below.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// The core's settings in these tests.
pub(crate) fn core() -> CoreSettings {
    CoreSettings {
        answer_timeout: ANSWER_TIMEOUT,
        answer_ttl: 2 * ANSWER_TIMEOUT,
        max_answer_bytes: 8 * 1024,
        max_departed_sessions: 100,
        ..CoreSettings::default()
    }
}

/// Settings of replicas that read each other's tokens.
pub(crate) fn replica() -> SessionSettings {
    SessionSettings {
        token_keys: ResumeTokenKeys::new(b"the key of all replicas", None),
        ..SessionSettings::default()
    }
}

/// The sessions of a gateway whose Kafka is the test.
pub(crate) struct Sessions {
    pub(crate) manager: WebSocketSessionManager,
    pub(crate) questions: Questions,
    pub(crate) history: History,
    pub(crate) metrics: Metrics,
    /// Cuts every session off.
    pub(crate) stop: CancellationToken,
}

impl Sessions {
    pub(crate) fn new() -> Self {
        Self::with(SessionSettings::default())
    }

    /// Their deadlines are watched for as long as the test's runtime lives.
    pub(crate) fn with(settings: SessionSettings) -> Self {
        let metrics = Metrics::new().unwrap();
        let (sink, questions) = questions::held();
        let (history, asked) = history::held();
        let instruments = metrics.instruments();
        let (sink, history) = (Arc::new(sink), Arc::new(history));
        let manager = WebSocketSessionManager::new(core(), settings, sink, history, instruments);
        tokio::spawn({
            let manager = manager.clone();
            async move { manager.run_deadlines().await }
        });
        Self {
            manager,
            questions,
            history: asked,
            metrics,
            stop: CancellationToken::new(),
        }
    }

    /// A client whose bytes go through memory.
    pub(crate) async fn connect(&self, id: &str) -> Client<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        self.serve(id, theirs);
        Client::over(ours).await
    }

    /// The same in version 2, before its `start`.
    pub(crate) async fn connect_v2(&self, id: &str) -> ClientV2<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        self.serve_version(id, ProtocolVersion::V2, theirs);
        ClientV2(Client::over(ours).await)
    }

    /// A session over the other end of this stream.
    pub(crate) fn serve(&self, id: &str, stream: DuplexStream) -> JoinHandle<()> {
        self.serve_version(id, ProtocolVersion::V1, stream)
    }

    fn serve_version(
        &self,
        id: &str,
        version: ProtocolVersion,
        stream: DuplexStream,
    ) -> JoinHandle<()> {
        let id = SessionId::parse(id).unwrap();
        let (manager, stop) = (self.manager.clone(), self.stop.clone());
        let client = ws_gateway::UpgradedClient {
            session_id: id,
            version,
            stream,
            already_read: Vec::new(),
            trace: None,
        };
        tokio::spawn(async move { manager.serve(client, &stop).await })
    }

    /// Answers a question the way an answerer does that echoes its id.
    pub(crate) fn answer(&self, asked: &Asked, text: &str) {
        let body = AnswerBody::Text(AnswerText::new(text));
        self.deliver(answer_to(asked, body));
    }

    pub(crate) fn deliver(&self, answer: Answer) {
        self.manager.deliver(answer, None);
    }

    /// The value of a metric under one value of its label; 0 when it was never counted.
    pub(crate) fn counted(&self, metric: &str, label: &str) -> f64 {
        let name = format!("answer_gateway_{metric}");
        self.metrics.value(&name, label).unwrap_or(0.0)
    }

    /// Returns the number of questions that have ended, in whatever way.
    pub(crate) fn ended(&self) -> f64 {
        let outcomes = [
            "answered",
            "expired",
            "failed",
            "publish_failed",
            "undeliverable",
            "cancelled",
            "handed_off",
        ];
        let counted = outcomes.map(|outcome| self.counted("questions_total", outcome));
        counted.iter().sum()
    }

    /// Waits until a metric has this value.
    pub(crate) async fn wait_counted(&self, metric: &str, label: &str, expected: f64) {
        eventually(&format!("{metric}{{{label}}} is {expected}"), || {
            self.counted(metric, label) == expected
        })
        .await;
    }

    /// Waits until so many sessions are connected.
    pub(crate) async fn wait_connected(&self, expected: usize) {
        eventually(&format!("{expected} sessions are connected"), || {
            self.manager.stats().connected_count == expected
        })
        .await;
    }
}

/// Polls until something is so.
pub(crate) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let mut polls = interval(Duration::from_millis(1));
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        polls.tick().await;
    }
}

/// A limit, or none when it is 0.
pub(crate) fn limit(number: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(number)
}
