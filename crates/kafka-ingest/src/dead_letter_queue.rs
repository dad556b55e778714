//! Dead letters out: what nobody can decode is written to a topic of its own, one copy over all
//! replicas. ADR 0012 has the why.
//!
//! The consumer's thread leaves a letter here ([`DeadLetterQueue::add`]) and goes on; everything that
//! talks to Kafka is done by a thread and clients of their own, so that no answer waits for them.

mod clients;
mod events;
mod held_letters;
mod writer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

pub(crate) use writer::REQUIRED_RIGHTS;

use crate::consumer_reporting::ConsumerReporting;
use crate::dead_letter::{DeadLetter, DeadLetterId};
use crate::events::Events;
use crate::stop_signal::StopHandle;
use crate::{KafkaSettings, StartError};
use held_letters::{HeldLetters, HeldLimits, HoldResult, RetryDecision};
use writer::DeadLetterWriter;

/// The consumer group that names one replica the owner of each partition. Its members read nothing
/// and commit nothing.
pub(crate) const OWNER_GROUP: &str = "answer-gateway-dead-letters";

/// The queue of dead letters. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetterQueue(Arc<DeadLetterState>);

/// The letters, for whoever leaves them and for the thread.
#[derive(Debug)]
struct DeadLetterState {
    held: Mutex<HeldLetters>,
    events: Arc<Events>,
}

/// The thread. Dropping it asks the thread to stop, without waiting for its end.
#[derive(Debug)]
pub(crate) struct DeadLetterThread {
    thread: JoinHandle<()>,
    _stop: StopHandle,
}

impl DeadLetterQueue {
    /// Starts the thread that writes to `topic`. Kafka may be away and the topic missing.
    pub(crate) fn start(
        kafka: &KafkaSettings,
        topic: &str,
        reporting: &Arc<ConsumerReporting>,
    ) -> Result<(Self, DeadLetterThread), StartError> {
        let shared = Arc::new(DeadLetterState {
            held: Mutex::new(HeldLetters::new(HELD_LIMITS, rand::random())),
            events: Arc::clone(&reporting.events),
        });
        let writer =
            DeadLetterWriter::new(kafka, topic, Arc::clone(reporting), Arc::clone(&shared))?;
        let (stop, thread) = writer.spawn()?;
        let running = DeadLetterThread {
            thread,
            _stop: stop,
        };
        Ok((Self(shared), running))
    }

    /// Takes one in. Never waits for Kafka.
    pub(crate) fn add(&self, letter: DeadLetter) {
        let at = letter.at;
        let found = self.0.lock_held().on_found(Instant::now(), letter);
        match found {
            HoldResult::Held => {}
            HoldResult::AlreadyWritten => self.0.events.dead_letter_elsewhere(at),
            HoldResult::NoRoom => self.0.events.dead_letter_no_room(at),
        }
    }
}

impl DeadLetterThread {
    /// Stops, within some seconds: what is due is written first.
    pub(crate) fn stop(self) {
        let Self { thread, _stop } = self;
        drop(_stop);
        // A panic in it has ended the process already.
        drop(thread.join());
    }
}

impl DeadLetterState {
    fn lock_held(&self) -> MutexGuard<'_, HeldLetters> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy stands in the dead letters' topic.
    fn on_copy_seen(&self, mark: DeadLetterId) {
        if self.lock_held().on_copy_seen(mark) {
            self.events.dead_letter_elsewhere(mark.at);
        }
    }

    /// Kafka has taken a copy.
    fn on_written(&self, mark: DeadLetterId) {
        self.lock_held().on_written(mark);
        self.events.dead_letter_written(mark.at);
    }

    /// Kafka has not taken a copy, as far as is known.
    fn on_write_failed(
        &self,
        mark: DeadLetterId,
        again: RetryDecision,
        problem: &dyn std::fmt::Display,
    ) {
        let written = self.lock_held().on_failed(Instant::now(), mark, again);
        match again {
            _ if written => self.events.dead_letter_written(mark.at),
            RetryDecision::Retry => self.events.dead_letter_waits(mark.at, problem),
            RetryDecision::Never => self.events.dead_letter_refused(mark.at, problem),
        }
    }

    fn update_gauge(&self) {
        let held = self.lock_held();
        self.events
            .dead_letters_held(held.len(), held.limits().letters);
    }
}

/// Bounds of the letters that Kafka does not take, or that another replica has not written yet.
const HELD_LIMITS: HeldLimits = HeldLimits {
    letters: 10_000,
    bytes: 64 << 20,
};
