//! avro-codec from outside, with apache-avro as the other party.
#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod answers;
mod defaults;
mod golden;
mod questions;
mod references;
