//! The command line.

use std::time::Duration;

use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  # 500 sessions, 1,000 questions a second for a minute, against a gateway on this machine
  loadgen --bootstrap 127.0.0.1:9092 --registry http://127.0.0.1:8081 --seconds 60

  # the same with topics of its own, which the gateway must be told of, and the gateway's CPU and memory
  loadgen --bootstrap … --registry … --questions-topic q --answers-topic a --create-topics \\
          --gateway-pid \"$(pidof answer-gateway)\"

  # what an idle session costs
  loadgen --idle-sessions 10000 --gateway-pid \"$(pidof answer-gateway)\"

Exit status: 0 when every question got its own answer, 1 when any did not, 2 for a wrong command line.";

/// Asks a running answer-gateway at a steady rate, answers from the other side of Kafka, and verifies
/// every answer by a digest of its question.
///
/// The rate is kept whatever the gateway does (open loop): latency runs from the moment a question was
/// due, so a gateway that stalls is charged for every question that should have been asked meanwhile.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The gateway's public port.
    #[arg(long, default_value = "ws://127.0.0.1:8080")]
    pub(crate) url: String,
    /// Kafka, for the answering side.
    #[arg(long, default_value = "127.0.0.1:9092", value_name = "HOST:PORT")]
    pub(crate) bootstrap: String,
    /// The schema registry (Confluent's REST API).
    #[arg(long, default_value = "http://127.0.0.1:8081", value_name = "URL")]
    pub(crate) registry: String,
    /// The topic the gateway writes questions to.
    #[arg(long, default_value = "perguntas", value_name = "TOPIC")]
    pub(crate) questions_topic: String,
    /// The topic the gateway reads answers from.
    #[arg(long, default_value = "respostas", value_name = "TOPIC")]
    pub(crate) answers_topic: String,
    /// Create both topics and register the minimal question schema if they are not there, then wait
    /// for the gateway to become ready.
    #[arg(long)]
    pub(crate) create_topics: bool,
    /// Sessions that ask, in turn [default: 500, or 0 with --idle-sessions].
    #[arg(long, value_name = "N")]
    sessions: Option<usize>,
    /// Questions a second, over all sessions.
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,
    /// Seconds to ask for, without the warm-up.
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: u32,
    /// Seconds to ask before that: verified, but not part of the figures.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub(crate) warm_up: u32,
    /// Bytes of an answer's text: a digest of 64, and padding.
    #[arg(long, default_value_t = 1_024, value_name = "N", value_parser = clap::value_parser!(u32).range(64..=16_777_216))]
    pub(crate) answer_bytes: u32,
    /// Milliseconds after which an answer counts as late.
    #[arg(long, default_value_t = 1_000, value_name = "MS")]
    late_after: u64,
    /// Seconds after which a question without any frame counts as lost. More than the gateway's own
    /// answer timeout, if its error frames are to be seen.
    #[arg(long, default_value_t = 130, value_name = "N")]
    lost_after: u64,
    /// The gateway's process on this machine, to read its CPU time and memory.
    #[arg(long, value_name = "PID")]
    pub(crate) gateway_pid: Option<u32>,
    /// Idle sessions to open first and to keep open; with --gateway-pid, what each one costs.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) idle_sessions: usize,
}

impl Args {
    /// Sessions that ask.
    pub(crate) fn sessions(&self) -> usize {
        let default = if self.idle_sessions > 0 { 0 } else { 500 };
        self.sessions.unwrap_or(default)
    }

    /// From when an answer is late.
    pub(crate) fn late_after(&self) -> Duration {
        Duration::from_millis(self.late_after)
    }

    /// From when a question is lost.
    pub(crate) fn lost_after(&self) -> Duration {
        Duration::from_secs(self.lost_after)
    }

    /// Questions to ask, the warm-up's among them.
    pub(crate) fn questions(&self) -> u64 {
        u64::from(self.rate) * u64::from(self.seconds + self.warm_up)
    }

    /// Returns the number of questions of the warm-up.
    pub(crate) fn warm_up_questions(&self) -> u64 {
        u64::from(self.rate) * u64::from(self.warm_up)
    }
}
