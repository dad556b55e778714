//! Decides when a thread that talks to Kafka counts as stuck. Pure.

use std::time::Duration;

/// Told again and again how long the thread has been silent.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    looks: u32,
}

impl Silence {
    /// Far above the longest call to Kafka that has a deadline.
    const LONGEST: Duration = Duration::from_secs(60);
    /// A process that was stopped and goes on gets so many looks to do so.
    const LOOKS: u32 = 5;

    /// True when the thread does not come back any more.
    pub(crate) fn is_for_good(&mut self, silent_for: Duration) -> bool {
        self.looks = if silent_for > Self::LONGEST {
            self.looks + 1
        } else {
            0
        };
        self.looks > Self::LOOKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_millis(60_001);

    #[test]
    fn a_thread_that_stays_silent_is_stuck() {
        let mut silence = Silence::default();
        for _ in 0..Silence::LOOKS {
            assert!(!silence.is_for_good(LONG));
        }
        assert!(silence.is_for_good(LONG));
    }

    #[test]
    fn one_that_was_only_stopped_or_slow_is_not() {
        let mut silence = Silence::default();
        for _ in 0..20 {
            assert!(!silence.is_for_good(Silence::LONGEST));
        }
        for _ in 0..20 {
            for _ in 0..Silence::LOOKS {
                assert!(!silence.is_for_good(LONG));
            }
            assert!(!silence.is_for_good(Duration::ZERO), "it goes on");
        }
    }
}
