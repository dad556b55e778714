"""Kafka or the registry stops under load and starts again: nothing is lost, and failures are reported in time."""

import time
from contextlib import ExitStack, contextmanager

import pytest

from harness import avro_schemas, canaries, v1_client
from harness.answerer import answer_manually
from harness.load_clients import LoadClients
from harness.movable_clock import MovableClock

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(300)]

PUBLISH_DEADLINE = 2.0
# Seconds after its deadline within which an error frame has to be read, also on a busy machine.
SLACK = 3.0
# Most records of one partition that wait for their schema; the partition is paused at that number.
MAX_PARKED_RECORDS = 1_000


@pytest.fixture
def outage(stack):
    """Returns a context manager: `with outage("kafka")` stops the service for the block."""

    @contextmanager
    def away(service):
        stack.stop(service)
        try:
            yield
        finally:
            stack.start(service)

    return away


def test_answers_under_a_schema_that_came_while_the_registry_was_away_all_arrive(gateway, start_answerer, outage):
    answerer = start_answerer(answer_manually)
    with ExitStack() as opened:
        sockets = [opened.enter_context(v1_client.connect(gateway.url(canaries.session_id()))) for _ in range(6)]
        asked = [canaries.question(str(number)) for number in range(6)]
        for socket, text in zip(sockets, asked, strict=True):
            v1_client.send(socket, text)
        questions = [answerer.wait_question(text) for text in asked]
        values = [
            answerer.serialize(
                {"session_id": question.wire_id, "resposta": canaries.answer_to(question.text), "tokens": 1},
                avro_schemas.REORDERED_ANSWER_SCHEMA,
            )
            for question in questions
        ]
        foreign_answer = answerer.serialize(
            {"session_id": canaries.session_id(), "resposta": "x", "tokens": 1}, avro_schemas.REORDERED_ANSWER_SCHEMA
        )
        with outage("registry"):
            for _ in range(MAX_PARKED_RECORDS):
                answerer.write_value(foreign_answer, partition=0)
            for number, value in enumerate(values):
                answerer.write_value(value, partition=number % 3)
            answerer.flush()
            gateway.wait_metric("answer_gateway_consumer_partitions", 1, state="paused")
            gateway.wait_metric("answer_gateway_parked_records", MAX_PARKED_RECORDS + 4, bound="used")
            gateway.wait_readyz(200, naming="registry")
            for socket in sockets:
                v1_client.assert_nothing_more(socket)
        for socket, text in zip(sockets, asked, strict=True):
            assert v1_client.receive(socket, timeout=60) == v1_client.answer_frame(canaries.answer_to(text))
            v1_client.assert_nothing_more(socket)
    assert gateway.metrics().value("answer_gateway_answers_total", outcome="invalid") == 0


def test_questions_and_known_answers_flow_while_the_registry_is_away(gateway, start_answerer, outage):
    start_answerer()
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        question = canaries.question("before")
        assert v1_client.ask(socket, question) == v1_client.answer_frame(canaries.answer_to(question))
        with outage("registry"):
            for _ in range(20):
                question = canaries.question("meanwhile")
                assert v1_client.ask(socket, question) == v1_client.answer_frame(canaries.answer_to(question))


def test_sessions_outlive_a_broker_that_goes_away_under_load(start_gateway, topics, start_answerer, outage):
    gateway = start_gateway(topics, GATEWAY__KAFKA__PUBLISH_TIMEOUT=f"{PUBLISH_DEADLINE:g}s", RUST_LOG="info")
    gateway.wait_ready()
    start_answerer()
    with LoadClients([gateway], sessions=100, pause=0.2).running() as clients:
        clients.wait_all_sessions("answered")
        with outage("kafka"):
            away = time.monotonic()
            clients.wait_all_failed_or_waiting(since=away)
            gateway.wait_readyz(200, naming="kafka")
        back = time.monotonic()
        clients.wait_all_sessions("answered", since=back)
    strange = [one for one in clients.exchanges if not one.answered and not one.failed]
    assert not strange, f"{len(strange)} questions got neither their answer nor the error, such as {strange[0]}"
    slowest = max(one.took for one in clients.exchanges if one.failed)
    assert slowest < PUBLISH_DEADLINE + SLACK, f"an error frame took {slowest:.1f} s"
    gateway.wait_sessions(0)


def test_a_wall_clock_that_jumps_back_holds_nothing_up(start_gateway, topics, tmp_path):
    clock = MovableClock(tmp_path / "clock")
    gateway = start_gateway(topics, RUST_LOG="info", **clock.environment).wait_ready()
    for _ in range(5_000):  # Some jumps fall into the moment in which a thread begins to wait.
        clock.move(3_600)
        clock.move(0)
    gateway.stop()
    assert "consumer stopped" in gateway.log.read_text(), gateway.log_tail()


def test_a_question_that_waits_while_the_broker_goes_away_gets_its_answer_afterwards(gateway, start_answerer, outage):
    answerer = start_answerer(answer_manually)
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        asked = canaries.question()
        v1_client.send(socket, asked)
        question = answerer.wait_question(asked)
        gateway.wait_metric("answer_gateway_questions_accepted_total", 1)
        with outage("kafka"):
            v1_client.assert_nothing_more(socket)
        answerer.answer(question, canaries.answer_to(asked))
        assert v1_client.receive(socket, timeout=60) == v1_client.answer_frame(canaries.answer_to(asked))


def test_it_ends_in_its_grace_period_while_kafka_is_away(start_gateway, topics, outage):
    grace = 12.0
    gateway = start_gateway(topics, GATEWAY__DRAIN__GRACE_PERIOD=f"{grace:g}s").wait_ready()
    with outage("kafka"):
        gateway.wait_readyz(200, naming="kafka")
        gateway.terminate()
        assert gateway.wait_exit(grace) == 0, gateway.log_tail()
