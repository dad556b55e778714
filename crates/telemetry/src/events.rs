//! Logs this crate's own events: one function an event.

use std::fmt::Display;
use std::panic::Location;

/// A thread or task panicked, at `place`. The panic's own text is not repeated here.
pub(crate) fn panicked(place: Option<&Location<'_>>) {
    let (file, line) = place.map_or(("unknown", 0), |place| (place.file(), place.line()));
    tracing::error!(file, line, "panicked; the process stops");
}

/// An export by OTLP did not arrive.
pub(crate) fn export_failed(signal: &'static str, error: &dyn Display) {
    tracing::warn!(signal, %error, "telemetry is not exported");
}

/// It arrives again.
pub(crate) fn export_recovered(signal: &'static str) {
    tracing::info!(signal, "telemetry is exported again");
}

/// The data left at the end did not leave in time.
pub(crate) fn flush_failed(signal: &'static str, error: &dyn Display) {
    tracing::warn!(signal, %error, "the last telemetry is not exported");
}
