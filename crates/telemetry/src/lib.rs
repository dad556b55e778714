//! Telemetry of answer-gateway: every instrument defined once, `/metrics` rendered from them, spans
//! and their W3C context, and the log set-up.
//!
//! Knows nothing of the other crates: what they count comes in as closed labels and numbers, what
//! they trace as ids. Texts of people and secrets never come here.

mod error;
mod events;
mod exporting;
mod exports;
mod instruments;
mod joined_ids;
mod kinds;
mod logs;
mod metrics;
mod process;
mod pulse;
mod reference;
mod row;
pub mod spans;
mod traces;

pub use error::TelemetryError;
pub use exporting::Exporting;
pub use instruments::Instruments;
pub use kinds::{Count, Gauge, Seconds};
pub use logs::{LogFormat, LogLevel, init_logs};
pub use metrics::Metrics;
pub use pulse::Pulse;
pub use reference::reference;
pub use row::{Kind, Row};
pub use traces::{Traces, resource};
