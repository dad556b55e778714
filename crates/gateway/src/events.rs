//! Everything the process itself logs or counts, one function per thing that happens.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use telemetry::Instruments;
use tracing::{error, info, warn};

use crate::open_files::OpenFileLimit;

/// The version that runs.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

const GATEWAY_STATES: [&str; 4] = ["starting", "serving", "not_ready", "draining"];

pub(crate) fn starting(instruments: &Instruments, warnings: &[String]) {
    instruments.build_info.set(1, VERSION);
    info!(version = VERSION, "answer-gateway starts");
    for warning in warnings {
        warn!("{warning}");
    }
}

/// The limit of open files and what it was before it was raised.
pub(crate) fn open_files(limit: OpenFileLimit) {
    let OpenFileLimit { before, now } = limit;
    if now > before {
        info!(limit = now, before, "limit of open files raised");
    } else {
        info!(limit = now, "limit of open files");
    }
}

pub(crate) fn listening(public: SocketAddr, admin: SocketAddr) {
    info!(%public, %admin, "listening");
}

/// The one of the four that holds.
pub(crate) fn set_state(instruments: &Instruments, state: &str) {
    for one in GATEWAY_STATES {
        instruments.readiness.set(u64::from(one == state), one);
    }
}

pub(crate) fn became_ready() {
    info!("ready");
}

/// The prerequisites that a process which has not been ready so far waits for.
pub(crate) fn waiting_for(missing: &[String]) {
    info!(missing = %missing.join("; "), "not ready yet");
}

pub(crate) fn not_ready(missing: &[String]) {
    warn!(missing = %missing.join("; "), "not ready");
}

pub(crate) fn degraded(degraded: &[String]) {
    warn!(degraded = %degraded.join("; "), "degraded");
}

pub(crate) fn signal_received(signal: &str) {
    info!(
        signal,
        "asked to end: not ready, draining; a second signal ends at once"
    );
}

pub(crate) fn second_signal(signal: &str) {
    warn!(signal, "ending at once");
}

pub(crate) fn draining(accept_for: Duration, budget: Duration) {
    info!(
        ?accept_for,
        ?budget,
        "sessions are still accepted for a while, then drained"
    );
}

pub(crate) fn drained(drained: &dyn std::fmt::Debug) {
    info!(?drained, "sessions drained");
}

pub(crate) fn questions_unflushed() {
    warn!("questions are left without a delivery report");
}

/// A part of the process that did not end in its time, most often because Kafka does not answer.
pub(crate) fn step_abandoned(what: &str) {
    warn!(what, "not ended in time: it ends with the process");
}

pub(crate) fn process_failed(why: &dyn Display) {
    error!(%why, "the process cannot go on and ends");
}

pub(crate) fn process_ended() {
    info!("answer-gateway has ended");
}
