//! The demo's answering side: reads questions from Kafka as any RAG system would, answers each with
//! the passages of the project's documentation it is about, and writes the answers back.
//!
//! Knows nothing of the gateway but the two topics and their schemas. A record it cannot read is
//! skipped with a log line; at most 64 questions are thought about at a time.

mod documents;
mod record;
mod reply;

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers as _, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use tokio::task::{JoinError, JoinHandle, JoinSet, spawn_blocking};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub use record::SkippedQuestion;

use crate::events;
use crate::registry::{DemoRegistry, DemoRegistryError, RegistryContents};
use crate::retrieval::PassageIndex;
use record::{AnswerWriter, DemoQuestion};

/// A running answerer. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Answerer {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Answerer {
    /// Registers the answers' schema and starts answering every question of the topic, those written
    /// before this included. Runs on the caller's tokio runtime.
    ///
    /// # Errors
    /// When Kafka cannot be reached, the topic is not there, or the registry refuses the schema.
    pub async fn start(
        settings: AnswererSettings,
        registry: &DemoRegistry,
    ) -> Result<Self, AnswererError> {
        let subject = format!("{}-value", settings.answers_topic);
        let schema_id = registry
            .register(&subject, record::ANSWER_SCHEMA)
            .map_err(AnswererError::Schema)?;
        let contents = registry.contents();
        let (consumer, desk) = spawn_blocking(move || {
            let (consumer, producer) = connect_clients(&settings)?;
            let desk = DemoAnswerer {
                documentation: documents::build_index(),
                answers: AnswerWriter::new(schema_id),
                contents,
                producer,
                settings,
            };
            Ok::<_, AnswererError>((consumer, desk))
        })
        .await
        .map_err(AnswererError::Died)??;
        events::answerer_started(&desk.settings.questions_topic, desk.documentation.len());
        let stop = CancellationToken::new();
        let task = tokio::spawn(run_answerer(consumer, Arc::new(desk), stop.clone()));
        Ok(Self { stop, task })
    }

    /// Stops answering, gives up what it is thinking about, and returns once its Kafka clients are
    /// closed.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if (&mut self.task).await.is_ok() {
            events::answerer_stopped();
        }
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The settings of an answerer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswererSettings {
    /// Kafka's `bootstrap.servers`.
    pub bootstrap_servers: String,
    /// The topic it reads.
    pub questions_topic: String,
    /// The topic it writes.
    pub answers_topic: String,
    /// The wait before each answer, so that one sees how a waiting question looks.
    pub thinking_time: Duration,
}

/// The reason for which the answerer did not start.
#[derive(Debug, thiserror::Error)]
pub enum AnswererError {
    /// Starting was interrupted: the runtime is shutting down.
    #[error("the embedded answerer was interrupted at its start")]
    Died(#[source] JoinError),
    /// Kafka refuses, or cannot be reached.
    #[error("the embedded answerer cannot use Kafka")]
    Kafka(#[from] KafkaError),
    /// The registry refuses the answers' schema.
    #[error("the embedded answerer cannot register its schema")]
    Schema(#[source] DemoRegistryError),
    /// The topic of the questions is not there.
    #[error("the embedded answerer finds no topic {topic:?}")]
    Topic {
        /// The topic.
        topic: String,
    },
}

async fn run_answerer(consumer: StreamConsumer, desk: Arc<DemoAnswerer>, stop: CancellationToken) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = under_way.join_next() => {}
            received = consumer.recv(), if under_way.len() < MAX_AT_ONCE => match received {
                Ok(record) => {
                    under_way.spawn(Arc::clone(&desk).answer_record(record.detach()));
                }
                Err(error) => events::questions_unreadable(&error),
            },
        }
    }
    under_way.shutdown().await;
    // Closing the clients blocks; a runtime that is shutting down closes them itself.
    drop(spawn_blocking(move || drop((consumer, desk))).await);
}

/// Answers questions from the documentation.
struct DemoAnswerer {
    documentation: PassageIndex,
    answers: AnswerWriter,
    contents: RegistryContents,
    producer: FutureProducer,
    settings: AnswererSettings,
}

impl DemoAnswerer {
    async fn answer_record(self: Arc<Self>, record: OwnedMessage) {
        match record::read_question(record.payload(), |id| self.contents.schema(id)) {
            Ok(question) => self.answer(question, echoed_headers(&record)).await,
            Err(skipped) => {
                events::question_skipped(&skipped, record.partition(), record.offset());
            }
        }
    }

    async fn answer(&self, question: DemoQuestion, headers: OwnedHeaders) {
        sleep(self.settings.thinking_time).await;
        let text = reply::compose(&question.text, &self.documentation);
        let value = self.answers.write(&question.session_id, &text);
        let record = FutureRecord::to(&self.settings.answers_topic)
            .key(&question.session_id)
            .payload(&value)
            .headers(headers);
        if let Err((error, _record)) = self.producer.send(record, KAFKA_TIMEOUT).await {
            events::answer_lost(&error);
        }
    }
}

/// The headers an answering side hands back as they came.
fn echoed_headers(question: &OwnedMessage) -> OwnedHeaders {
    let headers = question.headers().into_iter().flat_map(|all| all.iter());
    headers
        .filter(|header| ECHOED_HEADERS.contains(&header.key))
        .fold(OwnedHeaders::new(), OwnedHeaders::insert)
}

/// Opens the clients, positioned at the beginning of every partition. Blocks.
fn connect_clients(
    settings: &AnswererSettings,
) -> Result<(StreamConsumer, FutureProducer), AnswererError> {
    let topic = &settings.questions_topic;
    let consumer: StreamConsumer = client_config(settings)
        .set("group.id", "embedded-answerer")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "5")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), KAFKA_TIMEOUT)?;
    let mut partitions = TopicPartitionList::new();
    for partition in metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions())
    {
        partitions.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    if partitions.count() == 0 {
        let topic = topic.clone();
        return Err(AnswererError::Topic { topic });
    }
    // Assigned, not subscribed: the mock cluster makes the first member of a group wait for 3 s.
    consumer.assign(&partitions)?;
    let timeout = KAFKA_TIMEOUT.as_millis().to_string();
    let producer = client_config(settings)
        .set("message.timeout.ms", timeout)
        .set("linger.ms", "0")
        .create()?;
    Ok((consumer, producer))
}

fn client_config(settings: &AnswererSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.bootstrap_servers)
        .set("client.id", "embedded-answerer");
    config
}

/// The most questions that are answered at a time; the others wait in Kafka.
const MAX_AT_ONCE: usize = 64;
const KAFKA_TIMEOUT: Duration = Duration::from_secs(10);
const ECHOED_HEADERS: &[&str] = &["question-id", "session-id", "traceparent", "tracestate"];
