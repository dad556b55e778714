//! The edge from outside: WebSocket clients and raw sockets on one side, a held question sink on the
//! other. Time is paused wherever no real socket is involved.
#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

mod closing;
mod draining;
mod examples;
mod opening;
mod panics;
mod protocol_v1;
mod protocol_v2;
mod resume;
mod support;
mod undelivered;
mod upgrade_refusals;
