//! Everything this crate logs or counts, one function per thing that happens.
//!
//! What can repeat writes one line per cause and interval; the lines held back are counted and their
//! number stands in the next one. No key, value, header or secret is ever in a line.

mod labels;

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use avro_codec::SchemaRef;
use rdkafka::config::RDKafkaLogLevel;
use telemetry::Instruments;
use tracing::{debug, error, info, trace, warn};
use types::{AnswerOutcome, RecordPosition};

use crate::log_throttle::LogThrottle;
use crate::status::MissingPrerequisite;

pub(crate) use labels::{ClientRole, LookupResult};

/// The way to say that something happened.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) instruments: Arc<Instruments>,
    throttle: Mutex<LogThrottle>,
}

impl Events {
    pub(crate) fn new(instruments: Arc<Instruments>) -> Self {
        Self {
            instruments,
            throttle: Mutex::new(LogThrottle::new(LOG_LINE_INTERVAL)),
        }
    }

    // === both clients ===

    pub(crate) fn kafka_up(&self, client: ClientRole) {
        self.instruments.kafka_up.set(1, client.label());
        info!(client = client.label(), "Kafka answers");
    }

    pub(crate) fn kafka_down(&self, client: ClientRole, problem: &str) {
        self.instruments.kafka_up.set(0, client.label());
        self.instruments.errors.increment("kafka_down");
        warn!(
            client = client.label(),
            problem, "Kafka does not answer; trying again"
        );
    }

    pub(crate) fn reconnected(&self, client: ClientRole, times: u64) {
        self.instruments.kafka_reconnects.add(times, client.label());
    }

    /// Somebody has to put this right.
    pub(crate) fn report_missing(&self, client: ClientRole, what: &MissingPrerequisite) {
        self.instruments.errors.increment("missing");
        if let Some(held_back) = self.admit_log_line("missing", client.label()) {
            warn!(client = client.label(), %what, held_back, "cannot go on; trying again");
        }
    }

    /// A line librdkafka wrote: names of hosts and causes of failures, never a record.
    pub(crate) fn librdkafka(&self, client: ClientRole, level: RDKafkaLogLevel, line: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => {
                if let Some(held_back) = self.admit_log_line("librdkafka", client.label()) {
                    warn!(client = client.label(), line, held_back, "librdkafka");
                }
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                debug!(client = client.label(), line, "librdkafka");
            }
        }
    }

    // === the consumer ===

    pub(crate) fn consumer_started(&self, topic: &str) {
        self.instruments
            .kafka_up
            .set(0, ClientRole::Consumer.label());
        info!(topic, "consumer started");
    }

    pub(crate) fn consumer_positioned(&self, topic: &str, partitions: usize) {
        info!(
            topic,
            partitions, "consumer positioned: no answer from here on is missed"
        );
    }

    pub(crate) fn consumer_stopped(&self, topic: &str) {
        self.instruments
            .kafka_up
            .set(0, ClientRole::Consumer.label());
        info!(topic, "consumer stopped");
    }

    /// The thread ended by a panic, whose text the panic hook has written.
    pub(crate) fn consumer_panicked(&self, topic: &str) {
        self.instruments
            .kafka_up
            .set(0, ClientRole::Consumer.label());
        self.instruments.errors.increment("consumer_panicked");
        error!(
            topic,
            "consumer's thread panicked: no answer is read any more"
        );
    }

    /// An error that librdkafka gets over by itself.
    pub(crate) fn consumer_error(&self, reason: &dyn Display) {
        self.instruments.errors.increment("consumer_error");
        if let Some(held_back) = self.admit_log_line("consumer_error", "") {
            warn!(%reason, held_back, "error while reading answers; trying again");
        }
    }

    /// librdkafka gave up on its consumer; a new one goes on where it stood.
    pub(crate) fn consumer_failed(&self, reason: &dyn Display) {
        self.instruments.errors.increment("consumer_failed");
        error!(%reason, "consumer failed; starting another from where it stood");
    }

    pub(crate) fn partitions_added(&self, topic: &str, partitions: usize, added: &[i32]) {
        info!(
            topic,
            partitions,
            ?added,
            "partitions added, read from their beginning"
        );
    }

    /// The group has given partitions out; said at every assignment.
    pub(crate) fn group_assigned(&self, topic: &str, group: &str, given: &[i32], elsewhere: usize) {
        if elsewhere == 0 {
            return info!(topic, group, "the group gave this process every partition");
        }
        self.instruments.errors.increment("group_shared");
        let others = "another member of the group reads partitions: answers in them do not come here; \
                      run one process, or set delivery.mode to broadcast";
        warn!(topic, group, ?given, elsewhere, "{others}");
    }

    pub(crate) fn topic_gone(&self, topic: &str) {
        self.instruments.errors.increment("topic_gone");
        warn!(
            topic,
            "topic is gone; if it comes back it is read from its beginning"
        );
    }

    /// Offsets went back: the log was cut, or the topic made anew.
    pub(crate) fn log_went_back(&self, topic: &str, at: RecordPosition) {
        self.instruments.errors.increment("log_went_back");
        if let Some(held_back) = self.admit_log_line("log_went_back", "") {
            let RecordPosition { partition, offset } = at;
            warn!(
                topic,
                partition, offset, held_back, "the partition's log went back"
            );
        }
    }

    /// A record was decoded and handed to the sink.
    pub(crate) fn record_delivered(&self, at: RecordPosition) {
        self.instruments.records.increment("ok");
        trace!(
            partition = at.partition,
            offset = at.offset,
            "record handed over"
        );
    }

    pub(crate) fn tombstone_skipped(&self, at: RecordPosition) {
        self.instruments.records.increment("skipped");
        debug!(
            partition = at.partition,
            offset = at.offset,
            "tombstone skipped"
        );
    }

    /// A session id that was never minted here, so that no replica waits for the record.
    pub(crate) fn record_foreign(&self, at: RecordPosition) {
        self.instruments.records.increment("skipped");
        self.instruments
            .answers
            .increment(AnswerOutcome::Foreign.as_str());
        debug!(
            partition = at.partition,
            offset = at.offset,
            "record with a foreign session id"
        );
    }

    /// Nobody can read this record, now or later.
    pub(crate) fn record_undecodable(&self, topic: &str, at: RecordPosition, reason: &'static str) {
        self.instruments.records.increment("error");
        self.instruments
            .answers
            .increment(AnswerOutcome::Invalid.as_str());
        self.instruments.errors.increment(reason);
        if let Some(held_back) = self.admit_log_line("record_undecodable", reason) {
            let RecordPosition { partition, offset } = at;
            error!(
                topic,
                partition, offset, reason, held_back, "record skipped: undecodable"
            );
        }
    }

    pub(crate) fn schema_wanted(&self, schema: SchemaRef) {
        debug!(%schema, "looking up a schema");
    }

    pub(crate) fn schema_found(&self, schema: SchemaRef, records: usize) {
        debug!(%schema, records, "schema found for parked records");
    }

    /// A schema that does not exist or is of no use: records under it are skipped for a while.
    pub(crate) fn schema_refused(&self, schema: SchemaRef, reason: &'static str) {
        if let Some(held_back) = self.admit_log_line("schema_refused", reason) {
            warn!(%schema, reason, held_back, "schema refused; its records are skipped");
        }
    }

    pub(crate) fn partition_paused(&self, topic: &str, partition: i32) {
        warn!(
            topic,
            partition, "partition paused until the schema registry answers"
        );
    }

    pub(crate) fn partition_resumed(&self, topic: &str, partition: i32) {
        info!(topic, partition, "partition resumed");
    }

    pub(crate) fn set_partitions(&self, assigned: usize, paused: usize) {
        self.instruments
            .consumer_partitions
            .set(assigned, "assigned");
        self.instruments.consumer_partitions.set(paused, "paused");
    }

    pub(crate) fn set_parked(&self, used: usize, limit: usize) {
        self.instruments.parked_records.set(used, "used");
        self.instruments.parked_records.set(limit, "limit");
    }

    pub(crate) fn set_lag(&self, sum: u64, max: u64) {
        self.instruments.consumer_lag.set(sum, "sum");
        self.instruments.consumer_lag.set(max, "max");
    }

    // === the schema registry ===

    pub(crate) fn count_registry_request(&self, result: LookupResult) {
        self.instruments.registry_lookups.increment(result.label());
    }

    pub(crate) fn registry_up(&self) {
        self.instruments.registry_up.set(1, "gateway");
        info!("schema registry answers");
    }

    pub(crate) fn registry_down(&self, problem: &str) {
        self.instruments.registry_up.set(0, "gateway");
        self.instruments.errors.increment("registry_down");
        if let Some(held_back) = self.admit_log_line("registry_down", "") {
            warn!(
                problem,
                held_back, "schema registry does not answer; trying again"
            );
        }
    }

    // === the publisher ===

    pub(crate) fn publisher_started(&self, topic: &str) {
        self.instruments
            .kafka_up
            .set(0, ClientRole::Producer.label());
        info!(topic, "publisher started");
    }

    pub(crate) fn publisher_stopped(&self, topic: &str) {
        self.instruments
            .kafka_up
            .set(0, ClientRole::Producer.label());
        info!(topic, "publisher stopped");
    }

    /// The thread ended by a panic, whose text the panic hook has written.
    pub(crate) fn publisher_panicked(&self, topic: &str) {
        self.instruments
            .kafka_up
            .set(0, ClientRole::Producer.label());
        self.instruments.errors.increment("publisher_panicked");
        error!(
            topic,
            "publisher's thread panicked: no question is written any more"
        );
    }

    pub(crate) fn question_schema_used(&self, subject: &str, schema: u32) {
        info!(subject, schema, "questions are written with this schema");
    }

    pub(crate) fn question_schema_registered(&self, subject: &str) {
        info!(
            subject,
            "minimal question schema registered: the subject had none"
        );
    }

    /// The latest schema is of no use; the last good one stays, if there is one.
    pub(crate) fn question_schema_unusable(
        &self,
        subject: &str,
        schema: Option<u32>,
        reason: &dyn Display,
    ) {
        self.instruments
            .errors
            .increment("question_schema_unusable");
        warn!(subject, ?schema, %reason, "latest question schema cannot be used");
    }

    /// A question was not, or not provably, written.
    pub(crate) fn publish_failed(&self, cause: &'static str, detail: &dyn Display) {
        self.instruments.errors.increment(cause);
        if let Some(held_back) = self.admit_log_line("publish_failed", cause) {
            warn!(cause, %detail, held_back, "question not published");
        }
    }

    pub(crate) fn set_producer_queue(&self, used: usize, limit: usize) {
        self.instruments.producer_queue.set(used, "used");
        self.instruments.producer_queue.set(limit, "limit");
    }

    /// librdkafka gave up on its producer. What was in flight counts as possibly written.
    pub(crate) fn producer_failed(&self, reason: &dyn Display) {
        self.instruments.errors.increment("producer_failed");
        error!(%reason, "producer failed; starting another");
    }

    pub(crate) fn producer_replaced(&self) {
        info!("producer replaced");
    }

    /// Decides whether to write a log line now: the number of lines held back since the last, or `None`.
    pub(crate) fn admit_log_line(&self, event: &'static str, cause: &'static str) -> Option<u64> {
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = throttle.admit(Instant::now(), event, cause);
        if admitted.is_none() {
            self.instruments.logs_held_back.increment(event);
        }
        admitted
    }
}

const LOG_LINE_INTERVAL: Duration = Duration::from_secs(10);
