"""Adds spans of the answering side to a trace, with OpenTelemetry's own Python library."""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from harness.answerer import Headers, QuestionRecord

ANSWERER_SERVICE_NAME = "rag-answerer"
TRACE_HEADERS = ("traceparent", "tracestate")


class AnswererTracing:
    """Continues a trace through the answering side: one span for receiving the question, one for sending the answer.

    Pass `trace_question` to `Answerer` as `headers_of`. Spans are sent to an OTLP port of a Collector.
    """

    def __init__(self, collector_port: int) -> None:
        exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{collector_port}/v1/traces")
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: ANSWERER_SERVICE_NAME}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=100))
        self._tracer = self._provider.get_tracer(ANSWERER_SERVICE_NAME)
        self._context = TraceContextTextMapPropagator()

    def trace_question(self, question: QuestionRecord) -> Headers:
        """Records both spans and returns the question's headers with the context of the span that sends the answer."""
        kept = [(name, value) for name, value in question.headers if name not in TRACE_HEADERS]
        carried = {name: value.decode() for name, value in question.headers if name in TRACE_HEADERS}
        parent = self._context.extract(carried)
        carrier: dict[str, str] = {}
        with (
            self._tracer.start_as_current_span("process", parent, SpanKind.CONSUMER),
            self._tracer.start_as_current_span("send", kind=SpanKind.PRODUCER),
        ):
            self._context.inject(carrier)
        return kept + [(name, value.encode()) for name, value in carrier.items()]

    def close(self) -> None:
        """Exports the remaining spans."""
        self._provider.shutdown()
