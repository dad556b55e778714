"""One trace from the question through Kafka to the delivery, read from a real OpenTelemetry Collector."""

import subprocess

import pytest

from harness import canaries, v1_client
from harness.answerer import answer_manually
from harness.collector import Collector
from harness.gateway import bare_environment, free_port, gateway_binary
from harness.polling import eventually

pytestmark = pytest.mark.stack

SERVER, PRODUCER, CONSUMER, INTERNAL = 2, 4, 5, 1
UNSET, ERROR = 0, 2
CLIENTS_TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENTS_SPAN = "b7ad6b7169203331"


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """Runs one Collector for all tests of this module; each test finds its spans by session id."""
    with Collector(tmp_path_factory.mktemp("collector")).running() as running:
        yield running


def wait_spans_of_session(collector, session, count):
    """Waits until the traces of a session's questions have `count` spans, and returns these by name."""

    def found():
        spans = collector.spans()
        traces = {span.trace for span in spans if span.attributes.get("session.id") == session}
        spans = [span for span in spans if span.trace in traces]
        return len(spans) == count and spans

    return {span.name: span for span in eventually(found, f"{count} spans of one question are received")}


def ask(gateway, session, headers=None):
    """Asks one question and expects its answer."""
    with v1_client.connect(gateway.url(session), additional_headers=headers or {}) as socket:
        asked = canaries.question()
        assert v1_client.ask(socket, asked) == v1_client.answer_frame(canaries.answer_to(asked))
    return asked


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_question_is_one_trace_when_the_answering_side_carries_it_on(
    start_gateway, topics, start_answerer, collector, protocol
):
    gateway = start_gateway(topics, **collector.exporter_settings(protocol)).wait_ready()
    start_answerer(echo_headers=True)
    session = canaries.session_id()
    ask(gateway, session, {"traceparent": f"00-{CLIENTS_TRACE}-{CLIENTS_SPAN}-01"})
    by_name = {span.name: span for span in wait_spans_of_trace(collector, CLIENTS_TRACE, session)}
    publish, process = f"publish {topics.questions}", f"process {topics.answers}"
    assert set(by_name) == {"ask", publish, process, "deliver"}
    assert by_name["ask"].parent == CLIENTS_SPAN
    for child, parent in [(publish, "ask"), (process, publish), ("deliver", process)]:
        assert by_name[child].parent == by_name[parent].id, child
    kinds = {name: span.kind for name, span in by_name.items()}
    assert kinds == {"ask": SERVER, publish: PRODUCER, process: CONSUMER, "deliver": INTERNAL}
    attributes = by_name[process].attributes
    assert attributes["messaging.system"] == "kafka"
    assert attributes["messaging.operation.type"] == "process"
    assert attributes["messaging.destination.name"] == topics.answers
    assert by_name["ask"].resource["service.name"] == "answer-gateway"
    assert by_name["ask"].resource["service.instance.id"]


def wait_spans_of_trace(collector, trace, session):
    """Waits for the four spans of a session's question in a trace that it shares with other sessions."""

    def found():
        every = {span.id: span for span in collector.spans() if span.trace == trace}
        first = [span for span in every.values() if span.attributes.get("session.id") == session and span.name == "ask"]
        mine = list(first)
        while more := [span for span in every.values() if span not in mine and span.parent in {one.id for one in mine}]:
            mine += more
        return len(mine) == 4 and mine

    return eventually(found, "the spans of one question are received")


def test_an_answering_side_that_drops_the_context_is_linked_through_the_question(
    start_gateway, topics, start_answerer, collector
):
    gateway = start_gateway(topics, OTEL_SERVICE_NAME="asked", **collector.exporter_settings("grpc")).wait_ready()
    start_answerer()
    session = canaries.session_id()
    ask(gateway, session)
    by_name = wait_spans_of_session(collector, session, 4)
    question, process = by_name["ask"], by_name[f"process {topics.answers}"]
    assert process.trace != question.trace
    assert process.links == [(question.trace, question.id)]
    assert by_name["deliver"].parent == process.id
    assert question.resource["service.name"] == "asked"


def test_what_fails_is_an_error_in_its_trace(start_gateway, topics, start_answerer, collector):
    settings = collector.exporter_settings("grpc")
    gateway = start_gateway(topics, GATEWAY__SESSION__ANSWER_TIMEOUT="1500ms", **settings).wait_ready()
    answerer = start_answerer(answer_manually)
    session = canaries.session_id()
    with v1_client.connect(gateway.url(session)) as socket:
        asked = canaries.question()
        v1_client.send(socket, asked)
        answerer.write_value(b"no answer", headers=answerer.wait_question(asked).headers)
        assert v1_client.receive(socket) == v1_client.TIMEOUT_ERROR
    by_name = wait_spans_of_session(collector, session, 3)
    failed = {name: (span.status, span.attributes.get("error.type")) for name, span in by_name.items()}
    assert failed == {
        "ask": (ERROR, "timeout"),
        f"publish {topics.questions}": (UNSET, None),
        f"process {topics.answers}": (ERROR, "magic"),
    }


def test_no_text_of_people_is_in_a_span(start_gateway, topics, start_answerer, collector):
    gateway = start_gateway(topics, **collector.exporter_settings("grpc")).wait_ready()
    start_answerer()
    session = canaries.session_id()
    ask(gateway, session)
    wait_spans_of_session(collector, session, 4)
    received = (collector.folder / "traces.jsonl").read_text()
    assert not [canary for canary in canaries.TEXT_CANARIES if canary in received]


def test_what_is_not_sampled_is_not_sent_and_its_context_travels_all_the_same(
    start_gateway, topics, start_answerer, collector
):
    settings = collector.exporter_settings("grpc")
    gateway = start_gateway(topics, OTEL_TRACES_SAMPLER="always_off", **settings).wait_ready()
    answerer = start_answerer(answer_manually)
    session = canaries.session_id()
    with v1_client.connect(gateway.url(session)) as socket:
        asked = canaries.question()
        v1_client.send(socket, asked)
        question = answerer.wait_question(asked)
        assert question.header("traceparent").endswith("-00")
        answerer.answer(question, canaries.answer_to(asked))
        assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(asked))
    gateway.stop()
    assert not [span for span in collector.spans() if span.attributes.get("session.id") == session]


def test_the_collectors_span_metrics_count_each_step(start_gateway, topics, start_answerer, collector):
    gateway = start_gateway(topics, **collector.exporter_settings("grpc")).wait_ready()
    start_answerer(echo_headers=True)
    ask(gateway, canaries.session_id())

    def counted():
        page = collector.span_metrics()
        lines = [line for line in page.splitlines() if line.startswith("traces_span_metrics_calls_total{")]
        steps = ["ask", f"publish {topics.questions}", f"process {topics.answers}", "deliver"]
        return all(any(f'span_name="{step}"' in line for line in lines) for step in steps) and page

    page = eventually(counted, "every step is counted")
    assert "traces_span_metrics_duration_milliseconds_bucket" in page
    assert "# {" in page, "no bucket carries an exemplar"


def test_metrics_leave_by_otlp_too(start_gateway, topics, start_answerer, collector):
    settings = {**collector.exporter_settings("http/protobuf"), "OTEL_METRIC_EXPORT_INTERVAL": "200"}
    gateway = start_gateway(topics, OTEL_METRICS_EXPORTER="otlp", **settings).wait_ready()
    start_answerer()
    ask(gateway, canaries.session_id())
    wanted = {"answer_gateway.deliveries", "answer_gateway.question.duration", "answer_gateway.sessions"}
    eventually(lambda: wanted <= collector.metrics(), "the metrics are received")
    assert gateway.metrics().value("answer_gateway_deliveries_total", result="success") == 1


def test_a_collector_that_is_away_costs_nothing_and_is_counted(start_gateway, topics, start_answerer):
    gateway = start_gateway(
        topics,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        OTEL_BSP_SCHEDULE_DELAY="50",
    ).wait_ready()
    start_answerer()
    ask(gateway, canaries.session_id())
    gateway.wait_metric("answer_gateway_telemetry_export_failures_total", 1, signal="traces")
    gateway.wait_metric("answer_gateway_traces_spans_total", 4, result="failed")
    ask(gateway, canaries.session_id())
    gateway.stop()
    # Logged once. A failure of the last export has a log line of its own, if shutdown cannot wait for it.
    assert gateway.log.read_text().count('"message":"telemetry is not exported"') == 1


def test_an_exporter_that_is_not_built_in_is_named():
    environment = bare_environment({"OTEL_TRACES_EXPORTER": "zipkin", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    environment["KAFKA_SCHEMA_REGISTRY_URL"] = "http://127.0.0.1:1"
    ended = subprocess.run([gateway_binary(), "run"], env=environment, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert "OTEL_TRACES_EXPORTER: there is no exporter `zipkin`; use otlp or none" in ended.stderr
