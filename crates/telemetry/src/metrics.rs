//! The meter provider and its Prometheus reader: instruments in, text out.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{SdkMeterProvider, Temporality};
use prometheus::{Encoder, TextEncoder};

use crate::export_health::ExportHealth;
use crate::{ExportedSignals, Instruments, TelemetryError, events, process_metrics};

/// The instruments of one process (or one test) and the reader of them.
#[derive(Debug, Clone)]
pub struct Metrics {
    instruments: Arc<Instruments>,
    registry: prometheus::Registry,
    provider: SdkMeterProvider,
}

impl Metrics {
    /// The content type of [`Self::render`].
    pub const CONTENT_TYPE: &'static str = prometheus::TEXT_FORMAT;

    /// Defines every instrument, read by Prometheus alone.
    ///
    /// # Errors
    ///
    /// As [`Self::with_exporter`].
    pub fn new() -> Result<Self, TelemetryError> {
        Self::with_exporter(
            ExportedSignals::default(),
            Resource::builder_empty().build(),
        )
    }

    /// Defines every instrument, read by Prometheus and, if `exporting` says so, sent by OTLP: a gRPC
    /// exporter then needs the tokio runtime this is called in.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::Metrics`] when the reader refuses its set-up, [`TelemetryError::Exporter`]
    /// when the standard variables name nothing that can be sent to.
    pub fn with_exporter(
        exporting: ExportedSignals,
        resource: Resource,
    ) -> Result<Self, TelemetryError> {
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build()?;
        let mut builder = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(exporter);
        let defined = Arc::new(OnceLock::new());
        if exporting.metrics {
            let sender = CountingMetricExporter {
                next: MetricExporter::builder().build()?,
                exports: ExportHealth::new("metrics", Arc::clone(&defined)),
            };
            builder = builder.with_periodic_exporter(sender);
        }
        let provider = builder.build();
        let meter = provider.meter("answer-gateway");
        process_metrics::register_process_metrics(&meter);
        let instruments = Arc::new(Instruments::new(&meter));
        let instruments = Arc::clone(defined.get_or_init(|| instruments));
        Ok(Self {
            instruments,
            registry,
            provider,
        })
    }

    /// The instruments.
    pub fn instruments(&self) -> Arc<Instruments> {
        Arc::clone(&self.instruments)
    }

    /// All present values in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            // An unencodable family is a mistake in this program; a comment keeps the scrape valid.
            Err(error) => format!("# metrics cannot be encoded: {error}\n"),
        }
    }

    /// One present value: the metric by its Prometheus name and its label's value; `None` when it
    /// was never recorded. For tests and for the ledger.
    pub fn value(&self, name: &str, label: &str) -> Option<f64> {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name)?;
        let metric = family
            .get_metric()
            .iter()
            .find(|metric| metric.get_label().iter().any(|pair| pair.value() == label))?;
        Some(match family.get_field_type() {
            prometheus::proto::MetricType::HISTOGRAM => f64::from(
                u32::try_from(metric.get_histogram().get_sample_count()).unwrap_or(u32::MAX),
            ),
            prometheus::proto::MetricType::COUNTER => metric.get_counter().get_value(),
            prometheus::proto::MetricType::GAUGE
            | prometheus::proto::MetricType::SUMMARY
            | prometheus::proto::MetricType::UNTYPED => metric.get_gauge().get_value(),
        })
    }

    /// Sends the last values, for at most `patience`, and ends the readers. Recording afterwards has no
    /// effect. Blocks.
    pub fn shut_down(&self, patience: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(patience) {
            events::flush_failed("metrics", &error);
        }
    }
}

/// An exporter whose failures are counted.
#[derive(Debug)]
struct CountingMetricExporter {
    next: MetricExporter,
    exports: ExportHealth,
}

impl PushMetricExporter for CountingMetricExporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let exported = self.next.export(metrics).await;
        self.exports.on_export(&exported);
        exported
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.next.temporality()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_rendered_under_its_prometheus_name() {
        let metrics = Metrics::new().unwrap();
        let instruments = metrics.instruments();
        instruments.records.increment("ok");
        instruments.sessions.set(3, "idle");
        instruments
            .question_time
            .record(Duration::from_millis(3), "total");

        let text = metrics.render();
        for line in [
            r#"answer_gateway_records_total{result="ok"} 1"#,
            r#"answer_gateway_sessions{state="idle"} 3"#,
            r#"answer_gateway_question_duration_seconds_bucket{part="total",le="0.005"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
        assert_eq!(
            metrics.value("answer_gateway_records_total", "ok"),
            Some(1.0)
        );
        assert_eq!(
            metrics.value("answer_gateway_records_total", "error"),
            Some(0.0)
        );
    }

    #[test]
    fn two_sets_of_metrics_share_nothing() {
        let (one, other) = (Metrics::new().unwrap(), Metrics::new().unwrap());
        one.instruments().records.increment("ok");
        assert_eq!(other.value("answer_gateway_records_total", "ok"), Some(0.0));
    }
}
