//! Keeps the state whether this process takes sockets. The process's wiring writes it; the edge reads it before
//! each upgrade and the admin port on each probe, from a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use telemetry::Heartbeat;

use crate::clock;

/// The state of the process as a whole. A cheap handle: clones are the same state.
#[derive(Debug, Clone)]
pub struct Health(Arc<HealthInner>);

/// The causes that stand in the way of serving, in sentences for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// The reasons for which this process takes no sockets. Empty: it takes them.
    pub missing: Vec<String>,
    /// Services that are away without keeping sockets out.
    pub degraded: Vec<String>,
}

/// The decision whether a socket may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketAdmission {
    /// It may.
    Open,
    /// Something is missing still, or again.
    NotReady,
    /// The process is about to end.
    Draining,
}

#[derive(Debug)]
struct HealthInner {
    state: Mutex<HealthState>,
    /// The runtime's heartbeat.
    heartbeat: Heartbeat,
    /// True once nothing was missing.
    started: AtomicBool,
}

#[derive(Debug)]
struct HealthState {
    readiness: Readiness,
    stage: ShutdownStage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShutdownStage {
    Running,
    /// No longer ready, and still taking sockets while load balancers take note.
    ShuttingDown,
    /// No longer taking sockets.
    Draining,
}

impl Health {
    /// The age of the last heartbeat after which the runtime counts as stuck.
    pub const STUCK_AFTER: Duration = Duration::from_secs(10);
    const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

    /// A process that is just starting: not ready.
    pub fn new_starting() -> Self {
        let readiness = Readiness {
            missing: vec!["starting".to_owned()],
            degraded: Vec::new(),
        };
        Self(Arc::new(HealthInner {
            state: Mutex::new(HealthState {
                readiness,
                stage: ShutdownStage::Running,
            }),
            heartbeat: Heartbeat::new(clock::now()),
            started: AtomicBool::new(false),
        }))
    }

    /// Takes what stands in the way now; returns what did before.
    pub fn set_readiness(&self, readiness: Readiness) -> Readiness {
        if readiness.missing.is_empty() {
            self.0.started.store(true, Ordering::Relaxed);
        }
        std::mem::replace(&mut self.lock_state().readiness, readiness)
    }

    /// From now on not ready; sockets are still taken.
    pub fn begin_shutdown(&self) {
        let mut state = self.lock_state();
        if state.stage == ShutdownStage::Running {
            state.stage = ShutdownStage::ShuttingDown;
        }
    }

    /// From now on no sockets are taken.
    pub fn stop_admitting(&self) {
        self.lock_state().stage = ShutdownStage::Draining;
    }

    /// The decision whether a socket may come in.
    pub fn admission(&self) -> SocketAdmission {
        let state = self.lock_state();
        match state.stage {
            ShutdownStage::Draining => SocketAdmission::Draining,
            ShutdownStage::Running | ShutdownStage::ShuttingDown
                if state.readiness.missing.is_empty() =>
            {
                SocketAdmission::Open
            }
            ShutdownStage::Running | ShutdownStage::ShuttingDown => SocketAdmission::NotReady,
        }
    }

    /// Tells whether the start is over: from then on only `/readyz` and `/livez` change.
    pub fn has_started(&self) -> bool {
        self.0.started.load(Ordering::Relaxed)
    }

    /// Returns the causes for `/readyz`.
    pub fn readiness(&self) -> Readiness {
        let state = self.lock_state();
        let mut readiness = state.readiness.clone();
        if state.stage != ShutdownStage::Running {
            readiness.missing.insert(0, "draining".to_owned());
        }
        if self.is_stuck(clock::now()) {
            readiness.missing.push("the runtime is stuck".to_owned());
        }
        readiness
    }

    /// Beats for as long as it is polled, on the runtime that is watched.
    pub async fn run_heartbeat(&self) {
        let mut interval = tokio::time::interval(Self::HEARTBEAT_INTERVAL);
        loop {
            interval.tick().await;
            self.0.heartbeat.record_beat(clock::now());
        }
    }

    /// Tells whether no heartbeat was seen for [`Self::STUCK_AFTER`].
    pub fn is_stuck(&self, now: Instant) -> bool {
        self.0.heartbeat.time_since_beat(now) > Self::STUCK_AFTER
    }

    fn lock_state(&self) -> MutexGuard<'_, HealthState> {
        // Nothing here is left half-changed by a panic.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving() -> Health {
        let health = Health::new_starting();
        health.set_readiness(Readiness::default());
        health
    }

    #[test]
    fn it_starts_not_ready_and_takes_sockets_once_nothing_is_missing() {
        let health = Health::new_starting();
        assert_eq!(health.admission(), SocketAdmission::NotReady);
        assert_eq!(health.readiness().missing, ["starting"]);
        assert!(!health.has_started());
        health.set_readiness(Readiness {
            missing: Vec::new(),
            degraded: vec!["kafka".to_owned()],
        });
        assert_eq!(health.admission(), SocketAdmission::Open);
        assert_eq!(health.readiness().degraded, ["kafka"]);
        health.set_readiness(Readiness {
            missing: vec!["kafka".to_owned()],
            degraded: Vec::new(),
        });
        assert!(health.has_started(), "what comes after is no start");
    }

    #[test]
    fn a_process_that_leaves_is_not_ready_and_takes_sockets_until_it_closes() {
        let health = serving();
        health.begin_shutdown();
        assert_eq!(health.readiness().missing, ["draining"]);
        assert_eq!(health.admission(), SocketAdmission::Open);
        health.stop_admitting();
        assert_eq!(health.admission(), SocketAdmission::Draining);
        health.begin_shutdown();
        assert_eq!(health.admission(), SocketAdmission::Draining, "never back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_runtime_that_does_not_beat_is_stuck() {
        let (born, health) = (clock::now(), serving());
        let limit = Health::STUCK_AFTER;
        assert!(!health.is_stuck(born + limit));
        assert!(health.is_stuck(born + limit + Duration::from_millis(1)));
        tokio::select! {
            () = health.run_heartbeat() => {}
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
        assert!(!health.is_stuck(born + limit + Duration::from_secs(4)));
        assert!(health.is_stuck(born + limit + Duration::from_secs(7)));
    }
}
