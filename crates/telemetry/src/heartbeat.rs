//! The pulse of a thread or a runtime: when it last looked up from its work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Beaten by who works, felt by others; neither waits for the other.
#[derive(Debug)]
pub struct Heartbeat {
    started: Instant,
    /// Milliseconds after `born`.
    last_beat_millis: AtomicU64,
}

impl Heartbeat {
    /// It beats for the first time.
    pub fn new(now: Instant) -> Self {
        Self {
            started: now,
            last_beat_millis: AtomicU64::new(0),
        }
    }

    /// It beats.
    pub fn record_beat(&self, now: Instant) {
        let since = now.saturating_duration_since(self.started);
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.last_beat_millis.store(millis, Ordering::Relaxed);
    }

    /// Returns the time since it last beat.
    pub fn time_since_beat(&self, now: Instant) -> Duration {
        let beat = Duration::from_millis(self.last_beat_millis.load(Ordering::Relaxed));
        now.saturating_duration_since(self.started + beat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_since_the_last_beat_is_felt() {
        let born = Instant::now();
        let (second, pulse) = (Duration::from_secs(1), Heartbeat::new(born));
        assert_eq!(pulse.time_since_beat(born + second), second);
        pulse.record_beat(born + second);
        assert_eq!(pulse.time_since_beat(born + 3 * second), 2 * second);
    }
}
