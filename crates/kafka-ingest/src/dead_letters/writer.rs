//! The thread of the dead letters: keeps their clients going, sees the copies that stand in the
//! topic, and writes those whose time has come. What is decided is decided in [`super::held`].

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::Producer;

use super::Shared;
use super::clients::{Clients, Configs};
use crate::assignment::Start;
use crate::backoff::Backoff;
use crate::dead_letter::{Mark, Origin};
use crate::events::Client;
use crate::replacement::ClientReplacement;
use crate::reporting::Reporting;
use crate::status::DeadLetterTrouble;
use crate::stop::{Stop, StopAsked, stop};
use crate::unreadable::{self, Finder, is_unreadable};
use crate::{KafkaSettings, StartError, native, positions};

/// Everything the thread owns.
pub(super) struct Writer {
    configs: Configs,
    /// The dead letters' topic.
    topic: Arc<str>,
    reporting: Arc<Reporting>,
    shared: Arc<Shared>,
    kafka: KafkaSettings,
}

/// The reason for which a set of clients is given up.
enum ShiftEnd {
    /// The stop was asked for.
    Stopped,
    /// A client has had no connection to a broker for as long as it may.
    Disconnected,
    /// A client failed for good.
    Failed(String),
}

/// One set of clients, and how far it is.
struct Shift<'a> {
    clients: Clients,
    of: &'a Writer,
    /// The next position of each partition of the dead letters' topic; none while it is missing.
    positions: Vec<i64>,
    finder: Finder,
    look_at: Instant,
    backoff: Backoff,
}

impl Writer {
    pub(super) fn new(
        kafka: &KafkaSettings,
        topic: &str,
        reporting: Arc<Reporting>,
        shared: Arc<Shared>,
    ) -> Result<Self, StartError> {
        Ok(Self {
            configs: Configs::new(kafka)?,
            topic: topic.into(),
            reporting,
            shared,
            kafka: kafka.clone(),
        })
    }

    /// Starts the thread. Clients that cannot even be created are the caller's to know.
    pub(super) fn spawn(self) -> Result<(StopAsked, JoinHandle<()>), StartError> {
        let (asked, stop) = stop();
        let first = self.clients().map_err(StartError::client)?;
        self.shared.events.dead_letters_started(&self.topic);
        let thread = thread::Builder::new()
            .name("dead-letters".to_owned())
            .spawn(move || self.run(first, &stop))
            .map_err(StartError::Thread)?;
        Ok((asked, thread))
    }

    fn run(self, first: Clients, stop: &Stop) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut replacement = ClientReplacement::new(&self.kafka);
        let mut next = KafkaResult::Ok(first);
        loop {
            let since = Instant::now();
            let end = match next {
                Ok(clients) => Shift::new(clients, &self).work(stop, &mut replacement),
                Err(error) => ShiftEnd::Failed(error.to_string()),
            };
            self.shared.held().on_producer_gone(Instant::now());
            match end {
                ShiftEnd::Stopped => break,
                ShiftEnd::Failed(failure) => self.shared.events.dead_letters_failed(&failure),
                ShiftEnd::Disconnected => {
                    let disconnected_for = replacement.disconnected_for();
                    let events = &self.shared.events;
                    events.client_replaced(Client::DeadLetters, disconnected_for);
                    replacement.on_replaced();
                }
            }
            if since.elapsed() > LONGEST_WAIT {
                backoff.succeeded();
            }
            if stop.wait(backoff.after_failure(rand::random())) {
                break;
            }
            next = self.clients();
            replacement.on_created();
        }
        let held = self.shared.held().len();
        self.shared.events.dead_letters_stopped(&self.topic, held);
    }

    fn clients(&self) -> KafkaResult<Clients> {
        Clients::create(&self.configs, &self.topic, &self.shared, &self.reporting)
    }
}

impl<'a> Shift<'a> {
    fn new(clients: Clients, of: &'a Writer) -> Self {
        Self {
            finder: Finder::new(clients.tail.config(), Arc::clone(&of.topic)),
            clients,
            of,
            positions: Vec::new(),
            look_at: Instant::now(),
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
        }
    }

    /// Works until the stop is asked for, or until the clients are to be replaced.
    fn work(mut self, stop: &Stop, replacement: &mut ClientReplacement) -> ShiftEnd {
        while !stop.is_asked() {
            self.look();
            self.elect();
            self.see(stop);
            self.write();
            self.clients.producer.poll(Duration::ZERO);
            self.of.shared.gauge();
            if let Some(failure) = self.clients.failure() {
                return ShiftEnd::Failed(failure);
            }
            if replacement.is_due(self.clients.connected_at()) {
                return ShiftEnd::Disconnected;
            }
        }
        self.see(stop);
        self.write();
        drop(self.clients.producer.flush(LAST_WRITES));
        ShiftEnd::Stopped
    }

    /// From time to time: is the topic there, and are there more partitions of it?
    fn look(&mut self) {
        let now = Instant::now();
        if now < self.look_at {
            return;
        }
        let Writer {
            topic, reporting, ..
        } = self.of;
        let found = positions::partition_count(self.clients.tail.client(), topic, RIGHTS);
        match found {
            Ok(partitions) => {
                reporting.dead_letters_healed(DeadLetterTrouble::Topic);
                self.backoff.succeeded();
                self.look_at = now + LOOK_EVERY;
                self.follow(partitions);
                self.look_at_reading();
            }
            Err(unready) => {
                reporting.dead_letters_unready(unready);
                self.look_at = now + self.backoff.after_failure(rand::random());
            }
        }
    }

    /// Reads these many partitions, those not read yet from shortly before their end: what is there
    /// when they are found may be a copy of what this replica has found meanwhile.
    fn follow(&mut self, partitions: usize) {
        if partitions == self.positions.len() {
            return;
        }
        let numbers = 0..i32::try_from(partitions).unwrap_or(i32::MAX);
        let start = |partition| {
            let (topic, tail) = (&self.of.topic, &self.clients.tail);
            let (low, high) = tail.fetch_watermarks(topic, partition, positions::PATIENCE)?;
            Ok(low.max(high - LOOK_BACK))
        };
        match numbers.map(start).collect::<KafkaResult<Vec<_>>>() {
            Ok(starts) => self.read_from(starts),
            Err(error) => self.of.shared.events.dead_letters_error(&error),
        }
    }

    /// Reads every partition from these offsets.
    fn read_from(&mut self, starts: Vec<i64>) {
        let list = positions::offsets(&self.of.topic, &numbered(&starts));
        match list.and_then(|list| self.clients.tail.assign(&list)) {
            Ok(()) => self.positions = starts,
            Err(error) => self.of.shared.events.dead_letters_error(&error),
        }
    }

    /// Goes on behind copies that cannot be read.
    fn step_over(&mut self, stop: &Stop) {
        let patience = unreadable::Patience {
            until: Instant::now() + LOOK_EVERY,
            stop: Some(stop),
        };
        let starts = numbered(&self.positions).into_iter();
        let starts: Vec<_> = starts.map(|(one, from)| (one, Start::At(from))).collect();
        let found = self.finder.find(&starts, &patience);
        for batch in &found {
            self.on_read(batch.partition, batch.next);
            let events = &self.of.shared.events;
            events.stepped_over(Client::DeadLetters, &self.of.topic, batch);
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
    fn look_at_reading(&self) {
        let Some(name) = native::topic_name(&self.of.topic) else {
            return;
        };
        let client = self.clients.tail.client();
        if native::cached_high_watermark(client, &name, 0).is_some_and(|mark| mark >= 0) {
            self.of
                .reporting
                .dead_letters_healed(DeadLetterTrouble::Read);
        }
    }

    /// Takes part in the group.
    fn elect(&self) {
        while let Some(polled) = self.clients.election.poll(Duration::ZERO) {
            // A record that was on its way before its partition was paused says nothing.
            let Err(error) = polled else { continue };
            self.on_error(DeadLetterTrouble::Group, &error);
        }
    }

    /// Sees the copies that have come, waiting for them a little.
    fn see(&mut self, stop: &Stop) {
        let mut patience = TICK;
        let mut unreadable = false;
        for _ in 0..COPIES_A_TURN {
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
                Err(error) if error.rdkafka_error_code().is_some_and(is_unreadable) => {
                    unreadable = true;
                }
                Err(error) => self.on_error(DeadLetterTrouble::Read, &error),
            }
            patience = Duration::ZERO;
        }
        if unreadable {
            self.step_over(stop);
        }
    }

    fn on_copy(&self, copy: &BorrowedMessage<'_>) {
        let origin = Origin::read(native::headers(copy));
        let ours = origin.filter(|it| it.topic == self.of.reporting.topic.as_bytes());
        if let Some(origin) = ours {
            let value = copy.payload().unwrap_or_default();
            self.of.shared.seen(Mark::new(origin.at, copy.key(), value));
        }
    }

    /// Writes what is due. Without the topic nothing is: who cannot see copies must not write.
    fn write(&self) {
        if self.positions.is_empty() {
            return;
        }
        let due = self
            .of
            .shared
            .held()
            .take_due(Instant::now(), LETTERS_A_TURN);
        for letter in due {
            self.clients.send(&letter);
        }
    }

    fn on_error(&self, trouble: DeadLetterTrouble, error: &KafkaError) {
        // The status of Kafka is the consumer's to tell.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        let Writer {
            topic, reporting, ..
        } = self.of;
        if !reporting.dead_letters_trouble(trouble, error, topic) {
            reporting.events.dead_letters_error(error);
        }
    }
}

/// Each with its partition's number.
fn numbered(offsets: &[i64]) -> Vec<(i32, i64)> {
    (0..).zip(offsets.iter().copied()).collect()
}

/// The rights that are needed on the dead letters' topic.
pub(crate) const RIGHTS: &str = "Describe, Read and Write";

/// How long the thread waits for copies at a time, and so the longest a due letter waits.
const TICK: Duration = Duration::from_millis(20);
const COPIES_A_TURN: usize = 500;
const LETTERS_A_TURN: usize = 100;
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How many copies of each partition are read again when it is found.
const LOOK_BACK: i64 = 1_000;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How long a stop waits for what is under way.
const LAST_WRITES: Duration = Duration::from_secs(2);
