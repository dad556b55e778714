//! Questions out: each becomes one record of the questions' topic, and whoever asked learns what
//! became of it.
//!
//! Knows neither sessions nor sockets. Handing a question over is encoding and a copy into
//! librdkafka's queue; everything that waits is done by the publisher's own thread and tasks.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use avro_codec::QuestionFieldNames;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use telemetry::{Instruments, spans};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use types::{QuestionRecord, TraceContext};

use crate::events::Events;
use crate::in_flight::Ticket;
use crate::pending_publishes::{PendingPublish, PendingPublishes};
use crate::producer_thread::{ProducerHandle, ProducerLoop};
use crate::publisher_reporting::PublisherReporting;
use crate::question_schema_refresher::{CurrentEncoder, QuestionSchemaRefresher};
use crate::registry::{RegistryClient, RegistrySettings};
use crate::replacement::ClientReplacement;
use crate::status::PublisherStatus;
use crate::stop_signal::StopHandle;
use crate::{KafkaSettings, StartError, client_config, questions_topic_watch, trace};
use types::{Persisted, PublishReport};

/// The settings of a [`QuestionPublisher`].
#[derive(Debug, Clone)]
pub struct PublisherSettings {
    /// The connection to Kafka.
    pub kafka: KafkaSettings,
    /// The connection to the schema registry.
    pub registry: RegistrySettings,
    /// The topic questions are written to. Never created here.
    pub topic: String,
    /// The topic answers are expected in, for the header `reply-topic`.
    pub reply_topic: String,
    /// The subject whose latest schema questions are written with.
    pub subject: String,
    /// The names of a question's fields.
    pub fields: QuestionFieldNames,
    /// True if the minimal schema is registered when the subject has none.
    pub auto_register: bool,
    /// The interval at which the latest schema is fetched again.
    pub refresh_interval: Duration,
    /// The time that Kafka may take to confirm a question before it counts as failed.
    pub publish_timeout: Duration,
    /// The most questions that may wait for their confirmation; further ones fail at once.
    pub queue: usize,
}

impl PublisherSettings {
    /// The defaults: from `perguntas` to `respostas`, 5 s to publish, the latest schema looked up
    /// again every 30 s and none registered, 10,000 questions under way.
    pub fn new(kafka: KafkaSettings, registry: RegistrySettings) -> Self {
        Self {
            kafka,
            registry,
            topic: "perguntas".to_owned(),
            reply_topic: "respostas".to_owned(),
            subject: "perguntas-value".to_owned(),
            fields: QuestionFieldNames::default(),
            auto_register: false,
            refresh_interval: Duration::from_secs(30),
            publish_timeout: Duration::from_secs(5),
            queue: 10_000,
        }
    }
}

/// Publishes questions. Dropping it stops it too, without waiting for what is under way.
#[derive(Debug)]
pub struct QuestionPublisher {
    reply_topic: String,
    schema: Arc<CurrentEncoder>,
    producer: Arc<ProducerHandle>,
    pending: Arc<PendingPublishes>,
    reporting: Arc<PublisherReporting>,
    running: Mutex<Option<RunningPublisher>>,
}

/// The running parts, which end when this is dropped.
#[derive(Debug)]
struct RunningPublisher {
    thread: JoinHandle<()>,
    _stop: StopHandle,
    _tasks: DropGuard,
}

impl QuestionPublisher {
    /// Starts the publisher. Needs neither Kafka nor the registry to answer yet: [`Self::status`]
    /// says what is missing, and questions fail at once until there is a schema.
    ///
    /// # Errors
    ///
    /// [`StartError`] when the settings cannot work at all, and outside a tokio runtime.
    pub fn start(
        settings: PublisherSettings,
        instruments: Arc<Instruments>,
    ) -> Result<Self, StartError> {
        let runtime = Handle::try_current()?;
        let registry = RegistryClient::new(&settings.registry)?;
        let events = Arc::new(Events::new(instruments));
        let reporting = Arc::new(PublisherReporting::new(&settings.topic, events));
        let deliveries = Arc::new(PendingPublishes::new(
            settings.queue,
            Arc::clone(&reporting),
        ));
        let line = Arc::new(ProducerHandle::default());
        reporting.events.publisher_started(&reporting.topic);
        let (stop, thread) = ProducerLoop {
            config: client_config::producer_config(
                &settings.kafka,
                settings.publish_timeout,
                settings.queue,
            )?,
            replacement: ClientReplacement::new(&settings.kafka),
            producer: Arc::clone(&line),
            pending: Arc::clone(&deliveries),
            reporting: Arc::clone(&reporting),
        }
        .spawn()?;
        let schema = Arc::new(CurrentEncoder::default());
        let tasks = CancellationToken::new();
        let keep = QuestionSchemaRefresher {
            registry,
            subject: settings.subject,
            fields: settings.fields,
            auto_register: settings.auto_register,
            refresh_interval: settings.refresh_interval,
            events: Arc::clone(&reporting.events),
            status: Arc::clone(&reporting.status),
            current: Arc::clone(&schema),
        }
        .run();
        let watch =
            questions_topic_watch::watch_questions_topic(Arc::clone(&line), Arc::clone(&reporting));
        runtime.spawn(tasks.clone().run_until_cancelled_owned(keep));
        runtime.spawn(tasks.clone().run_until_cancelled_owned(watch));
        Ok(Self {
            reply_topic: settings.reply_topic,
            schema,
            producer: line,
            pending: deliveries,
            reporting,
            running: Mutex::new(Some(RunningPublisher {
                thread,
                _stop: stop,
                _tasks: tasks.drop_guard(),
            })),
        })
    }

    /// Publishes a question and reports how that went, sooner or later, also from within this call.
    /// Never blocks. `trace` is the context the publish span continues.
    pub fn publish(
        &self,
        question: QuestionRecord,
        trace: Option<TraceContext>,
        report: PublishReport,
    ) {
        let parent = trace.clone().map(trace::to_remote);
        let span = spans::start_publish(&self.reporting.topic, &question.question_id, parent);
        let trace = spans::context_of(&span)
            .map(trace::to_trace_context)
            .or(trace);
        match self.pending.admit(PendingPublish { report, span }) {
            Err(waiting) => {
                self.reporting.on_enqueue_failed(&EnqueueError::TooMany);
                waiting.report(Err(Persisted::No));
            }
            Ok(ticket) => {
                if let Err(refusal) = self.enqueue(&question, trace.as_ref(), ticket) {
                    self.reporting.on_enqueue_failed(&refusal);
                    self.pending.report_outcome(ticket, Err(Persisted::No));
                }
            }
        }
    }

    /// The time since the thread last looked up from what it does: a second at most, even while no
    /// broker answers. After far longer than that it is stuck inside a call that does not return.
    pub fn time_since_heartbeat(&self) -> Duration {
        self.reporting.heartbeat.time_since_beat(Instant::now())
    }

    /// Returns the present state and what is missing.
    pub fn status(&self) -> PublisherStatus {
        self.reporting.status.read()
    }

    /// The status and its changes.
    pub fn watch(&self) -> watch::Receiver<PublisherStatus> {
        self.reporting.status.watch()
    }

    /// Waits until what became of every question is reported, for at most `budget`. True when it is.
    pub async fn flush(&self, budget: Duration) -> bool {
        timeout(budget, self.pending.wait_until_all_reported())
            .await
            .is_ok()
    }

    /// Stops and returns once the thread has ended, within a second. What is still under way is
    /// reported as failed; whoever wants it confirmed calls [`Self::flush`] before. Questions
    /// published from now on fail at once. A second call returns at once.
    pub async fn stop(&self) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(RunningPublisher {
            thread,
            _stop,
            _tasks,
        }) = running
        else {
            return;
        };
        drop((_stop, _tasks));
        // A thread that panicked has said so, and a runtime that shuts down waits for nobody.
        drop(spawn_blocking(move || thread.join()).await);
    }

    fn enqueue(
        &self,
        question: &QuestionRecord,
        trace: Option<&TraceContext>,
        ticket: Ticket,
    ) -> Result<(), EnqueueError> {
        let schema = self.schema.get().ok_or(EnqueueError::NoSchema)?;
        let value = schema.encode(question);
        let record = BaseRecord::with_opaque_to(&self.reporting.topic, ticket)
            .key(question.session_id.as_str())
            .payload(&value)
            .headers(question_headers(question, trace, &self.reply_topic));
        let line = self.producer.get();
        let producer = line.as_ref().ok_or(EnqueueError::NoProducer)?;
        producer
            .send(record)
            .map_err(|(error, _)| EnqueueError::Kafka(error))
    }
}

/// The reason for which a question was not even handed to librdkafka.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnqueueError {
    #[error("there is no schema for questions yet")]
    NoSchema,
    #[error("there is no producer at the moment")]
    NoProducer,
    #[error("too many questions wait for their confirmation")]
    TooMany,
    #[error(transparent)]
    Kafka(KafkaError),
}

/// The record's headers; see the protocol's table of topics.
fn question_headers(
    question: &QuestionRecord,
    trace: Option<&TraceContext>,
    reply_topic: &str,
) -> OwnedHeaders {
    let header = |headers: OwnedHeaders, key: &str, value: &str| {
        headers.insert(Header {
            key,
            value: Some(value),
        })
    };
    let mut headers = OwnedHeaders::new_with_capacity(5);
    headers = header(headers, "question-id", &question.question_id.to_string());
    headers = header(headers, "session-id", question.session_id.as_str());
    headers = header(headers, "reply-topic", reply_topic);
    if let Some(trace) = trace {
        headers = header(headers, "traceparent", &trace.to_string());
        if let Some(state) = &trace.state {
            headers = header(headers, "tracestate", state);
        }
    }
    headers
}
