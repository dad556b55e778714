//! Keeps one cause from flooding the log: a line per interval, the rest counted. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Decides which lines are written. Keys are closed sets of names, so the map is bounded.
#[derive(Debug)]
pub(crate) struct LogThrottle {
    interval: Duration,
    causes: HashMap<(&'static str, &'static str), ThrottledCause>,
}

#[derive(Debug)]
struct ThrottledCause {
    /// The time at which a line was last written.
    written: Instant,
    /// The number of lines held back since.
    held_back: u64,
}

impl LogThrottle {
    /// At most one line per `interval` and cause.
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            causes: HashMap::new(),
        }
    }

    /// Decides whether to write a line for `event` and `cause` now: the number of lines held back since the
    /// last one, or `None` to hold this one back too.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        event: &'static str,
        cause: &'static str,
    ) -> Option<u64> {
        let Some(seen) = self.causes.get_mut(&(event, cause)) else {
            let fresh = ThrottledCause {
                written: now,
                held_back: 0,
            };
            self.causes.insert((event, cause), fresh);
            return Some(0);
        };
        if now.duration_since(seen.written) < self.interval {
            seen.held_back += 1;
            return None;
        }
        seen.written = now;
        Some(std::mem::take(&mut seen.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_interval_and_cause_and_the_rest_is_counted() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut throttle = LogThrottle::new(10 * second);
        assert_eq!(throttle.admit(start, "e", "a"), Some(0));
        assert_eq!(throttle.admit(start, "e", "b"), Some(0), "another cause");
        assert_eq!(throttle.admit(start + second, "e", "a"), None);
        assert_eq!(throttle.admit(start + 9 * second, "e", "a"), None);
        assert_eq!(throttle.admit(start + 10 * second, "e", "a"), Some(2));
        assert_eq!(throttle.admit(start + 20 * second, "e", "a"), Some(0));
    }
}
