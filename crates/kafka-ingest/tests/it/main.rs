//! The crate from outside, against a mock Kafka cluster and the embedded registry.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests panic like the tests"
)]

mod answers;
mod consumer;
mod dead_letters;
mod examples;
mod group;
mod kafka;
mod producer;
mod question_schema;
mod questions;
mod reconnect;
mod recover;
mod registry;
mod topic;
