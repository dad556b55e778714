//! Whether this process takes sockets. Whoever wires the process writes it; the edge reads it before
//! each upgrade and the admin port on each probe, from a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use telemetry::Pulse;

use crate::clock;

/// The state of the process as a whole. A cheap handle: clones are the same state.
#[derive(Debug, Clone)]
pub struct Health(Arc<Inner>);

/// What stands in the way of serving, in sentences for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Why this process takes no sockets. Empty: it takes them.
    pub missing: Vec<String>,
    /// What is away without keeping sockets out.
    pub degraded: Vec<String>,
}

/// Whether a socket may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Open,
    /// Something is missing still, or again.
    NotReady,
    /// The process is about to end.
    Draining,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    /// The runtime's heartbeat.
    pulse: Pulse,
    /// Whether nothing was missing at any time.
    started: AtomicBool,
}

#[derive(Debug)]
struct State {
    readiness: Readiness,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// No longer ready, and still taking sockets while load balancers take note.
    Leaving,
    /// No longer taking sockets.
    Draining,
}

impl Health {
    /// How old the last heartbeat may be before the runtime counts as stuck.
    pub const STUCK_AFTER: Duration = Duration::from_secs(10);
    const BEAT: Duration = Duration::from_secs(1);

    /// A process that is just starting: not ready.
    pub fn starting() -> Self {
        let readiness = Readiness {
            missing: vec!["starting".to_owned()],
            degraded: Vec::new(),
        };
        Self(Arc::new(Inner {
            state: Mutex::new(State {
                readiness,
                stage: Stage::Running,
            }),
            pulse: Pulse::new(clock::now()),
            started: AtomicBool::new(false),
        }))
    }

    /// Takes what stands in the way now; returns what did before.
    pub fn set(&self, readiness: Readiness) -> Readiness {
        if readiness.missing.is_empty() {
            self.0.started.store(true, Ordering::Relaxed);
        }
        std::mem::replace(&mut self.state().readiness, readiness)
    }

    /// From now on not ready; sockets are still taken.
    pub fn leave(&self) {
        let mut state = self.state();
        if state.stage == Stage::Running {
            state.stage = Stage::Leaving;
        }
    }

    /// From now on no sockets are taken.
    pub fn close(&self) {
        self.state().stage = Stage::Draining;
    }

    /// Whether a socket may come in.
    pub fn admission(&self) -> Admission {
        let state = self.state();
        match state.stage {
            Stage::Draining => Admission::Draining,
            Stage::Running | Stage::Leaving if state.readiness.missing.is_empty() => {
                Admission::Open
            }
            Stage::Running | Stage::Leaving => Admission::NotReady,
        }
    }

    /// Whether the start is over: from then on only `/readyz` and `/livez` change.
    pub fn has_started(&self) -> bool {
        self.0.started.load(Ordering::Relaxed)
    }

    /// What `/readyz` says.
    pub fn readiness(&self) -> Readiness {
        let state = self.state();
        let mut readiness = state.readiness.clone();
        if state.stage != Stage::Running {
            readiness.missing.insert(0, "draining".to_owned());
        }
        if self.is_stuck(clock::now()) {
            readiness.missing.push("the runtime is stuck".to_owned());
        }
        readiness
    }

    /// Beats for as long as it is polled, on the runtime that is watched.
    pub async fn beat(&self) {
        let mut interval = tokio::time::interval(Self::BEAT);
        loop {
            interval.tick().await;
            self.0.pulse.beat(clock::now());
        }
    }

    /// Whether no heartbeat was seen for [`Self::STUCK_AFTER`].
    pub fn is_stuck(&self, now: Instant) -> bool {
        self.0.pulse.since(now) > Self::STUCK_AFTER
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here is left half-changed by a panic.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving() -> Health {
        let health = Health::starting();
        health.set(Readiness::default());
        health
    }

    #[test]
    fn it_starts_not_ready_and_takes_sockets_once_nothing_is_missing() {
        let health = Health::starting();
        assert_eq!(health.admission(), Admission::NotReady);
        assert_eq!(health.readiness().missing, ["starting"]);
        assert!(!health.has_started());
        health.set(Readiness {
            missing: Vec::new(),
            degraded: vec!["kafka".to_owned()],
        });
        assert_eq!(health.admission(), Admission::Open);
        assert_eq!(health.readiness().degraded, ["kafka"]);
        health.set(Readiness {
            missing: vec!["kafka".to_owned()],
            degraded: Vec::new(),
        });
        assert!(health.has_started(), "what comes after is no start");
    }

    #[test]
    fn a_process_that_leaves_is_not_ready_and_takes_sockets_until_it_closes() {
        let health = serving();
        health.leave();
        assert_eq!(health.readiness().missing, ["draining"]);
        assert_eq!(health.admission(), Admission::Open);
        health.close();
        assert_eq!(health.admission(), Admission::Draining);
        health.leave();
        assert_eq!(health.admission(), Admission::Draining, "never back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_runtime_that_does_not_beat_is_stuck() {
        let (born, health) = (clock::now(), serving());
        let limit = Health::STUCK_AFTER;
        assert!(!health.is_stuck(born + limit));
        assert!(health.is_stuck(born + limit + Duration::from_millis(1)));
        tokio::select! {
            () = health.beat() => {}
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
        assert!(!health.is_stuck(born + limit + Duration::from_secs(4)));
        assert!(health.is_stuck(born + limit + Duration::from_secs(7)));
    }
}
