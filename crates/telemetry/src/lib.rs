//! Telemetry of answer-gateway: every instrument defined once, `/metrics` rendered from them, spans
//! and their W3C context, and the log set-up.
//!
//! Knows nothing of the other crates: what they count comes in as closed labels and numbers, what
//! they trace as ids. Texts of people and secrets never come here.

mod error;
mod events;
mod instruments;
mod kinds;
mod logs;
mod metrics;
pub mod spans;

pub use error::TelemetryError;
pub use instruments::Instruments;
pub use kinds::{Count, Gauge, Seconds};
pub use logs::{LogFormat, LogLevel, init_logs};
pub use metrics::Metrics;
