//! Settings of the process: how it ends, when it is ready, what it logs.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::choice::LogFormat;
use crate::config::key::{Default, section};
use crate::config::kind;

section! {
    /// What happens between SIGTERM and the end.
    Drain "drain" {
        /// How long connections are still accepted, while load balancers take note.
        accept_for: Duration = kind::DURATION_OR_ZERO,
            Default::ByCommand { run: Some("5s"), demo: "0s" };
        /// How long, after that, waiting sessions may still get their answer.
        budget: Duration = kind::DURATION_OR_ZERO, Default::Is("25s");
        /// How long the orchestrator waits before it kills the process. More than `drain.accept_for`
        /// and `drain.budget` together; in Kubernetes `terminationGracePeriodSeconds`, whose own
        /// default of 30 s is too short for these defaults.
        grace_period: Duration = kind::DURATION, Default::Is("40s");
        /// Idle sessions closed in a second, so that not all of them reconnect at once.
        close_rate: NonZeroU32 = kind::PER_SECOND, Default::Is("1000");
    }
}

section! {
    /// What `/readyz` says.
    Readiness "readiness" {
        /// How long a cause in this replica itself may last before `/readyz` answers 503.
        grace: Duration = kind::DURATION_OR_ZERO, Default::Is("10s");
    }
}

section! {
    /// Log lines, on standard error.
    Log "log" {
        /// Which lines are written: a level, or levels by target.
        level: String = kind::LOG_FILTER, Default::Is("info"), aliases: &["RUST_LOG"];
        /// How lines look. `auto`: human on a terminal, JSON elsewhere.
        format: LogFormat = kind::choice::<LogFormat>(), Default::Is("auto");
    }
}
