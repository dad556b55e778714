//! The dead letters' topic and the answers' topic, as a replay reads, writes and commits them.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::{ClientConfig, ClientContext, Offset};
use types::RecordPosition;

use super::replayed_offsets::ReplayedOffsets;
use super::topic_scan::{PartitionRange, TopicScan};
use super::{IDLE_TIMEOUT, REPLAY_GROUP, ReplayError, ReplayProgress};
use crate::assignment::StartPosition;
use crate::client_context::SilentContext;
use crate::status::MissingPrerequisite;
use crate::topic_offsets::{self, READ_RIGHTS, TopicUnavailable, WRITE_RIGHTS};
use crate::unreadable::{self, UnreadableBatchFinder, is_unreadable_batch};
use crate::{KafkaSettings, StartError, client_config, librdkafka};

/// The clients of a run.
pub(super) struct ReplayTopics {
    dead_letters: String,
    answers: String,
    /// The configuration that the consumer was created from.
    config: ClientConfig,
    consumer: BaseConsumer<SilentContext>,
    producer: BaseProducer<DeliveryReports>,
    /// The group's commits when this run last saw or wrote them.
    commits: Mutex<Commits>,
}

/// By partition.
type Commits = BTreeMap<i32, (Option<i64>, String)>;

/// The producer's context: takes the delivery reports.
#[derive(Default)]
struct DeliveryReports(Mutex<CollectedReports>);

#[derive(Default)]
struct CollectedReports {
    confirmed: Vec<RecordPosition>,
    failure: Option<String>,
}

/// Takes a record and how far the scan is.
pub(super) type OnRecord<'a> =
    dyn FnMut(&ReplayTopics, &BorrowedMessage<'_>, ReplayProgress) -> Result<(), ReplayError> + 'a;

impl ReplayTopics {
    pub(super) fn new(
        kafka: &KafkaSettings,
        dead_letters: String,
        answers: String,
    ) -> Result<Self, StartError> {
        let config = client_config::range_consumer_config(kafka, REPLAY_GROUP)?;
        let producer = client_config::dead_letter_producer_config(kafka)?;
        let reports = DeliveryReports::default();
        Ok(Self {
            dead_letters,
            answers,
            consumer: config
                .create_with_context(SilentContext)
                .map_err(StartError::client)?,
            producer: producer
                .create_with_context(reports)
                .map_err(StartError::client)?,
            config,
            commits: Mutex::default(),
        })
    }

    /// Fetches the offsets that the dead letters' topic holds now.
    pub(super) fn fetch_ranges(&self) -> Result<Vec<PartitionRange>, ReplayError> {
        let topic = &self.dead_letters;
        let client = self.consumer.client();
        let partitions = topic_offsets::fetch_partition_count(client, topic, READ_RIGHTS)
            .map_err(replay_error)?;
        let range = |partition| {
            let marks = client.fetch_watermarks(topic, partition, topic_offsets::BROKER_TIMEOUT);
            let (low, high) = marks.map_err(|error| self.unavailable_by_error(&error))?;
            Ok(PartitionRange {
                partition,
                low,
                high,
            })
        };
        let numbers = 0..i32::try_from(partitions).unwrap_or(i32::MAX);
        numbers.map(range).collect()
    }

    /// Checks that the answers' topic exists.
    pub(super) fn check_answers(&self) -> Result<(), ReplayError> {
        let client = self.producer.client();
        topic_offsets::fetch_partition_count(client, &self.answers, WRITE_RIGHTS)
            .map(drop)
            .map_err(replay_error)
    }

    /// Fetches which offsets of each partition are replayed already.
    pub(super) fn fetch_replayed(
        &self,
        ranges: &[PartitionRange],
    ) -> Result<BTreeMap<i32, ReplayedOffsets>, ReplayError> {
        let partitions: Vec<i32> = ranges.iter().map(|range| range.partition).collect();
        let commits = self.fetch_commits(&partitions)?;
        let done = |range: &PartitionRange| {
            let (offset, metadata) = &commits[&range.partition];
            let done = ReplayedOffsets::from_commit(*offset, metadata, range.low, range.high);
            (range.partition, done)
        };
        let done = ranges.iter().map(done).collect();
        *self.commits() = commits;
        Ok(done)
    }

    /// Fails when somebody else has committed since this run did, and when there is no room for
    /// another commit.
    pub(super) fn check_alone(&self) -> Result<(), ReplayError> {
        let partitions: Vec<i32> = self.commits().keys().copied().collect();
        let now = self.fetch_commits(&partitions)?;
        if now != *self.commits() {
            return Err(ReplayError::Overtaken);
        }
        if now
            .values()
            .any(|(_, metadata)| metadata.len() > MAX_COMMIT_METADATA)
        {
            return Err(ReplayError::TooScattered);
        }
        Ok(())
    }

    /// Hands one letter to the producer, as it was.
    pub(super) fn send(&self, record: &BorrowedMessage<'_>) -> Result<(), ReplayError> {
        let (partition, offset) = (record.partition(), record.offset());
        let from = format!("{}/{partition}/{offset}", self.dead_letters);
        let at = Box::new(RecordPosition { partition, offset });
        let mut out = BaseRecord::<[u8], [u8], _>::with_opaque_to(&self.answers, at)
            .headers(replayed_headers(record, &from));
        out.key = record.key();
        out.payload = record.payload();
        let sent = self.producer.send(out);
        sent.map_err(|(error, _)| ReplayError::NotWritten(error.to_string()))
    }

    /// Waits until everything sent is confirmed or has failed: what was confirmed, and a failure.
    pub(super) fn wait_for_confirmations(&self) -> (Vec<RecordPosition>, Option<String>) {
        // The deadline of each message is shorter, so this ends with its report.
        let flushed = self.producer.flush(IDLE_TIMEOUT);
        let mut reports = lock(&self.producer.context().0);
        let CollectedReports { confirmed, failure } = std::mem::take(&mut *reports);
        let unflushed = flushed.err().map(|error| error.to_string());
        (confirmed, failure.or(unflushed))
    }

    /// Commits what has changed.
    pub(super) fn commit(&self, done: &BTreeMap<i32, ReplayedOffsets>) -> Result<(), ReplayError> {
        let problem = |error: KafkaError| ReplayError::NotCommitted(error.to_string());
        let mut commits = self.commits();
        let mut list = TopicPartitionList::new();
        let mut written = Vec::new();
        for (partition, done) in done {
            let (offset, metadata) = done.to_commit();
            let commit = (Some(offset), metadata);
            if commits.get(partition) == Some(&commit) || is_untouched(&commits, *partition, done) {
                continue;
            }
            let mut element = list.add_partition(&self.dead_letters, *partition);
            element
                .set_offset(Offset::Offset(offset))
                .map_err(problem)?;
            if !commit.1.is_empty() {
                element.set_metadata(&commit.1);
            }
            written.push((*partition, commit));
        }
        if written.is_empty() {
            return Ok(());
        }
        self.consumer
            .commit(&list, CommitMode::Sync)
            .map_err(problem)?;
        commits.extend(written);
        Ok(())
    }

    /// Reads those ranges, each record once. `unreadable` counts the batches that cannot be read.
    pub(super) fn scan(
        &self,
        ranges: &[PartitionRange],
        unreadable: &mut u64,
        on_record: &mut OnRecord<'_>,
    ) -> Result<(), ReplayError> {
        let mut scan = TopicScan::new(ranges);
        self.assign(&scan)?;
        let mut last = Instant::now();
        while !scan.is_done() {
            if last.elapsed() > IDLE_TIMEOUT {
                return Err(ReplayError::Down("no record comes".to_owned()));
            }
            match self.consumer.poll(TICK) {
                Some(Ok(record)) if scan.on_record(record.partition(), record.offset()) => {
                    on_record(self, &record, scan.progress())?;
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => scan.on_end(partition),
                Some(Err(error)) if error.rdkafka_error_code().is_some_and(is_unreadable_batch) => {
                    if !self.skip_unreadable_batches(&mut scan, unreadable)? {
                        continue;
                    }
                }
                Some(Err(error)) => {
                    self.on_error(&error)?;
                    continue;
                }
                Some(Ok(_)) => {}
                None => continue,
            }
            last = Instant::now();
        }
        self.consumer
            .unassign()
            .map_err(|error| self.unavailable_by_error(&error))
    }

    /// Reads on from where the scan stands.
    fn assign(&self, scan: &TopicScan) -> Result<(), ReplayError> {
        let starts = scan.unread_ranges().map(|range| {
            let start = StartPosition::At(range.low);
            (range.partition, start)
        });
        let list = topic_offsets::position_list(&self.dead_letters, starts);
        list.and_then(|list| self.consumer.assign(&list))
            .map_err(|error| self.unavailable_by_error(&error))
    }

    /// Goes on behind records that cannot be read; whether there were any. `unreadable` counts the batches
    /// they stand in.
    fn skip_unreadable_batches(
        &self,
        scan: &mut TopicScan,
        unreadable: &mut u64,
    ) -> Result<bool, ReplayError> {
        let open = scan.unread_ranges();
        let starts: Vec<_> = open
            .map(|range| (range.partition, StartPosition::At(range.low)))
            .collect();
        let patience = unreadable::SearchDeadline {
            until: Instant::now() + IDLE_TIMEOUT,
            stop: None,
        };
        let mut finder =
            UnreadableBatchFinder::new(&self.config, self.dead_letters.as_str().into());
        let found = finder.find(&starts, &patience);
        let found = found.iter().filter(|batch| scan.skip_batch(batch)).count();
        *unreadable += u64::try_from(found).unwrap_or(u64::MAX);
        if found > 0 {
            self.assign(scan)?;
        }
        Ok(found > 0)
    }

    /// Ends the run at errors that waiting does not mend; librdkafka gets over the rest.
    fn on_error(&self, error: &KafkaError) -> Result<(), ReplayError> {
        let problem = self.unavailable_by_error(error);
        if matches!(problem, ReplayError::Down(_)) {
            return Ok(());
        }
        Err(problem)
    }

    fn fetch_commits(&self, partitions: &[i32]) -> Result<Commits, ReplayError> {
        let list = topic_offsets::partition_list(&self.dead_letters, partitions);
        let committed = self.consumer.committed_offsets(list, IDLE_TIMEOUT);
        let committed = committed.map_err(|error| self.unavailable_by_error(&error))?;
        let mut commits = Commits::new();
        for element in committed.elements() {
            let failed = element.error();
            failed.map_err(|error| self.unavailable_by_error(&error))?;
            let offset = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                Offset::Beginning
                | Offset::End
                | Offset::Stored
                | Offset::Invalid
                | Offset::OffsetTail(_) => None,
            };
            commits.insert(element.partition(), (offset, element.metadata().to_owned()));
        }
        Ok(commits)
    }

    fn unavailable_by_error(&self, error: &KafkaError) -> ReplayError {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed) {
            return ReplayError::Missing(MissingPrerequisite::GroupRights {
                group: REPLAY_GROUP.to_owned(),
                rights: "Read",
            });
        }
        replay_error(topic_offsets::unavailable_by_error(
            error,
            &self.dead_letters,
            READ_RIGHTS,
        ))
    }

    fn commits(&self) -> MutexGuard<'_, Commits> {
        lock(&self.commits)
    }
}

impl ClientContext for DeliveryReports {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
    fn stats(&self, _: rdkafka::statistics::Statistics) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for DeliveryReports {
    type DeliveryOpaque = Box<RecordPosition>;

    fn delivery(&self, result: &DeliveryResult<'_>, at: Box<RecordPosition>) {
        let mut reports = lock(&self.0);
        match result {
            Ok(_) => reports.confirmed.push(*at),
            Err((error, _)) => reports.failure = Some(error.to_string()),
        }
    }
}

/// The headers the record had in the answers' topic, and where it comes from now.
fn replayed_headers(record: &BorrowedMessage<'_>, from: &str) -> OwnedHeaders {
    let copied = record.headers().map(|headers| headers.detach());
    let mut headers = copied.unwrap_or_default();
    for own in OWN_HEADERS {
        librdkafka::remove_header(&mut headers, own);
    }
    headers.insert(Header {
        key: "replayed-from",
        value: Some(from),
    })
}

fn replay_error(unready: TopicUnavailable) -> ReplayError {
    match unready {
        TopicUnavailable::Missing(missing) => ReplayError::Missing(missing),
        TopicUnavailable::Down(problem) => ReplayError::Down(problem),
    }
}

/// True when nothing was ever committed of it and nothing is to be.
fn is_untouched(commits: &Commits, partition: i32, done: &ReplayedOffsets) -> bool {
    let (offset, metadata) = done.to_commit();
    let never = commits
        .get(&partition)
        .is_none_or(|(before, _)| before.is_none());
    never && metadata.is_empty() && offset == 0
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The headers of the dead letter alone.
const OWN_HEADERS: [&CStr; 4] = [c"dlq-reason", c"dlq-topic", c"dlq-partition", c"dlq-offset"];
/// The metadata that leaves no room for another batch; brokers take 4,096 bytes.
const MAX_COMMIT_METADATA: usize = 2_500;
const TICK: Duration = Duration::from_millis(100);
