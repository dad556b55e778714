//! A rate limit that takes the time as an argument: so many in a second, in bursts of as many.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// The generic cell rate algorithm: one instant of state.
#[derive(Debug, Clone)]
pub(crate) struct RateLimiter {
    /// The cost of one event.
    cost: Duration,
    /// The time at which everything taken so far is paid for.
    paid_at: Instant,
}

impl RateLimiter {
    const BURST: Duration = Duration::from_secs(1);

    /// `per_second` events in a second, as many at once after a quiet second.
    pub(crate) fn new(per_second: NonZeroU32, now: Instant) -> Self {
        Self {
            cost: Self::BURST / per_second.get(),
            paid_at: now,
        }
    }

    /// Takes one event, or says how long to wait for the next.
    pub(crate) fn try_take(&mut self, now: Instant) -> Result<(), Duration> {
        let paid_at = self.paid_at.max(now) + self.cost;
        let ahead = paid_at - now;
        if ahead > Self::BURST {
            return Err(ahead - Self::BURST);
        }
        self.paid_at = paid_at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_one_seconds_worth_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut rate = RateLimiter::new(NonZeroU32::new(4).unwrap(), start);
        for _ in 0..4 {
            assert_eq!(rate.try_take(start), Ok(()));
        }
        let wait = Duration::from_millis(250);
        assert_eq!(rate.try_take(start), Err(wait));
        assert_eq!(rate.try_take(start), Err(wait), "a refusal costs nothing");
        assert_eq!(rate.try_take(start + wait), Ok(()));
        assert!(rate.try_take(start + wait).is_err());
    }

    #[test]
    fn quiet_time_is_not_saved_up_beyond_one_second() {
        let start = Instant::now();
        let mut rate = RateLimiter::new(NonZeroU32::new(2).unwrap(), start);
        let later = start + Duration::from_secs(3600);
        assert_eq!(
            [rate.try_take(later), rate.try_take(later)],
            [Ok(()), Ok(())]
        );
        assert!(rate.try_take(later).is_err());
    }
}
