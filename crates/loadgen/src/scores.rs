//! Counts the endings of all questions while they happen.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The ending of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LoadResult {
    /// By its own answer.
    Answered,
    /// By an answer that is not its own, or a frame that is none of version 1.
    Wrong,
    /// By nothing: no frame in time, or a connection that ended first.
    Lost,
    /// By one of the error frames.
    Refused,
}

/// Tells whether a question is part of the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Verified only.
    WarmUp,
    /// Verified and measured.
    Measured,
}

/// The counts so far; shared by all sessions.
#[derive(Debug)]
pub(crate) struct ScoreBoard(Mutex<ScoreCounts>);

/// One reading of [`ScoreBoard`].
#[derive(Debug, Clone)]
pub(crate) struct ScoreCounts {
    /// Questions by how they ended, both phases.
    pub(crate) endings: BTreeMap<LoadResult, u64>,
    /// Answered questions of the measured phase: microseconds since they were due.
    pub(crate) latency: Histogram<u64>,
    /// Those of them that took too long.
    pub(crate) late: u64,
    /// Frames that came unasked.
    pub(crate) strays: u64,
}

impl ScoreBoard {
    /// Nothing counted yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(ScoreCounts {
            endings: BTreeMap::new(),
            latency: Histogram::new_with_bounds(1, LONGEST, SIGNIFICANT_DIGITS)
                .expect("the bounds are within hdrhistogram's range"),
            late: 0,
            strays: 0,
        }))
    }

    /// Counts a question that ended `took` after it was due.
    pub(crate) fn record_ending(
        &self,
        phase: Phase,
        ending: LoadResult,
        took: Duration,
        late_after: Duration,
    ) {
        let mut counts = self.lock();
        *counts.endings.entry(ending).or_default() += 1;
        if (phase, ending) == (Phase::Measured, LoadResult::Answered) {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            counts.latency.saturating_record(micros);
            counts.late += u64::from(took > late_after);
        }
    }

    /// Counts a frame nobody asked for.
    pub(crate) fn record_stray(&self) {
        self.lock().strays += 1;
    }

    /// Questions that have ended.
    pub(crate) fn total(&self) -> u64 {
        self.lock().endings.values().sum()
    }

    /// A copy of the counts.
    pub(crate) fn read(&self) -> ScoreCounts {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ScoreCounts> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl ScoreCounts {
    /// Questions that ended like that.
    pub(crate) fn of(&self, ending: LoadResult) -> u64 {
        self.endings.get(&ending).copied().unwrap_or(0)
    }
}

const SIGNIFICANT_DIGITS: u8 = 3;
/// An hour, in microseconds; what takes longer counts as that.
const LONGEST: u64 = 3_600_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_warm_up_is_counted_but_not_measured() {
        let scores = ScoreBoard::new();
        scores.record_ending(Phase::WarmUp, LoadResult::Answered, 5 * SECOND, SECOND);
        scores.record_ending(Phase::Measured, LoadResult::Answered, SECOND / 2, SECOND);
        let counts = scores.read();
        assert_eq!(
            (
                counts.of(LoadResult::Answered),
                counts.latency.len(),
                counts.late
            ),
            (2, 1, 0)
        );
    }

    #[test]
    fn a_latency_is_measured_to_a_thousandth_and_capped() {
        for (took, expected) in [
            (Duration::from_micros(1), 1),
            (Duration::from_micros(2_345), 2_345),
            (120 * SECOND, 120_000_000),
            (u32::MAX * SECOND, LONGEST),
        ] {
            let scores = ScoreBoard::new();
            scores.record_ending(Phase::Measured, LoadResult::Answered, took, SECOND);
            let measured = scores.read().latency.max();
            assert!(
                measured.abs_diff(expected) <= expected / 1_000,
                "{measured} for {took:?}"
            );
        }
    }

    #[test]
    fn a_question_that_was_not_answered_has_no_latency() {
        let scores = ScoreBoard::new();
        for ending in [LoadResult::Lost, LoadResult::Wrong, LoadResult::Refused] {
            scores.record_ending(Phase::Measured, ending, 2 * SECOND, SECOND);
        }
        assert_eq!(
            (
                scores.total(),
                scores.read().latency.len(),
                scores.read().late
            ),
            (3, 0, 0)
        );
    }
}
