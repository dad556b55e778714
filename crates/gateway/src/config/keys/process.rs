//! Settings of the process: how it ends, when it is ready, what it logs.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::choice::LogFormat;
use crate::config::key::{DefaultValue, section};
use crate::config::kind;

section! {
    /// The time between SIGTERM and the end.
    Drain "drain" {
        /// Time for which connections are still accepted, while load balancers take note.
        accept_for: Duration = kind::DURATION_OR_ZERO,
            DefaultValue::ByCommand { run: Some("5s"), demo: "0s" };
        /// Time, after that, for which waiting sessions may still get their answer.
        budget: Duration = kind::DURATION_OR_ZERO, DefaultValue::Is("25s");
        /// Time for which the orchestrator waits before it kills the process. More than `drain.accept_for`
        /// and `drain.budget` together; in Kubernetes `terminationGracePeriodSeconds`, whose own
        /// default of 30 s is too short for these defaults.
        grace_period: Duration = kind::DURATION, DefaultValue::Is("40s");
        /// Idle sessions closed in a second, so that not all of them reconnect at once.
        close_rate: NonZeroU32 = kind::PER_SECOND, DefaultValue::Is("1000");
    }
}

section! {
    /// The verdict of `/readyz`.
    Readiness "readiness" {
        /// Time for which a cause in this replica itself may last before `/readyz` answers 503.
        grace: Duration = kind::DURATION_OR_ZERO, DefaultValue::Is("10s");
    }
}

section! {
    /// Log lines, on standard error.
    Log "log" {
        /// Filter of log lines: a level, or levels by target.
        level: String = kind::LOG_FILTER, DefaultValue::Is("info"), aliases: &["RUST_LOG"];
        /// Format of log lines. `auto`: human on a terminal, JSON elsewhere.
        format: LogFormat = kind::choice::<LogFormat>(), DefaultValue::Is("auto");
    }
}
