//! Telemetry of answer-gateway: every instrument defined once, `/metrics` rendered from them, spans
//! and their W3C context, and the log set-up.
//!
//! Knows nothing of the other crates: what they count comes in as closed labels and numbers, what
//! they trace as ids. Texts of people and secrets never come here.

mod error;
mod events;
mod export_health;
mod exported_signals;
mod heartbeat;
mod instruments;
mod logs;
mod metric_definition;
mod metric_kinds;
mod metrics;
mod process_metrics;
mod reference;
pub mod spans;
mod trace_id_format;
mod traces;

pub use error::TelemetryError;
pub use exported_signals::ExportedSignals;
pub use heartbeat::Heartbeat;
pub use instruments::Instruments;
pub use logs::{LogFormat, LogLevel, init_logs};
pub use metric_definition::{MetricDefinition, MetricKind};
pub use metric_kinds::{DurationHistogram, LabelledCounter, LabelledGauge};
pub use metrics::Metrics;
pub use reference::reference;
pub use traces::{TracePipeline, resource};
