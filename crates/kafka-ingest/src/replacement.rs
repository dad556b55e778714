//! Replaces Kafka clients that have no connection to a broker: when that is done, and when it is of no
//! use any more. ADR 0019 has the why.
//!
//! Whoever owns a client asks [`ClientReplacement::is_due`] now and then, drops the client when it is,
//! and asks [`ClientReplacement::decide`] what comes next.

mod events;
mod probe;
mod timer;

use std::time::{Duration, Instant};

use crate::KafkaSettings;
use probe::BrokerProbe;
use timer::ReplacementTimer;

/// Decides about the clients of one role. Outlives each of them.
#[derive(Debug)]
pub(crate) struct ClientReplacement {
    timer: ReplacementTimer,
    probe: BrokerProbe,
}

/// The consequence for a client that was dropped because it had no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextClient {
    /// A new one is created.
    Create,
    /// None: the process is cut off, and is to end.
    GiveUp,
}

impl ClientReplacement {
    /// Starts with a client that is created now.
    pub(crate) fn new(settings: &KafkaSettings) -> Self {
        let timeout = settings.reconnect_timeout;
        Self {
            timer: ReplacementTimer::new(timeout, Instant::now(), rand::random()),
            probe: BrokerProbe::new(settings),
        }
    }

    /// Checks whether the present client has been without a connection for too long. `connected_at`
    /// is when its statistics last showed one.
    pub(crate) fn is_due(&mut self, connected_at: Option<Instant>) -> bool {
        self.timer.is_due(Instant::now(), connected_at)
    }

    /// The time for which no client of this role has had a connection.
    pub(crate) fn disconnected_for(&self) -> Duration {
        self.timer.disconnected_for(Instant::now())
    }

    /// Decides what follows on a client that was due and named `learned` as the brokers it knows. May
    /// ask brokers, for some seconds.
    pub(crate) fn decide(&mut self, learned: &[String]) -> NextClient {
        if self.timer.is_hopeless(Instant::now()) && self.probe.is_answered(learned) {
            return NextClient::GiveUp;
        }
        self.on_replaced();
        NextClient::Create
    }

    /// Notes that a client which was due is replaced, whatever the use.
    pub(crate) fn on_replaced(&mut self) {
        self.timer.on_replaced(Instant::now(), rand::random());
    }

    /// Notes that a client was created for another reason.
    pub(crate) fn on_created(&mut self) {
        self.timer.on_created(Instant::now());
    }
}
