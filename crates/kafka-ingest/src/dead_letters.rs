//! Dead letters out: what nobody can decode is written to a topic of its own, one copy over all
//! replicas. ADR 0012 has the why.
//!
//! The consumer's thread leaves a letter here ([`DeadLetters::found`]) and goes on; everything that
//! talks to Kafka is done by a thread and clients of their own, so that no answer waits for them.

mod clients;
mod events;
mod held;
mod writer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

pub(crate) use writer::RIGHTS;

use crate::dead_letter::{DeadLetter, Mark};
use crate::events::Events;
use crate::reporting::Reporting;
use crate::stop::StopAsked;
use crate::{KafkaSettings, StartError};
use held::{Again, Found, Held, Limits};
use writer::Writer;

/// The consumer group that names one replica the owner of each partition. Its members read nothing
/// and commit nothing.
pub(crate) const GROUP: &str = "answer-gateway-dead-letters";

/// Where dead letters are left. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetters(Arc<Shared>);

/// The letters, for whoever leaves them and for the thread.
#[derive(Debug)]
struct Shared {
    held: Mutex<Held>,
    events: Arc<Events>,
}

/// The thread. Dropping it asks the thread to stop, without waiting for its end.
#[derive(Debug)]
pub(crate) struct Running {
    thread: JoinHandle<()>,
    _stop: StopAsked,
}

impl DeadLetters {
    /// Starts the thread that writes to `topic`. Kafka may be away and the topic missing.
    pub(crate) fn start(
        kafka: &KafkaSettings,
        topic: &str,
        reporting: &Arc<Reporting>,
    ) -> Result<(Self, Running), StartError> {
        let shared = Arc::new(Shared {
            held: Mutex::new(Held::new(LIMITS, rand::random())),
            events: Arc::clone(&reporting.events),
        });
        let writer = Writer::new(kafka, topic, Arc::clone(reporting), Arc::clone(&shared))?;
        let (stop, thread) = writer.spawn()?;
        let running = Running {
            thread,
            _stop: stop,
        };
        Ok((Self(shared), running))
    }

    /// Takes one in. Never waits for Kafka.
    pub(crate) fn found(&self, letter: DeadLetter) {
        let at = letter.at;
        let found = self.0.held().on_found(Instant::now(), letter);
        match found {
            Found::Held => {}
            Found::Elsewhere => self.0.events.dead_letter_elsewhere(at),
            Found::NoRoom => self.0.events.dead_letter_no_room(at),
        }
    }
}

impl Running {
    /// Stops, within some seconds: what is due is written first.
    pub(crate) fn stop(self) {
        let Self { thread, _stop } = self;
        drop(_stop);
        // A panic in it has ended the process already.
        drop(thread.join());
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy stands in the dead letters' topic.
    fn seen(&self, mark: Mark) {
        if self.held().on_seen(mark) {
            self.events.dead_letter_elsewhere(mark.at);
        }
    }

    /// Kafka has taken a copy.
    fn written(&self, mark: Mark) {
        self.held().on_written(mark);
        self.events.dead_letter_written(mark.at);
    }

    /// Kafka has not taken a copy, as far as is known.
    fn not_written(&self, mark: Mark, again: Again, problem: &dyn std::fmt::Display) {
        let written = self.held().on_failed(Instant::now(), mark, again);
        match again {
            _ if written => self.events.dead_letter_written(mark.at),
            Again::Later => self.events.dead_letter_waits(mark.at, problem),
            Again::Never => self.events.dead_letter_refused(mark.at, problem),
        }
    }

    fn gauge(&self) {
        let held = self.held();
        self.events
            .dead_letters_held(held.len(), held.limits().letters);
    }
}

/// What may be held while Kafka does not take it, or another replica has not written it yet.
const LIMITS: Limits = Limits {
    letters: 10_000,
    bytes: 64 << 20,
};
