//! The consumer of answers as others see it: settings, start, a handle, stop.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use avro_codec::{AnswerDecoder, AnswerFields, SchemaSet};
use telemetry::Instruments;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use types::{Answer, AnswerFloor, QuestionId, RecordPosition, TraceContext};

use crate::assignment::{Assignment, Broadcast, Group, GroupStart};
use crate::dead_letters::{self, DeadLetters};
use crate::events::Events;
use crate::head_of_line::HeadOfLine;
use crate::parking::Limits;
use crate::pipeline::{Keeping, Pipeline};
use crate::recall::{LostCause, Reader, Recall, Recovered, Wanted};
use crate::recent::{Recent, RecentLimits};
use crate::registry::RegistryClient;
use crate::reporting::Reporting;
use crate::schema_fetcher::SchemaFetcher;
use crate::status::ConsumerStatus;
use crate::stop::StopAsked;
use crate::supervisor::Supervisor;
use crate::{KafkaSettings, RegistrySettings, StartError, client_config};

/// Takes answers. Implemented by whoever knows the sessions.
pub trait AnswerSink: Send + Sync + 'static {
    /// Takes one answer, on the consumer's thread, which reads no further meanwhile: it has to be
    /// quick and must not wait. In the order of their offsets within a partition, except that an
    /// answer whose schema has to be fetched comes after later ones under known schemas. `trace` is
    /// the context to go on under. A panic in here ends the consumer.
    fn deliver(&self, answer: Answer, trace: Option<TraceContext>);

    /// An answer was read that concerns nobody here, as [`Self::is_here`] and [`Self::awaits`] have just
    /// said: most answers, where there are several replicas. To be counted, if anything: whoever comes
    /// for it later finds it by [`ConsumerHandle::recover`].
    fn foreign(&self, _at: RecordPosition) {}

    /// Whether an answer under this wire id may matter here: its session is here, or is owed
    /// something. Asked once a record: it has to be quick. A sink that does not know says yes.
    fn is_here(&self, wire_id: &str) -> bool;

    /// Whether somebody waits for the answer to this question, which a record names in a header. A
    /// sink that does not know says yes.
    fn awaits(&self, question: QuestionId) -> bool;
}

/// Who reads which answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Every process reads every answer: no group is joined and no offset committed.
    Broadcast,
    /// The partitions are shared out in a consumer group, which keeps how far each was read. A record
    /// counts as read once it was handed over or skipped. Only right for one process at a time.
    Group {
        /// Where a group without committed offsets starts.
        start: GroupStart,
    },
}

/// What a [`KafkaResponseConsumer`] is built from.
#[derive(Debug, Clone)]
pub struct ConsumerSettings {
    /// How Kafka is reached.
    pub kafka: KafkaSettings,
    /// How the schema registry is reached.
    pub registry: RegistrySettings,
    /// The answers' topic.
    pub topic: String,
    /// Who reads which answers.
    pub delivery: Delivery,
    /// The group that is joined in [`Delivery::Group`]; otherwise it names the client to the brokers
    /// and no more.
    pub group_id: String,
    /// What the fields of an answer are called.
    pub fields: AnswerFields,
    /// The longest answer, in bytes; a longer one is skipped as undecodable.
    pub max_answer_bytes: usize,
    /// How long a schema that the registry says it has not got is asked for, since its followers may
    /// lag behind.
    pub schema_not_found_for: Duration,
    /// How long records under a schema that could not be had are skipped without asking again.
    pub schema_refused_for: Duration,
    /// How many records of one partition may wait for their schema before it is paused.
    pub max_parked_per_partition: usize,
    /// How many bytes of records may wait for their schema in all.
    pub max_parked_bytes: usize,
    /// The topic that undecodable records are copied to; `None` leaves them aside. Never created.
    pub dead_letter_topic: Option<String>,
    /// How much is remembered of what was read lately, for [`ConsumerHandle::recover`]. Nothing in
    /// [`Delivery::Group`].
    pub recent: RecentLimits,
}

impl ConsumerSettings {
    /// The topic `respostas` and the usual limits.
    pub fn new(kafka: KafkaSettings, registry: RegistrySettings) -> Self {
        Self {
            kafka,
            registry,
            topic: "respostas".to_owned(),
            delivery: Delivery::Broadcast,
            group_id: "rag-flink-ui-group".to_owned(),
            fields: AnswerFields::default(),
            max_answer_bytes: 1 << 20,
            schema_not_found_for: Duration::from_secs(30),
            schema_refused_for: Duration::from_secs(60),
            max_parked_per_partition: 1_000,
            max_parked_bytes: 16 << 20,
            dead_letter_topic: None,
            recent: RecentLimits::default(),
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
        let reporting = Reporting::new(&settings.topic, group, Arc::clone(&events))?;
        let reporting = Arc::new(reporting);
        let registry = RegistryClient::new(&settings.registry)?;
        let not_found_for = settings.schema_not_found_for;
        let fetching = || SchemaFetcher::new(registry.clone(), Arc::clone(&events), not_found_for);
        let fetcher = fetching()?;
        let dead_letters = settings.dead_letter_topic.as_deref();
        let dead_letters = dead_letters
            .map(|topic| DeadLetters::start(kafka, topic, &reporting))
            .transpose()?;
        let (dead_letters, writing) = dead_letters.unzip();
        let limits = Limits {
            per_partition: settings.max_parked_per_partition,
            bytes: settings.max_parked_bytes,
        };
        let joins = settings.delivery != Delivery::Broadcast;
        let config = client_config::consumer(kafka, group, joins)?;
        let (assignment, keeping) = reading_mode(&settings);
        let decoder = AnswerDecoder::new(settings.fields, settings.max_answer_bytes);
        let recent = (!joins).then(|| Arc::new(Recent::new(settings.recent, Instant::now())));
        let recall = recent.clone().map(|recent| {
            let reader = Reader {
                decoder: decoder.clone(),
                schemas: SchemaSet::default(),
                fetcher: fetching()?,
            };
            let (window, shared) = (settings.recent.window, Arc::clone(&reporting));
            Recall::start(kafka, group, shared, recent, window, reader)
        });
        let recall = recall.transpose()?;
        let pipeline = Pipeline::new(
            Arc::clone(&reporting.topic),
            self.sink,
            Arc::clone(&events),
            decoder,
            limits,
            settings.schema_refused_for,
            keeping,
        )
        .with_dead_letters(dead_letters)
        .with_recent(recent);
        let shared = Arc::clone(&reporting);
        let supervisor = Supervisor::new(kafka, config, shared, assignment, pipeline, fetcher);
        let (stop, thread) = supervisor.spawn()?;
        Ok(ConsumerHandle {
            reporting,
            running: Mutex::new(Some(Running {
                stop,
                thread,
                writing,
                recall,
            })),
        })
    }
}

/// Which partitions are read, and what is kept of their records beside themselves.
fn reading_mode(settings: &ConsumerSettings) -> (Assignment, Keeping) {
    match settings.delivery {
        Delivery::Broadcast => {
            let all = Assignment::Broadcast(Broadcast::default());
            (all, Keeping::Nothing)
        }
        Delivery::Group { start } => {
            let keeping = Keeping::Line(HeadOfLine::default());
            (Assignment::Group(Group::new(start)), keeping)
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
    reporting: Arc<Reporting>,
    running: Mutex<Option<Running>>,
}

/// What ends when it is dropped.
#[derive(Debug)]
struct Running {
    stop: StopAsked,
    thread: JoinHandle<()>,
    writing: Option<dead_letters::Running>,
    recall: Option<Recall>,
}

impl ConsumerHandle {
    /// Looks for every record of a wire id that was read before now, by this process or, lately, by
    /// others, and reports once what was found, from any thread, also from within this call. What is
    /// read from now on is handed to the sink as ever: some of it may be reported as well. Never
    /// blocks; how many may wait is bounded, and so is how long, by some ten seconds.
    pub fn recover(&self, wanted: Wanted, report: impl FnOnce(Recovered) + Send + 'static) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = match &*running {
            Some(Running {
                recall: Some(recall),
                ..
            }) => return recall.recover(wanted, Box::new(report)),
            Some(Running { recall: None, .. }) => LostCause::Group,
            None => LostCause::Stopped,
        };
        drop(running);
        report(Recovered::Lost(lost));
    }

    /// The partitions' high watermarks as known now, to be taken before a question is produced.
    /// Cheap, from any thread; asks no broker.
    pub fn floor(&self) -> AnswerFloor {
        self.reporting.floor()
    }

    /// The time since the thread last looked up from what it does: some seconds at most, even while no
    /// broker answers. After longer than that it is stuck inside a call that does not return.
    pub fn silent_for(&self) -> Duration {
        self.reporting.pulse.since(Instant::now())
    }

    /// What works and what is missing.
    pub fn status(&self) -> ConsumerStatus {
        self.reporting.board.read()
    }

    /// The status and all its changes. `running` turning false without a stop means that the thread
    /// has panicked and no answer is read any more.
    pub fn watch(&self) -> watch::Receiver<ConsumerStatus> {
        self.reporting.board.watch()
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
        let Some(Running {
            stop,
            thread,
            writing,
            recall,
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
