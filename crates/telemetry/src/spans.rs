//! The spans of one question: `ask` → `publish` → (the answering side's own) → `process` → `deliver`.
//!
//! Attributes follow OpenTelemetry's semantic conventions for messaging. Contexts leave as
//! [`RemoteContext`], because they cross Kafka in record headers. With tracing switched off every
//! span is disabled and every context is `None`.

use std::fmt::Display;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::{Span, field, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// A span's identity as it travels: W3C Trace Context, level 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteContext {
    /// Never zero.
    pub trace_id: u128,
    /// Never zero.
    pub span_id: u64,
    /// Bit 0: sampled.
    pub flags: u8,
    /// `tracestate`, untouched.
    pub state: Option<Box<str>>,
}

/// The target of every span here; the trace layer listens to nothing else.
pub const TARGET: &str = "answer_gateway::trace";

/// A client asked (server span, from the frame to the end of the question). The parent is the
/// client's own trace, if it sent one.
pub fn start_ask(
    session: &impl Display,
    question_id: &impl Display,
    parent: Option<RemoteContext>,
) -> Span {
    let span = info_span!(
        target: TARGET, parent: None, "ask", otel.kind = "server",
        "session.id" = %session, "messaging.message.conversation_id" = %question_id,
        otel.status_code = field::Empty, "error.type" = field::Empty,
    );
    set_parent(&span, parent);
    span
}

/// A question is produced (producer span, until the delivery report).
pub fn start_publish(
    topic: &str,
    question_id: &impl Display,
    parent: Option<RemoteContext>,
) -> Span {
    let span = info_span!(
        target: TARGET, parent: None, "publish",
        otel.name = format_args!("publish {topic}"), otel.kind = "producer",
        "messaging.system" = "kafka", "messaging.operation.name" = "publish",
        "messaging.operation.type" = "send", "messaging.destination.name" = topic,
        "messaging.message.conversation_id" = %question_id,
        otel.status_code = field::Empty, "error.type" = field::Empty,
    );
    set_parent(&span, parent);
    span
}

/// An answer is handled (consumer span).
pub fn start_process(
    topic: &str,
    partition: i32,
    offset: i64,
    parent: Option<RemoteContext>,
) -> Span {
    let span = info_span!(
        target: TARGET, parent: None, "process",
        otel.name = format_args!("process {topic}"), otel.kind = "consumer",
        "messaging.system" = "kafka", "messaging.operation.name" = "process",
        "messaging.operation.type" = "process", "messaging.destination.name" = topic,
        "messaging.destination.partition.id" = partition, "messaging.kafka.offset" = offset,
        otel.status_code = field::Empty, "error.type" = field::Empty,
    );
    set_parent(&span, parent);
    span
}

/// An answer is written to its socket (internal span).
pub fn start_deliver(session: &impl Display, parent: Option<RemoteContext>) -> Span {
    let span = info_span!(
        target: TARGET, parent: None, "deliver", otel.kind = "internal", "session.id" = %session,
        otel.status_code = field::Empty, "error.type" = field::Empty,
    );
    set_parent(&span, parent);
    span
}

/// Says that what `span` is about belongs to `other`, which is not its parent: an answer to its
/// question, where the answering side did not carry the context on.
pub fn add_link(span: &Span, other: RemoteContext) {
    span.add_link(other.into());
}

/// Marks a span as failed. `why` is one of a few words (`error.type` of the semantic conventions).
pub fn record_failure(span: &Span, why: &'static str) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", why);
}

/// Returns the span's context on the wire; `None` with tracing switched off.
pub fn context_of(span: &Span) -> Option<RemoteContext> {
    let context = span.context();
    let span_ref = context.span();
    let identity = span_ref.span_context();
    identity.is_valid().then(|| RemoteContext {
        trace_id: u128::from_be_bytes(identity.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(identity.span_id().to_bytes()),
        flags: identity.trace_flags().to_u8(),
        state: Some(identity.trace_state().header())
            .filter(|state| !state.is_empty())
            .map(Into::into),
    })
}

fn set_parent(span: &Span, parent: Option<RemoteContext>) {
    let Some(parent) = parent else { return };
    let parent = opentelemetry::Context::new().with_remote_span_context(parent.into());
    // Fails only on a disabled span, which has no parent either.
    drop(span.set_parent(parent));
}

impl From<RemoteContext> for SpanContext {
    fn from(context: RemoteContext) -> Self {
        let state = context.state.as_deref().map(str::parse);
        Self::new(
            TraceId::from(context.trace_id),
            SpanId::from(context.span_id),
            TraceFlags::new(context.flags),
            true,
            state.and_then(Result::ok).unwrap_or(TraceState::NONE),
        )
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry::trace::{Status, TracerProvider};
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn traced(test: impl FnOnce()) -> Vec<opentelemetry_sdk::trace::SpanData> {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), test);
        exporter.get_finished_spans().unwrap()
    }

    #[test]
    fn one_question_is_one_trace_through_the_record_headers() {
        let spans = traced(|| {
            let client = RemoteContext {
                trace_id: 7,
                span_id: 8,
                flags: 1,
                state: None,
            };
            let ask = start_ask(&"s", &"q", Some(client));
            let publish = start_publish("perguntas", &"q", context_of(&ask));
            let process = start_process("respostas", 1, 2, context_of(&publish));
            drop(start_deliver(&"s", context_of(&process)));
        });
        let by_name = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        let trace = by_name("ask").span_context.trace_id();
        assert_eq!(trace, TraceId::from(7));
        assert_eq!(by_name("ask").parent_span_id, SpanId::from(8));
        for (child, parent) in [
            ("publish perguntas", "ask"),
            ("process respostas", "publish perguntas"),
            ("deliver", "process respostas"),
        ] {
            assert_eq!(by_name(child).span_context.trace_id(), trace, "{child}");
            assert_eq!(
                by_name(child).parent_span_id,
                by_name(parent).span_context.span_id()
            );
        }
    }

    #[test]
    fn a_span_that_failed_says_so_and_why() {
        let spans = traced(|| {
            let all = [
                start_ask(&"s", &"q", None),
                start_publish("perguntas", &"q", None),
                start_process("respostas", 1, 2, None),
                start_deliver(&"s", None),
            ];
            for span in all {
                record_failure(&span, "timeout");
            }
            drop(start_ask(&"s", &"q", None));
        });
        let (last, failed) = spans.split_last().unwrap();
        assert_eq!((&last.status, failed.len()), (&Status::Unset, 4));
        for span in failed {
            assert_eq!(span.status, Status::error(""), "{}", span.name);
            let why = KeyValue::new("error.type", "timeout");
            assert!(span.attributes.contains(&why), "{}", span.name);
        }
    }

    #[test]
    fn without_a_tracer_there_is_no_context() {
        assert_eq!(context_of(&start_ask(&"s", &"q", None)), None);
    }
}
