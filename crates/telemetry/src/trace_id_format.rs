//! JSON log lines that carry the ids of their trace, so that a line leads to its trace and back.

use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Adds `trace_id` and `span_id` to a line written inside a span that has them.
#[derive(Debug)]
pub(crate) struct TraceIdFormat(pub(crate) Format<Json>);

impl<S, N> FormatEvent<S, N> for TraceIdFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // Whoever enters a span enters its context too.
        let current = Context::current();
        let identity = current.span().span_context().clone();
        if !identity.is_valid() {
            return self.0.format_event(context, writer, event);
        }
        let (trace, span) = (identity.trace_id(), identity.span_id());
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        match line.trim_end().strip_suffix('}') {
            Some(open) => writeln!(
                writer,
                r#"{open},"trace_id":"{trace}","span_id":"{span}"}}"#
            ),
            None => writer.write_str(&line),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};

    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::fmt::{MakeWriter, format, layer};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::{events, spans};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            lines.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_inside_a_span_names_its_trace_and_stays_one_object() {
        let lines = Lines::default();
        let json = layer()
            .json()
            .event_format(TraceIdFormat(format().json().flatten_event(true)))
            .with_writer(lines.clone());
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let traces = tracing_opentelemetry::layer().with_tracer(tracer);
        let subscriber = tracing_subscriber::registry().with(json).with(traces);
        let context = tracing::subscriber::with_default(subscriber, || {
            events::export_recovered("outside");
            let span = spans::start_process("respostas", 1, 2, None);
            span.in_scope(|| events::export_recovered("inside"));
            spans::context_of(&span).unwrap()
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let ids = format!(
            r#","trace_id":"{:032x}","span_id":"{:016x}"}}"#,
            context.trace_id, context.span_id
        );
        assert!(!lines[0].contains("trace_id"), "{text}");
        assert!(lines[1].ends_with(&ids), "{text}");
        assert!(lines[1].contains(r#""signal":"inside""#), "{text}");
        assert_eq!(lines.len(), 2);
    }
}
