//! Decides when a thread that talks to Kafka counts as stuck. Pure.

use std::time::Duration;

/// Told again and again how long the thread has been silent.
#[derive(Debug, Default)]
pub(crate) struct StallDetector {
    silent_checks: u32,
}

impl StallDetector {
    /// Far above the longest call to Kafka that has a deadline.
    const MAX_SILENCE: Duration = Duration::from_secs(60);
    /// A process that was stopped and goes on gets so many looks to do so.
    const CONFIRMING_CHECKS: u32 = 5;

    /// True when the thread does not come back any more.
    pub(crate) fn is_stalled(&mut self, silent_for: Duration) -> bool {
        self.silent_checks = if silent_for > Self::MAX_SILENCE {
            self.silent_checks + 1
        } else {
            0
        };
        self.silent_checks > Self::CONFIRMING_CHECKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_millis(60_001);

    #[test]
    fn a_thread_that_stays_silent_is_stuck() {
        let mut silence = StallDetector::default();
        for _ in 0..StallDetector::CONFIRMING_CHECKS {
            assert!(!silence.is_stalled(LONG));
        }
        assert!(silence.is_stalled(LONG));
    }

    #[test]
    fn one_that_was_only_stopped_or_slow_is_not() {
        let mut silence = StallDetector::default();
        for _ in 0..20 {
            assert!(!silence.is_stalled(StallDetector::MAX_SILENCE));
        }
        for _ in 0..20 {
            for _ in 0..StallDetector::CONFIRMING_CHECKS {
                assert!(!silence.is_stalled(LONG));
            }
            assert!(!silence.is_stalled(Duration::ZERO), "it goes on");
        }
    }
}
