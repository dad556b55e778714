//! The thread of the dead letters: keeps their clients going, sees the copies that stand in the
//! topic, and writes those whose time has come. What is decided is decided in [`super::held_letters`].

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::Producer;

use super::DeadLetterState;
use super::clients::{DeadLetterClients, DeadLetterConfigs};
use crate::assignment::StartPosition;
use crate::backoff::Backoff;
use crate::consumer_reporting::ConsumerReporting;
use crate::dead_letter::{DeadLetterId, DeadLetterOrigin};
use crate::events::ClientRole;
use crate::replacement::ClientReplacement;
use crate::status::DeadLetterTask;
use crate::stop_signal::{StopHandle, StopSignal, stop_channel};
use crate::unreadable::{self, UnreadableBatchFinder, is_unreadable_batch};
use crate::{KafkaSettings, StartError, librdkafka, topic_offsets};

/// Everything the thread owns.
pub(super) struct DeadLetterWriter {
    configs: DeadLetterConfigs,
    /// The dead letters' topic.
    topic: Arc<str>,
    reporting: Arc<ConsumerReporting>,
    shared: Arc<DeadLetterState>,
    kafka: KafkaSettings,
}

/// The reason for which a set of clients is given up.
enum ClientsEnd {
    /// The stop was asked for.
    Stopped,
    /// A client has had no connection to a broker for as long as it may.
    Disconnected,
    /// A client failed for good.
    Failed(String),
}

/// One set of clients, and how far it is.
struct ClientsRun<'a> {
    clients: DeadLetterClients,
    writer: &'a DeadLetterWriter,
    /// The next position of each partition of the dead letters' topic; none while it is missing.
    positions: Vec<i64>,
    finder: UnreadableBatchFinder,
    check_topic_at: Instant,
    backoff: Backoff,
}

impl DeadLetterWriter {
    pub(super) fn new(
        kafka: &KafkaSettings,
        topic: &str,
        reporting: Arc<ConsumerReporting>,
        shared: Arc<DeadLetterState>,
    ) -> Result<Self, StartError> {
        Ok(Self {
            configs: DeadLetterConfigs::new(kafka)?,
            topic: topic.into(),
            reporting,
            shared,
            kafka: kafka.clone(),
        })
    }

    /// Starts the thread. Clients that cannot even be created are the caller's to know.
    pub(super) fn spawn(self) -> Result<(StopHandle, JoinHandle<()>), StartError> {
        let (asked, stop) = stop_channel();
        let first = self.create_clients().map_err(StartError::client)?;
        self.shared.events.dead_letters_started(&self.topic);
        let thread = thread::Builder::new()
            .name("dead-letters".to_owned())
            .spawn(move || self.run(first, &stop))
            .map_err(StartError::Thread)?;
        Ok((asked, thread))
    }

    fn run(self, first: DeadLetterClients, stop: &StopSignal) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut replacement = ClientReplacement::new(&self.kafka);
        let mut next = KafkaResult::Ok(first);
        loop {
            let since = Instant::now();
            let end = match next {
                Ok(clients) => ClientsRun::new(clients, &self).run(stop, &mut replacement),
                Err(error) => ClientsEnd::Failed(error.to_string()),
            };
            self.shared.lock_held().on_producer_gone(Instant::now());
            match end {
                ClientsEnd::Stopped => break,
                ClientsEnd::Failed(failure) => self.shared.events.dead_letters_failed(&failure),
                ClientsEnd::Disconnected => {
                    let disconnected_for = replacement.disconnected_for();
                    let events = &self.shared.events;
                    events.client_replaced(ClientRole::DeadLetters, disconnected_for);
                    replacement.on_replaced();
                }
            }
            if since.elapsed() > LONGEST_WAIT {
                backoff.reset();
            }
            if stop.wait(backoff.next_wait(rand::random())) {
                break;
            }
            next = self.create_clients();
            replacement.on_created();
        }
        let held = self.shared.lock_held().len();
        self.shared.events.dead_letters_stopped(&self.topic, held);
    }

    fn create_clients(&self) -> KafkaResult<DeadLetterClients> {
        DeadLetterClients::create(&self.configs, &self.topic, &self.shared, &self.reporting)
    }
}

impl<'a> ClientsRun<'a> {
    fn new(clients: DeadLetterClients, of: &'a DeadLetterWriter) -> Self {
        Self {
            finder: UnreadableBatchFinder::new(clients.tail.config(), Arc::clone(&of.topic)),
            clients,
            writer: of,
            positions: Vec::new(),
            check_topic_at: Instant::now(),
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
        }
    }

    /// Works until the stop is asked for, or until the clients are to be replaced.
    fn run(mut self, stop: &StopSignal, replacement: &mut ClientReplacement) -> ClientsEnd {
        while !stop.is_requested() {
            self.check_topic();
            self.poll_election();
            self.poll_copies(stop);
            self.write_due_letters();
            self.clients.producer.poll(Duration::ZERO);
            self.writer.shared.update_gauge();
            if let Some(failure) = self.clients.failure() {
                return ClientsEnd::Failed(failure);
            }
            if replacement.is_due(self.clients.connected_at()) {
                return ClientsEnd::Disconnected;
            }
        }
        self.poll_copies(stop);
        self.write_due_letters();
        drop(self.clients.producer.flush(FINAL_WRITES_WAIT));
        ClientsEnd::Stopped
    }

    /// From time to time: is the topic there, and are there more partitions of it?
    fn check_topic(&mut self) {
        let now = Instant::now();
        if now < self.check_topic_at {
            return;
        }
        let DeadLetterWriter {
            topic, reporting, ..
        } = self.writer;
        let found = topic_offsets::fetch_partition_count(
            self.clients.tail.client(),
            topic,
            REQUIRED_RIGHTS,
        );
        match found {
            Ok(partitions) => {
                reporting.clear_dead_letter_error(DeadLetterTask::Topic);
                self.backoff.reset();
                self.check_topic_at = now + TOPIC_CHECK_INTERVAL;
                self.read_partitions(partitions);
                self.check_read_right();
            }
            Err(unready) => {
                reporting.on_dead_letters_unavailable(unready);
                self.check_topic_at = now + self.backoff.next_wait(rand::random());
            }
        }
    }

    /// Reads these many partitions, those not read yet from shortly before their end: what is there
    /// when they are found may be a copy of what this replica has found meanwhile.
    fn read_partitions(&mut self, partitions: usize) {
        if partitions == self.positions.len() {
            return;
        }
        let numbers = 0..i32::try_from(partitions).unwrap_or(i32::MAX);
        let start = |partition| {
            let (topic, tail) = (&self.writer.topic, &self.clients.tail);
            let (low, high) =
                tail.fetch_watermarks(topic, partition, topic_offsets::BROKER_TIMEOUT)?;
            Ok(low.max(high - REREAD_COPIES))
        };
        match numbers.map(start).collect::<KafkaResult<Vec<_>>>() {
            Ok(starts) => self.read_from(starts),
            Err(error) => self.writer.shared.events.dead_letters_error(&error),
        }
    }

    /// Reads every partition from these offsets.
    fn read_from(&mut self, starts: Vec<i64>) {
        let list = topic_offsets::offset_list(&self.writer.topic, &with_partition_numbers(&starts));
        match list.and_then(|list| self.clients.tail.assign(&list)) {
            Ok(()) => self.positions = starts,
            Err(error) => self.writer.shared.events.dead_letters_error(&error),
        }
    }

    /// Goes on behind copies that cannot be read.
    fn skip_unreadable_batches(&mut self, stop: &StopSignal) {
        let patience = unreadable::SearchDeadline {
            until: Instant::now() + TOPIC_CHECK_INTERVAL,
            stop: Some(stop),
        };
        let starts = with_partition_numbers(&self.positions).into_iter();
        let starts: Vec<_> = starts
            .map(|(one, from)| (one, StartPosition::At(from)))
            .collect();
        let found = self.finder.find(&starts, &patience);
        for batch in &found {
            self.on_read(batch.partition, batch.next);
            let events = &self.writer.shared.events;
            events.batch_skipped(ClientRole::DeadLetters, &self.writer.topic, batch);
        }
        if !found.is_empty() {
            self.read_from(self.positions.clone());
        }
    }

    /// A partition is read up to that offset.
    fn on_read(&mut self, partition: i32, next: i64) {
        let place = usize::try_from(partition).ok();
        if let Some(position) = place.and_then(|place| self.positions.get_mut(place)) {
            *position = next;
        }
    }

    /// A right to read that was missing may have come.
    fn check_read_right(&self) {
        let Some(name) = librdkafka::topic_name(&self.writer.topic) else {
            return;
        };
        let client = self.clients.tail.client();
        if librdkafka::cached_high_watermark(client, &name, 0).is_some_and(|mark| mark >= 0) {
            self.writer
                .reporting
                .clear_dead_letter_error(DeadLetterTask::Read);
        }
    }

    /// Takes part in the group.
    fn poll_election(&self) {
        while let Some(polled) = self.clients.election.poll(Duration::ZERO) {
            // A record that was on its way before its partition was paused says nothing.
            let Err(error) = polled else { continue };
            self.on_error(DeadLetterTask::Group, &error);
        }
    }

    /// Sees the copies that have come, waiting for them a little.
    fn poll_copies(&mut self, stop: &StopSignal) {
        let mut patience = TICK;
        let mut unreadable = false;
        for _ in 0..MAX_COPIES_PER_POLL {
            let Some(polled) = self.clients.tail.poll(patience) else {
                break;
            };
            match polled {
                Ok(copy) => {
                    self.on_copy(&copy);
                    let (partition, next) = (copy.partition(), copy.offset() + 1);
                    drop(copy);
                    self.on_read(partition, next);
                }
                Err(error) if error.rdkafka_error_code().is_some_and(is_unreadable_batch) => {
                    unreadable = true;
                }
                Err(error) => self.on_error(DeadLetterTask::Read, &error),
            }
            patience = Duration::ZERO;
        }
        if unreadable {
            self.skip_unreadable_batches(stop);
        }
    }

    fn on_copy(&self, copy: &BorrowedMessage<'_>) {
        let origin = DeadLetterOrigin::read(librdkafka::headers(copy));
        let ours = origin.filter(|it| it.topic == self.writer.reporting.topic.as_bytes());
        if let Some(origin) = ours {
            let value = copy.payload().unwrap_or_default();
            self.writer
                .shared
                .on_copy_seen(DeadLetterId::new(origin.at, copy.key(), value));
        }
    }

    /// Writes what is due. Without the topic nothing is: who cannot see copies must not write.
    fn write_due_letters(&self) {
        if self.positions.is_empty() {
            return;
        }
        let due = self
            .writer
            .shared
            .lock_held()
            .take_due_letters(Instant::now(), MAX_LETTERS_PER_WRITE);
        for letter in due {
            self.clients.send(&letter);
        }
    }

    fn on_error(&self, trouble: DeadLetterTask, error: &KafkaError) {
        // The status of Kafka is the consumer's to tell.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        let DeadLetterWriter {
            topic, reporting, ..
        } = self.writer;
        if !reporting.on_dead_letter_error(trouble, error, topic) {
            reporting.events.dead_letters_error(error);
        }
    }
}

/// Each with its partition's number.
fn with_partition_numbers(offsets: &[i64]) -> Vec<(i32, i64)> {
    (0..).zip(offsets.iter().copied()).collect()
}

/// The rights that are needed on the dead letters' topic.
pub(crate) const REQUIRED_RIGHTS: &str = "Describe, Read and Write";

/// The time for which the thread waits for copies at once, and so the longest a due letter waits.
const TICK: Duration = Duration::from_millis(20);
const MAX_COPIES_PER_POLL: usize = 500;
const MAX_LETTERS_PER_WRITE: usize = 100;
const TOPIC_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// The number of copies of each partition that are read again when it is found.
const REREAD_COPIES: i64 = 1_000;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The longest time for which a stop waits for writes in flight.
const FINAL_WRITES_WAIT: Duration = Duration::from_secs(2);
