//! Is the peer alive, and does it read? Pure: the time is an argument.

use std::time::{Duration, Instant};

/// The action that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeepAliveAction {
    /// Nothing yet.
    Wait,
    /// Nothing was heard for the interval: ping.
    Ping,
    /// Nothing was heard after a ping either.
    PongTimeout,
    /// Bytes wait and the peer reads none.
    WriteTimeout,
}

/// Tracks when a frame last came from a peer. Any frame counts as life.
#[derive(Debug)]
pub(crate) struct KeepAlive {
    timeouts: KeepAliveTimeouts,
    last_frame_at: Instant,
    pinged_at: Option<Instant>,
}

/// The timeouts of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeepAliveTimeouts {
    pub(crate) ping_interval: Duration,
    pub(crate) pong_timeout: Duration,
    pub(crate) write_timeout: Duration,
}

impl KeepAlive {
    pub(crate) fn new(rhythm: KeepAliveTimeouts, now: Instant) -> Self {
        Self {
            timeouts: rhythm,
            last_frame_at: now,
            pinged_at: None,
        }
    }

    /// A frame came.
    pub(crate) fn on_frame(&mut self, now: Instant) {
        self.last_frame_at = now;
        self.pinged_at = None;
    }

    /// Time passed; `waiting_since` says since when bytes wait without moving. A ping is noted as sent.
    pub(crate) fn on_time(
        &mut self,
        now: Instant,
        waiting_since: Option<Instant>,
    ) -> KeepAliveAction {
        if waiting_since.is_some_and(|since| now >= since + self.timeouts.write_timeout) {
            return KeepAliveAction::WriteTimeout;
        }
        match self.pinged_at {
            Some(pinged) if now >= pinged + self.timeouts.pong_timeout => {
                KeepAliveAction::PongTimeout
            }
            None if now >= self.last_frame_at + self.timeouts.ping_interval => {
                self.pinged_at = Some(now);
                KeepAliveAction::Ping
            }
            Some(_) | None => KeepAliveAction::Wait,
        }
    }

    /// Returns the time of the next action of [`Self::on_time`].
    pub(crate) fn next_check_at(&self, waiting_since: Option<Instant>) -> Instant {
        let beat = match self.pinged_at {
            Some(pinged) => pinged + self.timeouts.pong_timeout,
            None => self.last_frame_at + self.timeouts.ping_interval,
        };
        waiting_since.map_or(beat, |since| beat.min(since + self.timeouts.write_timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: KeepAliveTimeouts = KeepAliveTimeouts {
        ping_interval: Duration::from_secs(25),
        pong_timeout: Duration::from_secs(10),
        write_timeout: Duration::from_secs(5),
    };

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_quiet_peer_is_pinged_and_given_up_when_it_stays_quiet() {
        let start = Instant::now();
        let mut pulse = KeepAlive::new(RHYTHM, start);
        assert_eq!(pulse.next_check_at(None), at(start, 25));
        assert_eq!(pulse.on_time(at(start, 24), None), KeepAliveAction::Wait);
        assert_eq!(pulse.on_time(at(start, 25), None), KeepAliveAction::Ping);
        assert_eq!(pulse.next_check_at(None), at(start, 35));
        assert_eq!(pulse.on_time(at(start, 34), None), KeepAliveAction::Wait);
        assert_eq!(
            pulse.on_time(at(start, 35), None),
            KeepAliveAction::PongTimeout
        );
    }

    #[test]
    fn any_frame_is_life() {
        let start = Instant::now();
        let mut pulse = KeepAlive::new(RHYTHM, start);
        assert_eq!(pulse.on_time(at(start, 25), None), KeepAliveAction::Ping);
        pulse.on_frame(at(start, 34));
        assert_eq!(pulse.on_time(at(start, 35), None), KeepAliveAction::Wait);
        assert_eq!(pulse.next_check_at(None), at(start, 59));
        assert_eq!(pulse.on_time(at(start, 59), None), KeepAliveAction::Ping);
    }

    #[test]
    fn a_peer_that_talks_and_does_not_read_is_stalled() {
        let start = Instant::now();
        let mut pulse = KeepAlive::new(RHYTHM, start);
        let since = Some(start);
        assert_eq!(pulse.next_check_at(since), at(start, 5));
        pulse.on_frame(at(start, 4));
        assert_eq!(pulse.on_time(at(start, 4), since), KeepAliveAction::Wait);
        assert_eq!(
            pulse.on_time(at(start, 5), since),
            KeepAliveAction::WriteTimeout
        );
        let moved = Some(at(start, 3));
        assert_eq!(pulse.on_time(at(start, 5), moved), KeepAliveAction::Wait);
    }
}
