//! Sends spans: nowhere but into record headers, or by OTLP to a collector.
//!
//! A collector that is away costs nothing: spans wait in a bounded queue (`OTEL_BSP_MAX_QUEUE_SIZE`)
//! on a thread of its own, and what does not fit or does not arrive is counted.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_otlp::SpanExporter as OtlpExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::{
    EnvResourceDetector, SdkProvidedResourceDetector, TelemetryResourceDetector,
};
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter, SpanProcessor,
};

use crate::export_health::ExportHealth;
use crate::{ExportedSignals, Instruments, TelemetryError, events};

/// The tracer of this process and what sends its spans.
#[derive(Debug, Clone)]
pub struct TracePipeline {
    provider: SdkTracerProvider,
}

impl TracePipeline {
    /// Spans get a trace identity, which travels in record headers, and leave if `exporting` says so:
    /// a gRPC exporter then needs the tokio runtime this is called in.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::Exporter`] when the standard variables name nothing that can be sent to.
    pub fn new(
        exporting: ExportedSignals,
        resource: Resource,
        instruments: Arc<Instruments>,
    ) -> Result<Self, TelemetryError> {
        let mut builder = SdkTracerProvider::builder().with_resource(resource);
        if exporting.traces {
            let exporter = OtlpExporter::builder().build()?;
            builder =
                builder.with_span_processor(CountingSpanProcessor::batched(exporter, instruments));
        }
        Ok(Self {
            provider: builder.build(),
        })
    }

    pub(crate) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("answer-gateway")
    }

    /// Sends what waits, for at most `patience`, and ends. Blocks.
    pub fn shut_down(&self, patience: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(patience) {
            events::flush_failed("traces", &error);
        }
    }
}

/// Describes this process to a collector: as the standard variables say, else `answer-gateway` with
/// this version and an id drawn at its start.
pub fn resource(version: &'static str, instance: String) -> Resource {
    const UNKNOWN: &str = "unknown_service";
    let own = [
        KeyValue::new("service.name", "answer-gateway"),
        KeyValue::new("service.version", version),
        KeyValue::new("service.instance.id", instance),
    ];
    let given = Resource::builder_empty()
        .with_detector(Box::new(SdkProvidedResourceDetector))
        .build();
    let named = given.get(&Key::from_static_str("service.name"));
    let named = named.filter(|name| !name.as_str().starts_with(UNKNOWN));
    let all = Resource::builder_empty()
        .with_attributes(own)
        .with_detector(Box::new(EnvResourceDetector::new()))
        .with_detector(Box::new(TelemetryResourceDetector));
    match named {
        Some(name) => all.with_service_name(name).build(),
        None => all.build(),
    }
}

/// A processor that counts the spans that come in; its exporter counts those that go out.
#[derive(Debug)]
struct CountingSpanProcessor<P> {
    next: P,
    instruments: Arc<Instruments>,
}

impl CountingSpanProcessor<BatchSpanProcessor> {
    fn batched<E: SpanExporter + 'static>(exporter: E, instruments: Arc<Instruments>) -> Self {
        let counting = CountingSpanExporter {
            next: exporter,
            instruments: Arc::clone(&instruments),
            exports: ExportHealth::new("traces", Arc::new(Arc::clone(&instruments).into())),
        };
        Self {
            next: BatchSpanProcessor::builder(counting).build(),
            instruments,
        }
    }
}

impl<P: SpanProcessor> SpanProcessor for CountingSpanProcessor<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.instruments.spans.increment("ended");
        }
        self.next.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

#[derive(Debug)]
struct CountingSpanExporter<E> {
    next: E,
    instruments: Arc<Instruments>,
    exports: ExportHealth,
}

impl<E: SpanExporter> SpanExporter for CountingSpanExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let exported = self.next.export(batch).await;
        let result = if exported.is_ok() {
            "exported"
        } else {
            "failed"
        };
        self.instruments.spans.add(count, result);
        self.exports.on_export(&exported);
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}
