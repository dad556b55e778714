//! The pulse of a thread or a runtime: when it last looked up from its work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Beaten by who works, felt by others; neither waits for the other.
#[derive(Debug)]
pub struct Pulse {
    born: Instant,
    /// Milliseconds after `born`.
    beat: AtomicU64,
}

impl Pulse {
    /// It beats for the first time.
    pub fn new(now: Instant) -> Self {
        Self {
            born: now,
            beat: AtomicU64::new(0),
        }
    }

    /// It beats.
    pub fn beat(&self, now: Instant) {
        let since = now.saturating_duration_since(self.born);
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.beat.store(millis, Ordering::Relaxed);
    }

    /// How long ago it last beat.
    pub fn since(&self, now: Instant) -> Duration {
        let beat = Duration::from_millis(self.beat.load(Ordering::Relaxed));
        now.saturating_duration_since(self.born + beat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_since_the_last_beat_is_felt() {
        let born = Instant::now();
        let (second, pulse) = (Duration::from_secs(1), Pulse::new(born));
        assert_eq!(pulse.since(born + second), second);
        pulse.beat(born + second);
        assert_eq!(pulse.since(born + 3 * second), 2 * second);
    }
}
