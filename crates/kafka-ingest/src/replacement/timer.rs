//! Times when a Kafka client that has no connection to a broker is replaced by a new one, and when
//! replacing is of no use. Pure: time and randomness are arguments.
//!
//! librdkafka can lose every broker it knew, for good: a metadata reply without brokers empties its
//! list, and nothing fills it again. Only a new client asks the bootstrap servers anew.

use std::time::{Duration, Instant};

/// Times how long the clients of one role have been without a connection. Outlives each of them.
#[derive(Debug, Clone)]
pub(crate) struct ReplacementTimer {
    timeout: Duration,
    /// Uniform in 0..1.
    jitter: f64,
    /// The time at which the present client was created, or was last seen connected.
    client_since: Instant,
    /// The time at which any client of this role was last seen connected, or the first was created.
    connected_at: Instant,
    /// True when any client of this role ever was.
    was_connected: bool,
    /// Clients replaced since then.
    replacements: u32,
    checked_at: Instant,
}

impl ReplacementTimer {
    /// The longest time before a replacement, as a multiple of the first.
    const MAX_TIMEOUT_FACTOR: u32 = 10;
    /// Replacements without a connection after which another is of no use, at least.
    const HOPELESS_AFTER_REPLACEMENTS: u32 = 3;
    /// The longest a thread waits between two checks. What is above it was no time in which a client
    /// could connect: the process did not run.
    const MAX_CHECK_GAP: Duration = Duration::from_secs(20);

    /// Starts with a client created at `now`; `random` is uniform in 0..1.
    pub(crate) fn new(timeout: Duration, now: Instant, random: f64) -> Self {
        Self {
            timeout,
            jitter: random.clamp(0.0, 1.0),
            client_since: now,
            connected_at: now,
            was_connected: false,
            replacements: 0,
            checked_at: now,
        }
    }

    /// Checks whether the present client is to be replaced. `connected_at` is when its statistics
    /// last showed a connection; a client without statistics counts as one without a connection.
    pub(crate) fn is_due(&mut self, now: Instant, connected_at: Option<Instant>) -> bool {
        let paused = now.saturating_duration_since(self.checked_at);
        self.checked_at = now;
        if paused > Self::MAX_CHECK_GAP {
            self.client_since += paused;
            self.connected_at += paused;
        }
        if let Some(at) = connected_at.filter(|at| *at > self.client_since) {
            self.client_since = at;
            self.connected_at = at;
            self.was_connected = true;
            self.replacements = 0;
        }
        now.saturating_duration_since(self.client_since) >= self.current_timeout()
    }

    /// Notes that a client which was due is replaced; the next gets twice as long, up to a limit.
    pub(crate) fn on_replaced(&mut self, now: Instant, random: f64) {
        self.replacements = self.replacements.saturating_add(1);
        self.jitter = random.clamp(0.0, 1.0);
        self.on_created(now);
    }

    /// Notes that a client was created for another reason: it gets its time too.
    pub(crate) fn on_created(&mut self, now: Instant) {
        self.client_since = now;
        self.checked_at = now;
    }

    /// The time for which no client of this role has had a connection.
    pub(crate) fn disconnected_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.connected_at)
    }

    /// Tells whether yet another client is of no use, provided that the brokers answer this process: several
    /// were replaced, for ten times the timeout, after one had been connected. A role that never was
    /// may be misconfigured, and a new process would not be connected either.
    pub(crate) fn is_hopeless(&self, now: Instant) -> bool {
        self.was_connected
            && self.replacements >= Self::HOPELESS_AFTER_REPLACEMENTS
            && self.disconnected_for(now) >= self.timeout * Self::MAX_TIMEOUT_FACTOR
    }

    /// The present client's time: never below its step, at most a quarter above it, so that replicas
    /// that were cut off together do not come back together.
    fn current_timeout(&self) -> Duration {
        let factor = 2_u32
            .saturating_pow(self.replacements)
            .min(Self::MAX_TIMEOUT_FACTOR);
        self.timeout
            .saturating_mul(factor)
            .mul_f64(1.0 + self.jitter / 4.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);
    const SECOND: Duration = Duration::from_secs(1);

    /// Checks every second from `from` on for `seconds`; how many seconds after `from` it was due.
    fn due_after(
        timer: &mut ReplacementTimer,
        from: Instant,
        seconds: u32,
        connected_at: Option<Instant>,
    ) -> Option<u32> {
        (1..=seconds).find(|second| timer.is_due(from + *second * SECOND, connected_at))
    }

    #[test]
    fn a_client_that_stays_connected_is_never_replaced() {
        let start = Instant::now();
        let mut timer = ReplacementTimer::new(TIMEOUT, start, 0.0);
        for second in 1..10_000 {
            let now = start + second * SECOND;
            assert!(!timer.is_due(now, Some(now)));
        }
    }

    #[test]
    fn a_client_without_a_connection_is_due_after_the_timeout_and_at_most_a_quarter_later() {
        let start = Instant::now();
        for (random, expected) in [(0.0, 30), (0.5, 34), (1.0, 38)] {
            let mut timer = ReplacementTimer::new(TIMEOUT, start, random);
            assert_eq!(due_after(&mut timer, start, 100, None), Some(expected));
        }
    }

    #[test]
    fn statistics_that_stop_count_as_no_connection() {
        let start = Instant::now();
        let mut timer = ReplacementTimer::new(TIMEOUT, start, 0.0);
        let last = start + 50 * SECOND;
        for second in 1..=50 {
            let now = start + second * SECOND;
            assert!(!timer.is_due(now, Some(now)));
        }
        assert_eq!(due_after(&mut timer, last, 100, Some(last)), Some(30));
    }

    #[test]
    fn an_outage_of_hours_costs_a_client_every_five_minutes_at_most() {
        let start = Instant::now();
        let mut timer = ReplacementTimer::new(TIMEOUT, start, 0.0);
        let (mut from, mut waits) = (start, Vec::new());
        for _ in 0..8 {
            let second = due_after(&mut timer, from, 1_000, None).unwrap();
            waits.push(second);
            from += second * SECOND;
            timer.on_replaced(from, 0.0);
        }
        assert_eq!(waits, [30, 60, 120, 240, 300, 300, 300, 300]);
        for _ in 0..1_000_000 {
            timer.on_replaced(from, 1.0);
        }
        assert_eq!(due_after(&mut timer, from, 1_000, None), Some(375));
    }

    #[test]
    fn a_connection_starts_everything_over() {
        let start = Instant::now();
        let mut timer = ReplacementTimer::new(TIMEOUT, start, 0.0);
        for _ in 0..5 {
            timer.on_replaced(start, 0.0);
        }
        let connected = start + SECOND;
        assert!(!timer.is_due(connected, Some(connected)));
        assert_eq!(timer.disconnected_for(connected), Duration::ZERO);
        assert_eq!(
            due_after(&mut timer, connected, 100, Some(connected)),
            Some(30)
        );
    }

    #[test]
    fn a_process_that_was_stopped_gives_its_client_the_time_it_missed() {
        let start = Instant::now();
        let mut timer = ReplacementTimer::new(TIMEOUT, start, 0.0);
        assert!(!timer.is_due(start + SECOND, Some(start + SECOND)));
        let awake = start + 1_000 * SECOND;
        assert!(!timer.is_due(awake, Some(start + SECOND)));
        assert_eq!(due_after(&mut timer, awake, 100, None), Some(30));
    }

    #[test]
    fn replacing_is_hopeless_only_after_several_clients_and_ten_timeouts_since_a_connection() {
        let start = Instant::now();
        let mut timer = ReplacementTimer::new(TIMEOUT, start, 0.0);
        let late = start + 10 * TIMEOUT;
        for _ in 0..10 {
            timer.on_replaced(start, 0.0);
        }
        assert!(!timer.is_hopeless(late), "never connected");
        let connected = start + SECOND;
        assert!(!timer.is_due(connected, Some(connected)));
        for _ in 0..3 {
            assert!(!timer.is_hopeless(connected + 100 * TIMEOUT), "too few");
            timer.on_replaced(connected, 0.0);
        }
        assert!(!timer.is_hopeless(late), "a second too soon");
        assert!(timer.is_hopeless(late + SECOND));
    }
}
