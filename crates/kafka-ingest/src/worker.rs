//! One Kafka client at work: finds the topic, assigns its partitions, reads. Every decision is made
//! elsewhere ([`crate::assignment`], [`crate::pipeline`], [`crate::topic_watch`]); here is the order
//! in which things are asked and done.

mod group;
mod looks;
mod unreadable;

use std::convert::Infallible;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use types::RecordPosition;

use crate::assignment::{Assignment, Read};
use crate::backoff::Backoff;
use crate::native;
use crate::pipeline::Fate;
use crate::positions::{self, READ, Unready};
use crate::record::{Headers, Record};
use crate::reporting::Reporting;
use crate::schema_fetcher::FetchEvent;
use crate::status::Missing;
use crate::steady_consumer::SteadyConsumer;
use crate::stop::Stop;
use crate::supervisor::Reading;
use crate::topic_watch::TopicWatch;
use crate::unreadable::{BackgroundFinder, is_unreadable};

/// A client, and what concerns it alone.
pub(crate) struct Worker<'a> {
    consumer: SteadyConsumer,
    reporting: &'a Reporting,
    stop: &'a Stop,
    backoff: Backoff,
    topic_watch: TopicWatch,
    unreadable: BackgroundFinder,
    look_at_marks: Instant,
    /// True once partitions were assigned.
    opened: bool,
    /// True once the group was joined.
    subscribed: bool,
    /// How many partitions the topic has.
    partitions: usize,
    /// What the last digest said.
    was_connected: bool,
}

/// Records that were there to be read, one after another.
#[derive(Debug, Clone, Copy)]
struct Row {
    begun: Instant,
    /// Of the latest record.
    partition: i32,
}

/// Why the work is over.
#[derive(Debug)]
pub(crate) enum End {
    /// The stop was asked for.
    Stopped,
    /// The client has had no connection to a broker for as long as it may; it names these brokers.
    Disconnected { learned: Vec<String> },
    /// librdkafka gave up; `opened` is whether this client has read at all.
    Failed { reason: String, opened: bool },
}

/// Why reading does not go on.
#[derive(Debug)]
enum Halt {
    /// To be tried again.
    Unready(Unready),
    /// For good.
    Ended(End),
}

impl<'a> Worker<'a> {
    pub(crate) fn new(consumer: SteadyConsumer, reporting: &'a Reporting, stop: &'a Stop) -> Self {
        Self {
            unreadable: BackgroundFinder::new(consumer.config(), &reporting.topic),
            consumer,
            reporting,
            stop,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            topic_watch: TopicWatch::default(),
            look_at_marks: Instant::now(),
            opened: false,
            subscribed: false,
            partitions: 0,
            was_connected: true,
        }
    }

    /// Works until it is stopped or the client fails for good.
    pub(crate) fn run(mut self, reading: &mut Reading) -> End {
        loop {
            let halt = match self.open(reading).and_then(|()| self.read(reading)) {
                Ok(never) => match never {},
                Err(halt) => halt,
            };
            let again = match halt {
                Halt::Unready(unready) => {
                    self.report(unready);
                    self.wait(reading)
                }
                Halt::Ended(end) => Err(Halt::Ended(end)),
            };
            if let Err(Halt::Ended(end)) = again {
                return end;
            }
        }
    }

    /// Finds the topic, resolves where to begin, and assigns every partition that is to be read.
    fn open(&mut self, reading: &mut Reading) -> Result<(), Halt> {
        let Assignment::Broadcast(broadcast) = &mut reading.assignment else {
            return self.open_group(reading);
        };
        let topic = &self.reporting.topic;
        let partitions = positions::partition_count(self.consumer.client(), topic, READ)?;
        let unresolved = broadcast.unresolved(partitions);
        let ends = positions::ends(&self.consumer, topic, &unresolved)?;
        broadcast.position(partitions, &ends);
        self.partitions = partitions;
        if !ends.is_empty() {
            self.reporting.marks.reset(ends.into_iter());
        }
        self.assign(reading)?;
        self.backoff.succeeded();
        self.topic_watch.on_found();
        self.opened = true;
        self.reporting.opened(partitions);
        Ok(())
    }

    /// Hands librdkafka every partition and where to go on. What it has prefetched is fetched again.
    fn assign(&mut self, reading: &mut Reading) -> Result<(), Halt> {
        let topic = &self.reporting.topic;
        let starts = reading.assignment.starts();
        // Before the first record can come.
        reading.pipeline.on_assigned(&starts);
        let assigned =
            positions::list(topic, starts.into_iter()).and_then(|list| self.consumer.assign(&list));
        assigned.map_err(|error| positions::unready(&error, topic, READ))?;
        self.unreadable.forget();
        self.reporting.marks.grow(self.partitions);
        self.pause_and_resume(reading)
    }

    /// Reads until something is in the way.
    fn read(&mut self, reading: &mut Reading) -> Result<Infallible, Halt> {
        loop {
            let patience = if reading.pipeline.waits() {
                SHORT
            } else {
                LONG
            };
            self.serve(reading, patience)?;
            self.look_at_digest(reading)?;
            self.look_at_topic(reading)?;
            self.look_at_marks(reading);
        }
    }

    /// Waits for the next attempt, serving meanwhile whatever comes.
    fn wait(&mut self, reading: &mut Reading) -> Result<(), Halt> {
        let until = Instant::now() + self.backoff.after_failure(rand::random());
        while Instant::now() < until {
            self.serve(reading, SHORT)?;
        }
        Ok(())
    }

    /// Handles what librdkafka has, waiting for it for `patience`, and what the look-ups found.
    fn serve(&mut self, reading: &mut Reading, patience: Duration) -> Result<(), Halt> {
        self.reporting.pulse.beat(Instant::now());
        if self.stop.is_asked() {
            return Err(Halt::Ended(End::Stopped));
        }
        let mut row = None;
        let taken = self.take_records(reading, patience, &mut row);
        self.end_row(&mut row);
        taken?;
        if self.consumer.context().has_failed() {
            return Err(self.failed("fatal error".to_owned()));
        }
        self.check_connection(reading)?;
        self.on_fetched(reading)?;
        // Before anything is assigned anew: what was revoked is not ours to read.
        self.on_rebalance(reading)?;
        self.step_over(reading)?;
        self.store_offsets(reading)
    }

    /// Handles the records that are there to be read, a bounded number of them.
    fn take_records(
        &mut self,
        reading: &mut Reading,
        mut patience: Duration,
        row: &mut Option<Row>,
    ) -> Result<(), Halt> {
        for _ in 0..RECORDS_A_TURN {
            if self.on_rebalance(reading)? {
                self.end_row(row);
            }
            let Some(polled) = self.consumer.poll(patience) else {
                break;
            };
            match polled {
                Ok(message) => {
                    if self.on_message(reading, &message, row) == Fate::Parked {
                        drop(message);
                        self.look_up(reading);
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
        reading: &mut Reading,
        message: &BorrowedMessage<'_>,
        row: &mut Option<Row>,
    ) -> Fate {
        let at = RecordPosition {
            partition: message.partition(),
            offset: message.offset(),
        };
        let now = self.row(row, at.partition);
        if reading.assignment.on_read(at) == Read::Back {
            reading.pipeline.on_log_went_back(now);
            self.reporting
                .events
                .log_went_back(&self.reporting.topic, at);
        }
        let record = Record {
            value: message.payload(),
            headers: Headers::read(native::headers(message)),
            whole: message,
        };
        reading.pipeline.on_record(now, at, record, self)
    }

    /// When the row of records that were there to be read was begun: the clock is looked at once for it.
    fn row(&self, row: &mut Option<Row>, partition: i32) -> Instant {
        let begun = row.map_or_else(Instant::now, |row| row.begun);
        if row.is_some_and(|row| row.partition != partition) {
            self.end_row(row);
        }
        *row = Some(Row { begun, partition });
        begun
    }

    /// The end of a partition is looked at once for the records of it that came one after another, and
    /// lies above all of them.
    fn end_row(&self, row: &mut Option<Row>) {
        if let Some(row) = row.take() {
            self.look_at_mark(row.partition);
        }
    }

    /// An error that librdkafka tells by the way. Most of them it gets over by itself.
    fn on_error(&mut self, reading: &Reading, error: &KafkaError) -> Result<(), Halt> {
        if let KafkaError::MessageConsumptionFatal(_) = error {
            return Err(self.failed(error.to_string()));
        }
        let code = error.rdkafka_error_code();
        match code {
            Some(code @ RDKafkaErrorCode::AllBrokersDown) => {
                self.reporting.kafka_down(code.to_string());
                return Ok(());
            }
            // Without a group librdkafka looks for its coordinator all the same.
            Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {
                if self.subscribed {
                    self.reporting.group_denied();
                }
                return Ok(());
            }
            Some(code) if is_unreadable(code) => self.on_unreadable(reading),
            _ => {}
        }
        let missing = code.and_then(|code| positions::missing(code, &self.reporting.topic, READ));
        match missing {
            // Only a look shows whether it is.
            Some(Missing::Topic { .. }) => self.topic_watch.on_sign(Instant::now()),
            Some(what) => self.reporting.missing(&what),
            None => self.reporting.events.consumer_error(error),
        }
        Ok(())
    }

    /// Takes what the look-ups have brought.
    fn on_fetched(&mut self, reading: &mut Reading) -> Result<(), Halt> {
        let mut released = false;
        while let Some(event) = reading.fetcher.poll() {
            let now = Instant::now();
            match event {
                FetchEvent::Found {
                    schema,
                    text,
                    references,
                } => {
                    reading
                        .pipeline
                        .on_found(now, schema, &text, &references, self);
                    released = true;
                }
                FetchEvent::Refused { schema, why } => {
                    reading.pipeline.on_refused(now, schema, why);
                    released = true;
                }
                FetchEvent::Unreachable { problem } => self.reporting.registry_down(problem),
                FetchEvent::LoginRefused => self.reporting.registry_login_refused(),
                FetchEvent::Reachable => self.reporting.registry_up(),
            }
        }
        if released {
            return self.pause_and_resume(reading);
        }
        Ok(())
    }

    fn look_up(&self, reading: &mut Reading) {
        while let Some(schema) = reading.pipeline.poll_wanted() {
            reading.fetcher.look_up(schema);
        }
    }

    fn pause_and_resume(&mut self, reading: &mut Reading) -> Result<(), Halt> {
        let changes = reading.pipeline.poll_changes();
        let (topic, consumer) = (&self.reporting.topic, &self.consumer);
        let list = |partitions: &[i32]| positions::bare_list(topic, partitions);
        if !changes.pause.is_empty() {
            let paused = consumer.pause(&list(&changes.pause));
            paused.map_err(|error| positions::unready(&error, topic, READ))?;
        }
        if !changes.resume.is_empty() {
            let resumed = consumer.resume(&list(&changes.resume));
            resumed.map_err(|error| positions::unready(&error, topic, READ))?;
        }
        let (partitions, paused) = (reading.assignment.starts().len(), reading.pipeline.paused());
        self.reporting.events.partitions(partitions, paused.len());
        self.reporting.events.parked(
            reading.pipeline.parked(),
            reading.pipeline.max_parked(partitions),
        );
        self.reporting
            .paused(paused, &changes.pause, &changes.resume);
        Ok(())
    }

    fn failed(&self, reason: String) -> Halt {
        Halt::Ended(End::Failed {
            reason,
            opened: self.opened,
        })
    }
}

impl From<Unready> for Halt {
    fn from(unready: Unready) -> Self {
        Self::Unready(unready)
    }
}

/// How long an idle client is polled for at a time: the longest a stop waits for it.
const LONG: Duration = Duration::from_millis(50);
/// The same while something else may come in.
const SHORT: Duration = Duration::from_millis(5);
/// How many records are read before something else is looked at.
const RECORDS_A_TURN: usize = 256;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
