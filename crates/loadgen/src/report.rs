//! The report, as it is printed.

use std::time::Duration;

use serde::Serialize;

use crate::answering::AnsweringFigures;
use crate::args::Args;
use crate::idle;
use crate::process::ProcessSample;
use crate::scores::{LoadResult, ScoreCounts};

/// Everything that was found out.
#[derive(Debug, Serialize)]
pub(crate) struct LoadReport {
    /// The run under load, if there was one.
    pub(crate) load: Option<LoadFigures>,
    /// The idle sessions, if there were any.
    pub(crate) idle: Option<idle::IdleFigures>,
}

/// One run under load.
#[derive(Debug, Serialize)]
pub(crate) struct LoadFigures {
    sessions: usize,
    rate: u32,
    seconds: u32,
    warm_up_seconds: u32,
    answer_bytes: u32,
    /// Questions that were due, the warm-up's among them; each is in exactly one of the next four.
    questions: u64,
    answered: u64,
    wrong: u64,
    lost: u64,
    refused: u64,
    /// Frames that came unasked.
    strays: u64,
    /// Of the measured answers: how many were late, and the time since their question was due.
    late: u64,
    latency_ms: LatencyFigures,
    gateway: Option<GatewayFigures>,
    answering_side: AnsweringFigures,
}

/// Milliseconds from the moment a question was due to its verified answer.
#[derive(Debug, Serialize)]
struct LatencyFigures {
    measured: u64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

/// The resources used by the gateway's process.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct GatewayFigures {
    cpu_us_per_answer: f64,
    cpu_cores: f64,
    rss_kib: u64,
}

impl LoadReport {
    /// Tells whether every question got its own answer and nothing else.
    pub(crate) fn is_clean(&self) -> bool {
        self.load
            .as_ref()
            .is_none_or(|load| load.answered == load.questions && load.strays == 0)
    }
}

impl LoadFigures {
    /// Draws the figures.
    pub(crate) fn new(
        args: &Args,
        counts: &ScoreCounts,
        answering_side: AnsweringFigures,
        gateway: Option<GatewayFigures>,
    ) -> Self {
        Self {
            sessions: args.sessions(),
            rate: args.rate,
            seconds: args.seconds,
            warm_up_seconds: args.warm_up,
            answer_bytes: args.answer_bytes,
            questions: args.questions(),
            answered: counts.of(LoadResult::Answered),
            wrong: counts.of(LoadResult::Wrong),
            lost: counts.of(LoadResult::Lost),
            refused: counts.of(LoadResult::Refused),
            strays: counts.strays,
            late: counts.late,
            latency_ms: LatencyFigures::of(counts),
            gateway,
            answering_side,
        }
    }
}

impl LatencyFigures {
    fn of(counts: &ScoreCounts) -> Self {
        let micros = &counts.latency;
        let quantile = |share| micros.value_at_quantile(share) as f64 / 1_000.0;
        Self {
            measured: micros.len(),
            mean: micros.mean() / 1_000.0,
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: micros.max() as f64 / 1_000.0,
        }
    }
}

impl GatewayFigures {
    /// Computes the resources used between two readings `over` which so many answers came.
    pub(crate) fn between(
        before: ProcessSample,
        after: ProcessSample,
        over: Duration,
        answers: u64,
    ) -> Self {
        let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
        Self {
            cpu_us_per_answer: cpu * 1e6 / answers.max(1) as f64,
            cpu_cores: cpu / over.as_secs_f64(),
            rss_kib: after.rss_kib,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_shared_among_the_answers() {
        let sample = |cpu| ProcessSample {
            cpu: Duration::from_millis(cpu),
            rss_kib: 9,
            anonymous_kib: 5,
        };
        let figures =
            GatewayFigures::between(sample(1_000), sample(1_500), Duration::from_secs(2), 1_000);
        let expected = GatewayFigures {
            cpu_us_per_answer: 500.0,
            cpu_cores: 0.25,
            rss_kib: 9,
        };
        assert_eq!(figures, expected);
    }
}
