//! Keeps one kind of event from flooding the log: a line a second, the rest counted. Pure.

use std::num::NonZeroU32;
use std::time::Instant;

use crate::rate_limiter::RateLimiter;

/// Decides which of one event's lines are written.
#[derive(Debug)]
pub(crate) struct EventLogThrottle {
    rate_limiter: RateLimiter,
    held_back: u64,
}

impl EventLogThrottle {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            rate_limiter: RateLimiter::new(NonZeroU32::MIN, now),
            held_back: 0,
        }
    }

    /// Decides whether to write a line now: how many were held back since the last one, or `None` to hold
    /// this one back too.
    pub(crate) fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.rate_limiter.try_take(now).is_err() {
            self.held_back += 1;
            return None;
        }
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_line_a_second_and_the_next_one_says_how_many_were_held_back() {
        let start = Instant::now();
        let mut throttled = EventLogThrottle::new(start);
        assert_eq!(throttled.admit(start), Some(0));
        assert_eq!(throttled.admit(start), None);
        assert_eq!(throttled.admit(start + Duration::from_millis(999)), None);
        assert_eq!(throttled.admit(start + Duration::from_secs(1)), Some(2));
        assert_eq!(throttled.admit(start + Duration::from_secs(2)), Some(0));
    }
}
