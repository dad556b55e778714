//! Says when each question is due, at a steady rate, whatever became of those before it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::scores::{LoadResult, Phase, ScoreBoard};

/// A question that is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PacedQuestion {
    /// Its number in the whole run.
    pub(crate) number: u64,
    /// The time at which it is due. Latency counts from here.
    pub(crate) due_at: Instant,
    /// Tells whether it is measured.
    pub(crate) phase: Phase,
}

/// Computes when each question is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    /// The time at which the first is due.
    pub(crate) start: Instant,
    /// Questions a second.
    pub(crate) rate: u32,
    /// Questions in all.
    pub(crate) questions: u64,
    /// The number of questions before the measured ones.
    pub(crate) warm_up: u64,
}

impl Schedule {
    /// The turn of question `number`.
    pub(crate) fn turn(&self, number: u64) -> PacedQuestion {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.rate);
        let after = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let phase = if number < self.warm_up {
            Phase::WarmUp
        } else {
            Phase::Measured
        };
        PacedQuestion {
            number,
            due_at: self.start + after,
            phase,
        }
    }

    /// Returns the time at which the first measured question is due.
    pub(crate) fn measured_from(&self) -> Instant {
        self.turn(self.warm_up).due_at
    }
}

/// Hands every turn to the sessions, one after the other, when it is due. Blocks the calling thread,
/// whose clock is finer than the runtime's timer; returns when all are handed out.
///
/// A session that is a whole queue behind gets no more: such a question counts as lost.
pub(crate) fn run_pacer(
    schedule: Schedule,
    sessions: &[mpsc::Sender<PacedQuestion>],
    scores: &Arc<ScoreBoard>,
) {
    let in_turn = sessions.iter().cycle();
    for (number, session) in (0..schedule.questions).zip(in_turn) {
        let turn = schedule.turn(number);
        wait_until(turn.due_at);
        match session.try_send(turn) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                scores.record_ending(turn.phase, LoadResult::Lost, Duration::ZERO, Duration::MAX);
            }
        }
    }
}

fn wait_until(due: Instant) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(start: Instant) -> Schedule {
        Schedule {
            start,
            rate: 3,
            questions: 7,
            warm_up: 3,
        }
    }

    #[test]
    fn turns_come_at_the_rate_without_drifting() {
        let start = Instant::now();
        let after = |number| schedule(start).turn(number).due_at - start;
        assert_eq!(after(0), Duration::ZERO);
        assert_eq!(after(3_000_000), Duration::from_secs(1_000_000));
        assert_eq!(
            schedule(start).measured_from() - start,
            Duration::from_secs(1)
        );
        assert_eq!(schedule(start).turn(2).phase, Phase::WarmUp);
        assert_eq!(schedule(start).turn(3).phase, Phase::Measured);
    }

    #[test]
    fn sessions_take_turns_and_a_full_one_loses_its_question() {
        let scores = Arc::new(ScoreBoard::new());
        let (first, mut of_first) = mpsc::channel(8);
        let (second, mut of_second) = mpsc::channel(1);
        let long_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        run_pacer(schedule(long_ago), &[first, second], &scores);
        let numbers = |queue: &mut mpsc::Receiver<PacedQuestion>| {
            std::iter::from_fn(|| queue.try_recv().ok())
                .map(|turn| turn.number)
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(&mut of_first), [0, 2, 4, 6]);
        assert_eq!(numbers(&mut of_second), [1]);
        assert_eq!(scores.read().of(LoadResult::Lost), 2);
    }
}
