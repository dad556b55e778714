//! The core's tests: one binary. `script` is the language most of them are written in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod script;
mod simulation;

mod bounds;
mod duplicates;
mod model;
mod on_answer;
mod on_ask;
mod on_connected;
mod on_disconnected;
mod on_drain;
mod on_published;
mod on_timeout;
mod parts;
mod protocol_v1;
mod replayed_answers;
mod stripped_suffix;
mod undelivered;
mod v2;
mod wire_id;
