//! Everything this crate logs, one function per thing that happens. Plain log lines: what runs here
//! is the demo's outside world, which the gateway's metrics do not count.

use rdkafka::error::KafkaError;
use tracing::{error, info, warn};

use crate::answerer::SkippedQuestion;

pub(crate) fn broker_started(bootstrap_servers: &str) {
    info!(bootstrap_servers, "embedded broker started");
}

pub(crate) fn broker_stopped(bootstrap_servers: &str) {
    info!(bootstrap_servers, "embedded broker stopped");
}

pub(crate) fn registry_started(url: &str) {
    info!(url, "embedded schema registry started");
}

pub(crate) fn registry_stopped(url: &str) {
    info!(url, "embedded schema registry stopped");
}

pub(crate) fn answerer_started(topic: &str, passages: usize) {
    info!(topic, passages, "embedded answerer started");
}

pub(crate) fn answerer_stopped() {
    info!("embedded answerer stopped");
}

/// A question was not readable and nobody will answer it.
pub(crate) fn question_skipped(reason: &SkippedQuestion, partition: i32, offset: i64) {
    warn!(%reason, partition, offset, "embedded answerer skipped a question");
}

/// librdkafka tries again by itself.
pub(crate) fn questions_unreadable(error: &KafkaError) {
    warn!(%error, "embedded answerer cannot read questions");
}

/// The answer was composed and Kafka did not take it.
pub(crate) fn answer_lost(error: &KafkaError) {
    error!(%error, "embedded answerer lost an answer");
}
