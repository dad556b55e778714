//! Waiting times between attempts: exponential, bounded, jittered. Pure: randomness comes in.

use std::time::Duration;

/// Computes the wait before the next attempt. Each failure doubles it, up to a limit.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    limit: Duration,
    failures: u32,
}

impl Backoff {
    /// Starts at `first` and never waits longer than `limit`.
    pub(crate) const fn new(first: Duration, limit: Duration) -> Self {
        Self {
            first,
            limit,
            failures: 0,
        }
    }

    /// The wait after one more failure; `random` is uniform in 0..1. Between half and the whole of
    /// the present step, so that processes that failed together do not come back together.
    pub(crate) fn next_wait(&mut self, random: f64) -> Duration {
        let step = self
            .first
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(self.limit);
        self.failures = self.failures.saturating_add(1);
        step.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }

    /// The attempt succeeded: start over.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const LIMIT: Duration = Duration::from_secs(5);

    #[test]
    fn waits_double_up_to_the_limit_and_start_over_after_success() {
        let mut backoff = Backoff::new(FIRST, LIMIT);
        let waits: Vec<_> = (0..8).map(|_| backoff.next_wait(1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.next_wait(1.0), FIRST);
    }

    #[test]
    fn jitter_takes_away_at_most_half() {
        for random in [0.0, 0.3, 0.999] {
            let wait = Backoff::new(FIRST, LIMIT).next_wait(random);
            assert!(FIRST / 2 <= wait && wait <= FIRST, "{wait:?}");
        }
    }

    #[test]
    fn a_million_failures_do_not_overflow() {
        let mut backoff = Backoff::new(FIRST, LIMIT);
        let last = (0..1_000_000).map(|_| backoff.next_wait(1.0)).last();
        assert_eq!(last, Some(LIMIT));
    }
}
