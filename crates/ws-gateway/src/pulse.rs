//! Is the peer alive, and does it read? Pure: the time is an argument.

use std::time::{Duration, Instant};

/// What a moment asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Nothing yet.
    Wait,
    /// Nothing was heard for the interval: ping.
    Ping,
    /// Nothing was heard after a ping either.
    NoPong,
    /// Bytes wait and the peer reads none.
    Stalled,
}

/// When something was last heard from a peer. Any frame counts as life.
#[derive(Debug)]
pub(crate) struct Pulse {
    rhythm: Rhythm,
    heard_at: Instant,
    pinged_at: Option<Instant>,
}

/// How long is too long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    pub(crate) ping_interval: Duration,
    pub(crate) pong_timeout: Duration,
    pub(crate) write_timeout: Duration,
}

impl Pulse {
    pub(crate) fn new(rhythm: Rhythm, now: Instant) -> Self {
        Self {
            rhythm,
            heard_at: now,
            pinged_at: None,
        }
    }

    /// A frame came.
    pub(crate) fn on_heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.pinged_at = None;
    }

    /// Time passed; `waiting_since` says since when bytes wait without moving. A ping is noted as sent.
    pub(crate) fn on_time(&mut self, now: Instant, waiting_since: Option<Instant>) -> Beat {
        if waiting_since.is_some_and(|since| now >= since + self.rhythm.write_timeout) {
            return Beat::Stalled;
        }
        match self.pinged_at {
            Some(pinged) if now >= pinged + self.rhythm.pong_timeout => Beat::NoPong,
            None if now >= self.heard_at + self.rhythm.ping_interval => {
                self.pinged_at = Some(now);
                Beat::Ping
            }
            Some(_) | None => Beat::Wait,
        }
    }

    /// When [`Self::on_time`] next has something to say.
    pub(crate) fn due(&self, waiting_since: Option<Instant>) -> Instant {
        let beat = match self.pinged_at {
            Some(pinged) => pinged + self.rhythm.pong_timeout,
            None => self.heard_at + self.rhythm.ping_interval,
        };
        waiting_since.map_or(beat, |since| beat.min(since + self.rhythm.write_timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm = Rhythm {
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
        let mut pulse = Pulse::new(RHYTHM, start);
        assert_eq!(pulse.due(None), at(start, 25));
        assert_eq!(pulse.on_time(at(start, 24), None), Beat::Wait);
        assert_eq!(pulse.on_time(at(start, 25), None), Beat::Ping);
        assert_eq!(pulse.due(None), at(start, 35));
        assert_eq!(pulse.on_time(at(start, 34), None), Beat::Wait);
        assert_eq!(pulse.on_time(at(start, 35), None), Beat::NoPong);
    }

    #[test]
    fn any_frame_is_life() {
        let start = Instant::now();
        let mut pulse = Pulse::new(RHYTHM, start);
        assert_eq!(pulse.on_time(at(start, 25), None), Beat::Ping);
        pulse.on_heard(at(start, 34));
        assert_eq!(pulse.on_time(at(start, 35), None), Beat::Wait);
        assert_eq!(pulse.due(None), at(start, 59));
        assert_eq!(pulse.on_time(at(start, 59), None), Beat::Ping);
    }

    #[test]
    fn a_peer_that_talks_and_does_not_read_is_stalled() {
        let start = Instant::now();
        let mut pulse = Pulse::new(RHYTHM, start);
        let since = Some(start);
        assert_eq!(pulse.due(since), at(start, 5));
        pulse.on_heard(at(start, 4));
        assert_eq!(pulse.on_time(at(start, 4), since), Beat::Wait);
        assert_eq!(pulse.on_time(at(start, 5), since), Beat::Stalled);
        let moved = Some(at(start, 3));
        assert_eq!(pulse.on_time(at(start, 5), moved), Beat::Wait);
    }
}
