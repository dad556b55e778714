//! Runs the steps of a shutdown after the drain, each within a budget, so that their sum stays within
//! the orchestrator's grace period.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::events;

/// The budget of each step after the drain: close frames to be seen, delivery reports to come,
/// threads to end.
pub(crate) struct ShutdownSteps {
    by: Instant,
}

impl ShutdownSteps {
    const STEP_BUDGET: Duration = Duration::from_secs(3);
    /// Left for what takes no time.
    const EXIT_MARGIN: Duration = Duration::from_secs(1);
    /// The budget of a step even when nothing is left: enough for one that has nothing to wait for.
    const MIN_STEP_BUDGET: Duration = Duration::from_millis(100);

    /// Budgets that end before the grace period does.
    pub(crate) fn ending_at(grace_ends: Instant) -> Self {
        Self {
            by: grace_ends - Self::EXIT_MARGIN,
        }
    }

    /// Returns the budget of the next step.
    pub(crate) fn next_budget(&self) -> Duration {
        let left = self.by.saturating_duration_since(Instant::now());
        left.clamp(Self::MIN_STEP_BUDGET, Self::STEP_BUDGET)
    }

    /// Runs a step for its budget at most; one that does not end in time is abandoned and logged.
    pub(crate) async fn run_step(&self, what: &'static str, step: impl Future<Output = ()>) {
        if timeout(self.next_budget(), step).await.is_err() {
            events::step_abandoned(what);
        }
    }
}
