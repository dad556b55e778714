//! Errors of setting up telemetry. All of it is a mistake in the settings or in this
//! program; none is worth a retry.

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter is not one `tracing_subscriber::EnvFilter` understands.
    #[error("the log level is not valid: use a level such as info, or target=level pairs")]
    LogLevel(#[from] tracing_subscriber::filter::ParseError),
    /// A second set-up in one process.
    #[error("logging is set up already")]
    LogsSetUpAlready(#[from] tracing_subscriber::util::TryInitError),
    /// The running log set-up is gone.
    #[error("the log level cannot be changed any more")]
    LogLevelFixed(#[from] tracing_subscriber::reload::Error),
    /// The Prometheus reader refused its set-up.
    #[error("the metrics reader cannot be set up")]
    Metrics(#[from] opentelemetry_sdk::error::OTelSdkError),
    /// A standard variable asks for what is not built in.
    #[error("{name}: there is no exporter `{value}`; use otlp or none")]
    Variable {
        /// The variable.
        name: &'static str,
        /// The value.
        value: String,
    },
    /// The OTLP exporter refused what the standard variables say.
    #[error(
        "nothing can be sent by OTLP with these settings; see OTEL_EXPORTER_OTLP_ENDPOINT, \
         OTEL_EXPORTER_OTLP_PROTOCOL (grpc or http/protobuf) and OTEL_EXPORTER_OTLP_HEADERS"
    )]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}
