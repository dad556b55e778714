//! The report, as it is printed.

use std::time::Duration;

use serde::Serialize;

use crate::answering::Answered;
use crate::args::Args;
use crate::idle;
use crate::process::Sample;
use crate::scores::{Counts, Ending};

/// Everything that was found out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The run under load, if there was one.
    pub(crate) load: Option<Load>,
    /// The idle sessions, if there were any.
    pub(crate) idle: Option<idle::Figures>,
}

/// One run under load.
#[derive(Debug, Serialize)]
pub(crate) struct Load {
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
    latency_ms: Latency,
    gateway: Option<GatewayFigures>,
    answering_side: Answered,
}

/// Milliseconds from the moment a question was due to its verified answer.
#[derive(Debug, Serialize)]
struct Latency {
    measured: u64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

/// What the gateway's process used.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct GatewayFigures {
    cpu_us_per_answer: f64,
    cpu_cores: f64,
    rss_kib: u64,
}

impl Report {
    /// Whether every question got its own answer and nothing else.
    pub(crate) fn is_clean(&self) -> bool {
        self.load
            .as_ref()
            .is_none_or(|load| load.answered == load.questions && load.strays == 0)
    }
}

impl Load {
    /// Draws the figures.
    pub(crate) fn new(
        args: &Args,
        counts: &Counts,
        answering_side: Answered,
        gateway: Option<GatewayFigures>,
    ) -> Self {
        Self {
            sessions: args.sessions(),
            rate: args.rate,
            seconds: args.seconds,
            warm_up_seconds: args.warm_up,
            answer_bytes: args.answer_bytes,
            questions: args.questions(),
            answered: counts.of(Ending::Answered),
            wrong: counts.of(Ending::Wrong),
            lost: counts.of(Ending::Lost),
            refused: counts.of(Ending::Refused),
            strays: counts.strays,
            late: counts.late,
            latency_ms: Latency::of(counts),
            gateway,
            answering_side,
        }
    }
}

impl Latency {
    fn of(counts: &Counts) -> Self {
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
    /// What was used between two readings `over` which so many answers came.
    pub(crate) fn between(before: Sample, after: Sample, over: Duration, answers: u64) -> Self {
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
        let sample = |cpu| Sample {
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
