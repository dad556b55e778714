//! The consumer of answers as others see it: settings, start, a handle, stop.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use avro_codec::{AnswerDecoder, AnswerFieldNames, SchemaSet};
use telemetry::Instruments;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use types::{Answer, AnswerLookup, MinOffsets, QuestionId, RecordPosition, TraceContext};

use crate::answer_index::{AnswerIndex, AnswerIndexLimits};
use crate::answer_pipeline::AnswerPipeline;
use crate::assignment::{Assignment, BroadcastAssignment, GroupAssignment, GroupStart};
use crate::consumer_reporting::ConsumerReporting;
use crate::consumer_supervisor::ConsumerSupervisor;
use crate::dead_letter_queue::{self, DeadLetterQueue};
use crate::events::Events;
use crate::offset_tracker::OffsetTracker;
use crate::parked_records::ParkingLimits;
use crate::recovery::{
    AnswerReader, LookupRequest, RecoveryHandle, RecoveryOutcome, UnavailableReason,
};
use crate::registry::RegistryClient;
use crate::schema_fetcher::SchemaFetcher;
use crate::status::ConsumerStatus;
use crate::stop_signal::StopHandle;
use crate::{KafkaSettings, RegistrySettings, StartError, client_config};

/// Takes answers. Implemented by whoever knows the sessions.
pub trait AnswerSink: Send + Sync + 'static {
    /// Takes one answer, on the consumer's thread, which reads no further meanwhile: it has to be
    /// quick and must not wait. In the order of their offsets within a partition, except that an
    /// answer whose schema has to be fetched comes after later ones under known schemas. `trace` is
    /// the context to go on under. A panic in here ends the consumer.
    fn deliver(&self, answer: Answer, trace: Option<TraceContext>);

    /// Takes note of an answer for no session or question here, by [`Self::is_session_known`] and
    /// [`Self::is_question_awaited`]: most answers, where there are several replicas. To be counted, if
    /// anything: a session that comes for it later finds it by [`ConsumerHandle::begin_recovery`].
    fn on_foreign_answer(&self, _at: RecordPosition) {}

    /// Tells whether an answer under this wire id may matter here: its session is connected, or has pending
    /// answers. Asked once a record: it has to be quick. A sink that does not know says yes.
    fn is_session_known(&self, wire_id: &str) -> bool;

    /// Tells whether somebody waits for the answer to this question, which a record names in a header. A
    /// sink that does not know says yes.
    fn is_question_awaited(&self, question: QuestionId) -> bool;
}

/// The sharing of answers among replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerDelivery {
    /// Every process reads every answer: no group is joined and no offset committed.
    Broadcast,
    /// The partitions are shared out in a consumer group, which keeps how far each was read. A record
    /// counts as read once it was handed over or skipped. Only right for one process at a time.
    Group {
        /// The start of a group without committed offsets.
        start: GroupStart,
    },
}

/// The settings of a [`KafkaResponseConsumer`].
#[derive(Debug, Clone)]
pub struct ConsumerSettings {
    /// The connection to Kafka.
    pub kafka: KafkaSettings,
    /// The connection to the schema registry.
    pub registry: RegistrySettings,
    /// The answers' topic.
    pub topic: String,
    /// The sharing of answers among replicas.
    pub delivery: AnswerDelivery,
    /// The group that is joined in [`AnswerDelivery::Group`]; otherwise it names the client to the brokers
    /// and no more.
    pub group_id: String,
    /// The names of an answer's fields.
    pub fields: AnswerFieldNames,
    /// The longest answer, in bytes; a longer one is skipped as undecodable.
    pub max_answer_bytes: usize,
    /// The time for which a schema that the registry says it has not got is asked for, since its followers may
    /// lag behind.
    pub schema_not_found_timeout: Duration,
    /// The time for which records under a schema that could not be had are skipped without asking again.
    pub schema_refusal_ttl: Duration,
    /// The most records of one partition that may wait for their schema before it is paused.
    pub max_parked_per_partition: usize,
    /// The most bytes of records that may wait for their schema in all.
    pub max_parked_bytes: usize,
    /// The topic that undecodable records are copied to; `None` leaves them aside. Never created.
    pub dead_letter_topic: Option<String>,
    /// The bounds of the index of recent records, for [`ConsumerHandle::begin_recovery`]. Not used in
    /// [`AnswerDelivery::Group`].
    pub answer_index: AnswerIndexLimits,
}

impl ConsumerSettings {
    /// The topic `respostas` and the usual limits.
    pub fn new(kafka: KafkaSettings, registry: RegistrySettings) -> Self {
        Self {
            kafka,
            registry,
            topic: "respostas".to_owned(),
            delivery: AnswerDelivery::Broadcast,
            group_id: "rag-flink-ui-group".to_owned(),
            fields: AnswerFieldNames::default(),
            max_answer_bytes: 1 << 20,
            schema_not_found_timeout: Duration::from_secs(30),
            schema_refusal_ttl: Duration::from_secs(60),
            max_parked_per_partition: 1_000,
            max_parked_bytes: 16 << 20,
            dead_letter_topic: None,
            answer_index: AnswerIndexLimits::default(),
        }
    }
}

/// Reads the answers' topic, every partition of it, and hands each answer to an [`AnswerSink`].
pub struct KafkaResponseConsumer {
    settings: ConsumerSettings,
    sink: Arc<dyn AnswerSink>,
    instruments: Arc<Instruments>,
}

impl KafkaResponseConsumer {
    /// A consumer that is not started yet.
    pub fn new(
        settings: ConsumerSettings,
        sink: Arc<dyn AnswerSink>,
        instruments: Arc<Instruments>,
    ) -> Self {
        Self {
            settings,
            sink,
            instruments,
        }
    }

    /// Starts the consumer's thread and returns at once. Whether answers are read yet, and what is
    /// missing if not, is in the handle's status: Kafka, the topic and the registry may be away.
    ///
    /// # Errors
    ///
    /// [`StartError`] for settings that cannot work, outside a tokio runtime (which does the schema
    /// look-ups), and when the system gives no thread.
    pub fn start(self) -> Result<ConsumerHandle, StartError> {
        let settings = self.settings;
        let events = Arc::new(Events::new(self.instruments));
        let (kafka, group) = (&settings.kafka, &settings.group_id);
        let reporting = ConsumerReporting::new(&settings.topic, group, Arc::clone(&events))?;
        let reporting = Arc::new(reporting);
        let registry = RegistryClient::new(&settings.registry)?;
        let not_found_for = settings.schema_not_found_timeout;
        let fetching = || SchemaFetcher::new(registry.clone(), Arc::clone(&events), not_found_for);
        let fetcher = fetching()?;
        let dead_letters = settings.dead_letter_topic.as_deref();
        let dead_letters = dead_letters
            .map(|topic| DeadLetterQueue::start(kafka, topic, &reporting))
            .transpose()?;
        let (dead_letters, writing) = dead_letters.unzip();
        let limits = ParkingLimits {
            per_partition: settings.max_parked_per_partition,
            bytes: settings.max_parked_bytes,
        };
        let joins = settings.delivery != AnswerDelivery::Broadcast;
        let config = client_config::consumer_config(kafka, group, joins)?;
        let (assignment, offsets) = assignment_and_offsets(&settings);
        let decoder = AnswerDecoder::new(settings.fields, settings.max_answer_bytes);
        let recent =
            (!joins).then(|| Arc::new(AnswerIndex::new(settings.answer_index, Instant::now())));
        let recall = recent.clone().map(|recent| {
            let reader = AnswerReader {
                decoder: decoder.clone(),
                schemas: SchemaSet::default(),
                fetcher: fetching()?,
            };
            let (window, shared) = (settings.answer_index.window, Arc::clone(&reporting));
            RecoveryHandle::start(kafka, group, shared, recent, window, reader)
        });
        let recall = recall.transpose()?;
        let pipeline = AnswerPipeline::new(
            Arc::clone(&reporting.topic),
            self.sink,
            Arc::clone(&events),
            decoder,
            limits,
            settings.schema_refusal_ttl,
            offsets,
        )
        .with_dead_letters(dead_letters)
        .with_answer_index(recent);
        let shared = Arc::clone(&reporting);
        let supervisor =
            ConsumerSupervisor::new(kafka, config, shared, assignment, pipeline, fetcher);
        let (stop, thread) = supervisor.spawn()?;
        Ok(ConsumerHandle {
            reporting,
            running: Mutex::new(Some(RunningConsumer {
                stop,
                thread,
                dead_letter_writer: writing,
                recovery: recall,
            })),
        })
    }
}

/// Returns the assignment for the settings' delivery mode, and the tracker of offsets where they are committed.
fn assignment_and_offsets(settings: &ConsumerSettings) -> (Assignment, Option<OffsetTracker>) {
    match settings.delivery {
        AnswerDelivery::Broadcast => {
            let all = Assignment::Broadcast(BroadcastAssignment::default());
            (all, None)
        }
        AnswerDelivery::Group { start } => {
            let assigned = Assignment::Group(GroupAssignment::new(start));
            (assigned, Some(OffsetTracker::default()))
        }
    }
}

impl fmt::Debug for KafkaResponseConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaResponseConsumer")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A started consumer. Dropping it stops the consumer too, without waiting for its end.
#[derive(Debug)]
pub struct ConsumerHandle {
    reporting: Arc<ConsumerReporting>,
    running: Mutex<Option<RunningConsumer>>,
}

/// The running parts, which end when this is dropped.
#[derive(Debug)]
struct RunningConsumer {
    stop: StopHandle,
    thread: JoinHandle<()>,
    dead_letter_writer: Option<dead_letter_queue::DeadLetterThread>,
    recovery: Option<RecoveryHandle>,
}

impl ConsumerHandle {
    /// Looks for every record of a wire id that was read before now, by this process or, lately, by
    /// others, and reports once what was found, from any thread, also from within this call. What is
    /// read from now on is handed to the sink as ever: some of it may be reported as well. Never
    /// blocks; how many may wait is bounded, and so is how long, by some ten seconds.
    pub fn begin_recovery(
        &self,
        lookup: AnswerLookup,
        report: impl FnOnce(RecoveryOutcome) + Send + 'static,
    ) {
        let request = LookupRequest::new(lookup, report, &self.reporting.events);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = match &*running {
            Some(RunningConsumer {
                recovery: Some(recovery),
                ..
            }) => return recovery.begin(request),
            Some(RunningConsumer { recovery: None, .. }) => UnavailableReason::Group,
            None => UnavailableReason::Stopped,
        };
        drop(running);
        request.report(RecoveryOutcome::Unavailable(reason));
    }

    /// The partitions' high watermarks as known now, to be taken before a question is produced.
    /// Cheap, from any thread; asks no broker.
    pub fn min_offsets(&self) -> MinOffsets {
        self.reporting.min_offsets()
    }

    /// The time since the thread last looked up from what it does: some seconds at most, even while no
    /// broker answers. After longer than that it is stuck inside a call that does not return.
    pub fn time_since_heartbeat(&self) -> Duration {
        self.reporting.heartbeat.time_since_beat(Instant::now())
    }

    /// Returns the present state and what is missing.
    pub fn status(&self) -> ConsumerStatus {
        self.reporting.status.read()
    }

    /// The status and all its changes. `running` turning false without a stop means that the thread
    /// has panicked and no answer is read any more.
    pub fn watch(&self) -> watch::Receiver<ConsumerStatus> {
        self.reporting.status.watch()
    }

    /// Stops the consumer and returns once its thread has ended and its look-ups are cancelled:
    /// within some 100 ms, or a few seconds while a broker does not answer. Afterwards the sink is
    /// not called any more. A second call returns at once.
    pub async fn stop(&self) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(RunningConsumer {
            stop,
            thread,
            dead_letter_writer: writing,
            recovery: recall,
        }) = running
        else {
            return;
        };
        drop(stop);
        let mut status = self.watch();
        // Fails only without a sender, and that is in `self`.
        drop(status.wait_for(|status| !status.running).await);
        // All that is left of the thread is its return. A panic in it has been reported.
        drop(thread.join());
        if let Some(recall) = recall {
            drop(spawn_blocking(move || recall.stop()).await);
        }
        if let Some(writing) = writing {
            // An error is a runtime that shuts down, which waits for nobody.
            drop(spawn_blocking(move || writing.stop()).await);
        }
    }
}
