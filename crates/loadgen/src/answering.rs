//! The other side of Kafka: reads every question and writes its digest as the answer, on a thread of
//! its own. It knows the topics and nothing of the gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde::Serialize;

use crate::args::Args;
use crate::digest::answer_to;
use crate::topics::TopicSchemas;

/// The running thread.
#[derive(Debug)]
pub(crate) struct AnsweringSide {
    ending: Arc<AtomicBool>,
    thread: JoinHandle<Result<AnsweringFigures>>,
}

/// The counts of the thread.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct AnsweringFigures {
    /// Questions read.
    pub(crate) questions: u64,
    /// Records that are no question under the schema known at the start.
    pub(crate) unreadable: u64,
    /// Answers that Kafka did not take.
    pub(crate) unwritten: u64,
}

impl AnsweringSide {
    /// Starts at the end of the questions' topic as it is now.
    pub(crate) fn start(args: &Args, schemas: TopicSchemas) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &args.bootstrap);
        let consumer = consumer_at_end(&config, &args.questions_topic)?;
        let reports = DeliveryFailures::default();
        let producer = config
            .clone()
            .set("linger.ms", "0")
            .set("enable.idempotence", "true")
            .create_with_context(reports.clone())?;
        let ending = Arc::new(AtomicBool::new(false));
        let mut work = AnsweringLoop {
            producer,
            reports,
            schemas,
            topic: args.answers_topic.clone(),
            answer_bytes: args.answer_bytes as usize,
            done: AnsweringFigures::default(),
        };
        let until = Arc::clone(&ending);
        let thread = std::thread::Builder::new()
            .name("answering".to_owned())
            .spawn(move || work.run(&consumer, &until))?;
        Ok(Self { ending, thread })
    }

    /// Ends the thread and says what it did.
    pub(crate) fn stop(self) -> Result<AnsweringFigures> {
        self.ending.store(true, Ordering::Relaxed);
        let joined = self.thread.join();
        joined.unwrap_or_else(|_| bail!("the answering thread has panicked"))
    }
}

/// The state owned by the thread.
struct AnsweringLoop {
    producer: BaseProducer<DeliveryFailures>,
    reports: DeliveryFailures,
    schemas: TopicSchemas,
    topic: String,
    answer_bytes: usize,
    done: AnsweringFigures,
}

impl AnsweringLoop {
    fn run(&mut self, consumer: &BaseConsumer, ending: &AtomicBool) -> Result<AnsweringFigures> {
        while !ending.load(Ordering::Relaxed) {
            // After an error librdkafka connects again by itself.
            if let Some(Ok(message)) = consumer.poll(POLL) {
                match self.answer(&message) {
                    Some(answer) => self.write(&message, &answer)?,
                    None => self.done.unreadable += 1,
                }
            }
            self.producer.poll(Duration::ZERO);
        }
        self.producer.flush(FLUSH)?;
        self.done.unwritten = self.reports.0.load(Ordering::Relaxed);
        Ok(self.done)
    }

    /// The value that answers a question; `None` when it is not one.
    fn answer(&self, message: &BorrowedMessage<'_>) -> Option<Vec<u8>> {
        let [0, a, b, c, d, datum @ ..] = message.payload()? else {
            return None;
        };
        let known = &self.schemas.question;
        if u32::from_be_bytes([*a, *b, *c, *d]) != known.id {
            return None;
        }
        let reader = GenericDatumReader::builder(&known.schema).build().ok()?;
        let mut datum = datum;
        let Ok(Value::Record(fields)) = reader.read_value(&mut datum) else {
            return None;
        };
        let (session, question) = (text(&fields, "session_id")?, text(&fields, "pergunta")?);
        Some(self.encode(session, &answer_to(question, self.answer_bytes)))
    }

    fn encode(&self, session: &str, text: &str) -> Vec<u8> {
        let known = &self.schemas.answer;
        let record = Value::Record(vec![
            ("session_id".to_owned(), session.into()),
            ("resposta".to_owned(), text.into()),
        ]);
        let datum = GenericDatumWriter::builder(&known.schema)
            .build()
            .and_then(|writer| writer.write_value_to_vec(record))
            .expect("two strings fit the schema");
        let mut value = Vec::with_capacity(5 + datum.len());
        value.push(0);
        value.extend(known.id.to_be_bytes());
        value.extend(datum);
        value
    }

    fn write(&mut self, question: &BorrowedMessage<'_>, answer: &[u8]) -> Result<()> {
        self.done.questions += 1;
        let mut record = BaseRecord::to(&self.topic)
            .payload(answer)
            .key(question.key().unwrap_or_default());
        while let Err((problem, unsent)) = self.producer.send(record) {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            ensure!(problem == full, "writing an answer: {problem}");
            record = unsent;
            self.producer.poll(POLL);
        }
        Ok(())
    }
}

/// Counts answers that Kafka did not take.
#[derive(Debug, Clone, Default)]
struct DeliveryFailures(Arc<AtomicU64>);

impl ClientContext for DeliveryFailures {}

impl ProducerContext for DeliveryFailures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A consumer of all partitions, each at its end: resolved here, so that no question asked from now on
/// is missed.
fn consumer_at_end(config: &ClientConfig, topic: &str) -> Result<BaseConsumer> {
    let consumer: BaseConsumer = config
        .clone()
        .set("group.id", "loadgen")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "50")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), KAFKA_WITHIN)?;
    let found = metadata
        .topics()
        .first()
        .filter(|found| !found.partitions().is_empty());
    let found =
        found.with_context(|| format!("topic {topic} is not there; see --create-topics"))?;
    let mut assignment = TopicPartitionList::new();
    for partition in found.partitions() {
        let (_, end) = consumer.fetch_watermarks(topic, partition.id(), KAFKA_WITHIN)?;
        assignment.add_partition_offset(topic, partition.id(), Offset::Offset(end))?;
    }
    consumer.assign(&assignment)?;
    Ok(consumer)
}

fn text<'a>(fields: &'a [(String, Value)], name: &str) -> Option<&'a str> {
    let (_, value) = fields.iter().find(|(field, _)| field == name)?;
    let value = if let Value::Union(_, inner) = value {
        inner
    } else {
        value
    };
    if let Value::String(text) = value {
        Some(text)
    } else {
        None
    }
}

const POLL: Duration = Duration::from_millis(10);
const FLUSH: Duration = Duration::from_secs(10);
const KAFKA_WITHIN: Duration = Duration::from_secs(10);
