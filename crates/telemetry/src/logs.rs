//! Log set-up: human or JSON lines on standard error, a level that can change while running, and the
//! layer that gives spans their trace identity.

use std::io::IsTerminal;

use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

use crate::trace_id_format::TraceIdFormat;
use crate::{TelemetryError, TracePipeline, events, spans};

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Human lines on a terminal, JSON elsewhere.
    Auto,
    /// One line of text an event.
    Human,
    /// One JSON object an event.
    Json,
}

/// The running log level.
#[derive(Debug, Clone)]
pub struct LogLevel(reload::Handle<EnvFilter, Registry>);

impl LogLevel {
    /// Replaces the filter, in `tracing_subscriber::EnvFilter`'s notation (`info`, `warn,kafka_ingest=debug`).
    ///
    /// # Errors
    ///
    /// [`TelemetryError::LogLevel`] when the filter is not valid; the old one then stays.
    pub fn set(&self, filter: &str) -> Result<(), TelemetryError> {
        self.0.reload(EnvFilter::try_new(filter)?)?;
        Ok(())
    }
}

/// Sets up logging and tracing for the process; spans go where `traces` sends them. Panics are logged
/// too, with their place.
///
/// # Errors
///
/// [`TelemetryError::LogLevel`] for a filter that is not valid, [`TelemetryError::LogsSetUpAlready`]
/// on a second call.
pub fn init_logs(
    format: LogFormat,
    filter: &str,
    traces: &TracePipeline,
) -> Result<LogLevel, TelemetryError> {
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(filter)?);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Auto if std::io::stderr().is_terminal() => lines.boxed(),
        LogFormat::Human => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Auto | LogFormat::Json => lines
            .json()
            .event_format(TraceIdFormat(fmt::format().json().flatten_event(true)))
            .boxed(),
    };
    let traces = tracing_opentelemetry::layer()
        .with_tracer(traces.tracer())
        .with_filter(filter_fn(|metadata| metadata.target() == spans::TARGET));
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(traces)
        .try_init()?;
    log_panics();
    Ok(LogLevel(handle))
}

fn log_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        events::panicked(panic.location());
        default(panic);
    }));
}
