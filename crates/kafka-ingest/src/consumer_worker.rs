//! One Kafka client at work: finds the topic, assigns its partitions, reads. Every decision is made
//! elsewhere ([`crate::assignment`], [`crate::answer_pipeline`], [`crate::topic_existence`]); here is the order
//! in which things are asked and done.

mod group;
mod housekeeping;
mod unreadable;

use std::convert::Infallible;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::message::BorrowedMessage;
use types::RecordPosition;

use crate::answer_pipeline::RecordOutcome;
use crate::answer_record::{AnswerRecord, RecordHeaders};
use crate::assignment::{Assignment, LogPosition};
use crate::backoff::Backoff;
use crate::consumer_reporting::ConsumerReporting;
use crate::consumer_supervisor::ReadingState;
use crate::librdkafka;
use crate::monotonic_consumer::MonotonicConsumer;
use crate::schema_fetcher::SchemaFetchEvent;
use crate::stop_signal::StopSignal;
use crate::topic_existence::TopicExistence;
use crate::topic_offsets::{self, READ_RIGHTS, TopicUnavailable};
use crate::unreadable::BackgroundBatchFinder;

/// A client, and what concerns it alone.
pub(crate) struct Worker<'a> {
    consumer: MonotonicConsumer,
    reporting: &'a ConsumerReporting,
    stop: &'a StopSignal,
    backoff: Backoff,
    topic_watch: TopicExistence,
    unreadable: BackgroundBatchFinder,
    refresh_watermarks_at: Instant,
    /// True once partitions were assigned.
    opened: bool,
    /// True once the group was joined.
    subscribed: bool,
    /// The number of partitions of the topic.
    partitions: usize,
    /// True if the latest statistics showed a connected broker.
    was_connected: bool,
}

/// Records that were there to be read, one after another.
#[derive(Debug, Clone, Copy)]
struct PollRun {
    started_at: Instant,
    /// Of the latest record.
    partition: i32,
}

/// The reason for which a worker ended.
#[derive(Debug)]
pub(crate) enum WorkerEnd {
    /// The stop was asked for.
    Stopped,
    /// The client has had no connection to a broker for as long as it may; it names these brokers.
    Disconnected { learned: Vec<String> },
    /// librdkafka gave up; `opened` is whether this client has read at all.
    Failed { reason: String, opened: bool },
}

/// The reason for which reading stops.
#[derive(Debug)]
enum ReadHalt {
    /// To be tried again.
    Unready(TopicUnavailable),
    /// For good.
    Ended(WorkerEnd),
}

impl<'a> Worker<'a> {
    pub(crate) fn new(
        consumer: MonotonicConsumer,
        reporting: &'a ConsumerReporting,
        stop: &'a StopSignal,
    ) -> Self {
        Self {
            unreadable: BackgroundBatchFinder::new(consumer.config(), &reporting.topic),
            consumer,
            reporting,
            stop,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            topic_watch: TopicExistence::default(),
            refresh_watermarks_at: Instant::now(),
            opened: false,
            subscribed: false,
            partitions: 0,
            was_connected: true,
        }
    }

    /// Works until it is stopped or the client fails for good.
    pub(crate) fn run(mut self, reading: &mut ReadingState) -> WorkerEnd {
        loop {
            let halt = match self
                .open(reading)
                .and_then(|()| self.read_until_halt(reading))
            {
                Ok(never) => match never {},
                Err(halt) => halt,
            };
            let again = match halt {
                ReadHalt::Unready(unready) => {
                    self.report_unavailable(unready);
                    self.wait_for_retry(reading)
                }
                ReadHalt::Ended(end) => Err(ReadHalt::Ended(end)),
            };
            if let Err(ReadHalt::Ended(end)) = again {
                return end;
            }
        }
    }

    /// Finds the topic, resolves where to begin, and assigns every partition that is to be read.
    fn open(&mut self, reading: &mut ReadingState) -> Result<(), ReadHalt> {
        let Assignment::Broadcast(broadcast) = &mut reading.assignment else {
            return self.open_group(reading);
        };
        let topic = &self.reporting.topic;
        let partitions =
            topic_offsets::fetch_partition_count(self.consumer.client(), topic, READ_RIGHTS)?;
        let unresolved = broadcast.unresolved_partitions(partitions);
        let ends = topic_offsets::fetch_end_offsets(&self.consumer, topic, &unresolved)?;
        broadcast.set_positions(partitions, &ends);
        self.partitions = partitions;
        if !ends.is_empty() {
            self.reporting.watermarks.reset(ends.into_iter());
        }
        self.assign(reading)?;
        self.backoff.reset();
        self.topic_watch.on_found();
        self.opened = true;
        self.reporting.on_positioned(partitions);
        Ok(())
    }

    /// Hands librdkafka every partition and where to go on. What it has prefetched is fetched again.
    fn assign(&mut self, reading: &mut ReadingState) -> Result<(), ReadHalt> {
        let topic = &self.reporting.topic;
        let starts = reading.assignment.start_positions();
        // Before the first record can come.
        reading.pipeline.on_assigned(&starts);
        let assigned = topic_offsets::position_list(topic, starts.into_iter())
            .and_then(|list| self.consumer.assign(&list));
        assigned
            .map_err(|error| topic_offsets::unavailable_by_error(&error, topic, READ_RIGHTS))?;
        self.unreadable.discard_search();
        self.reporting.watermarks.add_partitions(self.partitions);
        self.pause_and_resume(reading)
    }

    /// Reads until something is in the way.
    fn read_until_halt(&mut self, reading: &mut ReadingState) -> Result<Infallible, ReadHalt> {
        loop {
            let patience = if reading.pipeline.is_waiting_for_schemas() {
                BUSY_POLL
            } else {
                IDLE_POLL
            };
            self.poll(reading, patience)?;
            self.check_statistics(reading)?;
            self.check_topic(reading)?;
            self.refresh_watermarks(reading);
        }
    }

    /// Waits for the next attempt, serving meanwhile whatever comes.
    fn wait_for_retry(&mut self, reading: &mut ReadingState) -> Result<(), ReadHalt> {
        let until = Instant::now() + self.backoff.next_wait(rand::random());
        while Instant::now() < until {
            self.poll(reading, BUSY_POLL)?;
        }
        Ok(())
    }

    /// Handles what librdkafka has, waiting for it for `patience`, and what the look-ups found.
    fn poll(&mut self, reading: &mut ReadingState, patience: Duration) -> Result<(), ReadHalt> {
        self.reporting.heartbeat.record_beat(Instant::now());
        if self.stop.is_requested() {
            return Err(ReadHalt::Ended(WorkerEnd::Stopped));
        }
        let mut row = None;
        let taken = self.process_records(reading, patience, &mut row);
        self.end_poll_run(&mut row);
        taken?;
        if self.consumer.context().has_failed() {
            return Err(self.client_failed("fatal error".to_owned()));
        }
        self.check_connection(reading)?;
        self.on_schema_events(reading)?;
        // Before anything is assigned anew: what was revoked is not ours to read.
        self.on_rebalance(reading)?;
        self.step_over(reading)?;
        self.store_offsets(reading)
    }

    /// Handles the records that are there to be read, a bounded number of them.
    fn process_records(
        &mut self,
        reading: &mut ReadingState,
        mut patience: Duration,
        row: &mut Option<PollRun>,
    ) -> Result<(), ReadHalt> {
        for _ in 0..MAX_RECORDS_PER_POLL {
            if self.on_rebalance(reading)? {
                self.end_poll_run(row);
            }
            let Some(polled) = self.consumer.poll(patience) else {
                break;
            };
            match polled {
                Ok(message) => {
                    if self.on_message(reading, &message, row) == RecordOutcome::Parked {
                        drop(message);
                        self.request_schemas(reading);
                        self.pause_and_resume(reading)?;
                    }
                }
                Err(error) => self.on_error(reading, &error)?,
            }
            patience = Duration::ZERO;
        }
        Ok(())
    }

    fn on_message(
        &self,
        reading: &mut ReadingState,
        message: &BorrowedMessage<'_>,
        row: &mut Option<PollRun>,
    ) -> RecordOutcome {
        let at = RecordPosition {
            partition: message.partition(),
            offset: message.offset(),
        };
        let now = self.poll_run(row, at.partition);
        if reading.assignment.on_read(at) == LogPosition::WentBack {
            reading.pipeline.on_offsets_moved_backwards(now);
            self.reporting
                .events
                .log_went_back(&self.reporting.topic, at);
        }
        let record = AnswerRecord {
            value: message.payload(),
            headers: RecordHeaders::read(librdkafka::headers(message)),
            envelope_source: message,
        };
        reading.pipeline.on_record(now, at, record, self)
    }

    /// Returns the time at which the run of available records began: the clock is read once for it.
    fn poll_run(&self, row: &mut Option<PollRun>, partition: i32) -> Instant {
        let begun = row.map_or_else(Instant::now, |row| row.started_at);
        if row.is_some_and(|row| row.partition != partition) {
            self.end_poll_run(row);
        }
        *row = Some(PollRun {
            started_at: begun,
            partition,
        });
        begun
    }

    /// The end of a partition is looked at once for the records of it that came one after another, and
    /// lies above all of them.
    fn end_poll_run(&self, row: &mut Option<PollRun>) {
        if let Some(row) = row.take() {
            self.refresh_watermark(row.partition);
        }
    }

    /// Takes what the look-ups have brought.
    fn on_schema_events(&mut self, reading: &mut ReadingState) -> Result<(), ReadHalt> {
        let mut released = false;
        while let Some(event) = reading.fetcher.poll() {
            let now = Instant::now();
            match event {
                SchemaFetchEvent::Found {
                    schema,
                    text,
                    references,
                } => {
                    reading
                        .pipeline
                        .on_schema_found(now, schema, &text, &references, self);
                    released = true;
                }
                SchemaFetchEvent::Refused { schema, why } => {
                    reading.pipeline.on_schema_refused(now, schema, why);
                    released = true;
                }
                SchemaFetchEvent::Unreachable { problem } => {
                    self.reporting.on_registry_down(problem)
                }
                SchemaFetchEvent::LoginRefused => self.reporting.on_registry_login_refused(),
                SchemaFetchEvent::Reachable => self.reporting.on_registry_up(),
            }
        }
        if released {
            return self.pause_and_resume(reading);
        }
        Ok(())
    }

    fn request_schemas(&self, reading: &mut ReadingState) {
        while let Some(schema) = reading.pipeline.poll_wanted_schema() {
            reading.fetcher.fetch(schema);
        }
    }

    fn pause_and_resume(&mut self, reading: &mut ReadingState) -> Result<(), ReadHalt> {
        let changes = reading.pipeline.poll_pause_changes();
        let (topic, consumer) = (&self.reporting.topic, &self.consumer);
        let list = |partitions: &[i32]| topic_offsets::partition_list(topic, partitions);
        if !changes.pause.is_empty() {
            let paused = consumer.pause(&list(&changes.pause));
            paused
                .map_err(|error| topic_offsets::unavailable_by_error(&error, topic, READ_RIGHTS))?;
        }
        if !changes.resume.is_empty() {
            let resumed = consumer.resume(&list(&changes.resume));
            resumed
                .map_err(|error| topic_offsets::unavailable_by_error(&error, topic, READ_RIGHTS))?;
        }
        let (partitions, paused) = (
            reading.assignment.start_positions().len(),
            reading.pipeline.paused_partitions(),
        );
        self.reporting
            .events
            .set_partitions(partitions, paused.len());
        self.reporting.events.set_parked(
            reading.pipeline.parked_records(),
            reading.pipeline.max_parked_records(partitions),
        );
        self.reporting
            .set_paused(paused, &changes.pause, &changes.resume);
        Ok(())
    }

    fn client_failed(&self, reason: String) -> ReadHalt {
        ReadHalt::Ended(WorkerEnd::Failed {
            reason,
            opened: self.opened,
        })
    }
}

impl From<TopicUnavailable> for ReadHalt {
    fn from(unready: TopicUnavailable) -> Self {
        Self::Unready(unready)
    }
}

/// The longest poll of an idle client, and so the longest a stop waits for it.
const IDLE_POLL: Duration = Duration::from_millis(50);
/// The same while something else may come in.
const BUSY_POLL: Duration = Duration::from_millis(5);
/// The most records that are read before housekeeping.
const MAX_RECORDS_PER_POLL: usize = 256;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
