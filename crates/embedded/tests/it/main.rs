//! The embedded stack from outside, through the clients other programs use.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests panic like the tests"
)]

mod answerer;
mod broker;
mod kafka;
mod registry;
