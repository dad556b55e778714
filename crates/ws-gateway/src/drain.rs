//! The end of all sessions, in order: idle ones at a paced rate, waiting ones after their answer or
//! at the end of the budget.

use std::num::NonZeroU32;
use std::time::Duration;

use session_core::Input;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::WebSocketSessionManager;

/// The pace and the budget of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainPlan {
    /// Idle sessions closed in a second (`drain.close_rate`), so that not all reconnect at once.
    pub close_rate: NonZeroU32,
    /// The time for which waiting sessions may still get their answer (`drain.budget`).
    pub budget: Duration,
}

/// The counts of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainSummary {
    /// Sessions there were at its beginning.
    pub sessions: usize,
    /// Sessions that were told at its end that no answer comes any more.
    pub unanswered: usize,
}

impl WebSocketSessionManager {
    /// Ends every session: from now on no question is taken; who is idle is closed (4001), who waits
    /// gets the answer first. At the end of the budget the rest is told. Resolves when no session is
    /// left, or everybody has been told.
    pub async fn drain(&self, plan: DrainPlan) -> DrainSummary {
        const STEP: Duration = Duration::from_millis(50);
        let begun = Instant::now();
        let sessions = self.stats().connected_count;
        let mut steps = interval(STEP);
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut closed = 0;
        let pace = async {
            loop {
                steps.tick().await;
                let due = sessions_to_close(plan.close_rate, begun.elapsed() + STEP);
                self.submit_input(Input::Drain {
                    max_closes: due - closed,
                });
                closed = due;
                if self.stats().connected_count == 0 {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            () = pace => return DrainSummary { sessions, unanswered: 0 },
            () = sleep_until(begun + plan.budget) => {}
        }
        let told = self.stats().waiting;
        self.submit_input(Input::DrainExpired);
        DrainSummary {
            sessions,
            unanswered: told,
        }
    }
}

/// Returns the number of sessions that may be closed in that time.
fn sessions_to_close(per_second: NonZeroU32, after: Duration) -> usize {
    let due = u128::from(per_second.get()) * after.as_millis() / 1000;
    usize::try_from(due).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_follow_the_rate() {
        let rate = NonZeroU32::new(1000).unwrap();
        assert_eq!(sessions_to_close(rate, Duration::from_millis(50)), 50);
        assert_eq!(sessions_to_close(rate, Duration::from_secs(1)), 1000);
        let slow = NonZeroU32::MIN;
        assert_eq!(
            sessions_to_close(slow, Duration::from_millis(50)),
            1,
            "never none at all"
        );
        assert_eq!(sessions_to_close(slow, Duration::from_secs(3)), 3);
    }
}
