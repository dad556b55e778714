"""The drain after SIGTERM: every waiting client gets an answer or an error, and the process ends in time."""

import socket
import time
from contextlib import ExitStack

import pytest

from harness import avro_schemas, canaries, kcat, v1_client
from harness.answerer import answer_manually
from harness.ledger import assert_ledger_balanced
from harness.load_clients import LoadClients
from harness.polling import eventually
from harness.resuming_clients import ResumingClients

pytestmark = pytest.mark.stack

GRACE_PERIOD = 12.0
DRAIN = {
    "GATEWAY__DRAIN__ACCEPT_FOR": "1s",
    "GATEWAY__DRAIN__BUDGET": "4s",
    "GATEWAY__DRAIN__GRACE_PERIOD": f"{GRACE_PERIOD:g}s",
}


def refused_while_draining(gateway) -> bool:
    """Tells whether new sessions are refused with HTTP 503.

    A closed port raises OSError, which the caller polls through.
    """
    try:
        with v1_client.connect(gateway.url(canaries.session_id())):
            return False
    except v1_client.InvalidStatus as refusal:
        return refusal.response.status_code == 503 and "retry-after" in refusal.response.headers


def test_at_the_end_waiting_sessions_are_answered_or_told_and_idle_ones_closed(start_gateway, topics, start_answerer):
    gateway = start_gateway(topics, **DRAIN).wait_ready()
    answerer = start_answerer(answer_manually)
    with ExitStack() as ending:
        open_socket = lambda: ending.enter_context(v1_client.connect(gateway.url(canaries.session_id())))  # noqa: E731
        idle = [open_socket() for _ in range(20)]
        answered = {canaries.question("answered"): open_socket() for _ in range(10)}
        told = {canaries.question("told"): open_socket() for _ in range(10)}
        for asked, socket in (answered | told).items():
            v1_client.send(socket, asked)
        waiting = [answerer.wait_question(asked) for asked in answered]

        gateway.terminate()
        since = time.monotonic()
        gateway.wait_readyz(503)
        eventually(lambda: refused_while_draining(gateway), "new sessions are refused")
        for question in waiting:
            answerer.answer(question, canaries.answer_to(question.text))
        for asked, socket in answered.items():
            assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(asked))
            assert v1_client.wait_close_code(socket) == 4001
        for socket in idle:
            assert v1_client.wait_close_code(socket) == 4001
        for socket in told.values():
            assert v1_client.receive(socket) == v1_client.TIMEOUT_ERROR
            assert v1_client.wait_close_code(socket) == 4001
        assert gateway.wait_exit(GRACE_PERIOD) == 0
        assert time.monotonic() - since < GRACE_PERIOD


def test_sessions_are_still_accepted_right_after_sigterm_while_balancers_take_note(start_gateway, topics):
    settings = DRAIN | {"GATEWAY__DRAIN__ACCEPT_FOR": "3s", "GATEWAY__DRAIN__BUDGET": "1s"}
    gateway = start_gateway(topics, **settings).wait_ready()
    gateway.terminate()
    gateway.wait_readyz(503)
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        assert v1_client.wait_close_code(socket) == 4001
    assert gateway.wait_exit(GRACE_PERIOD) == 0


def test_sigterm_under_load_leaves_no_published_question_without_a_word(start_gateway, topics, start_answerer, access):
    gateway = start_gateway(topics, **DRAIN, RUST_LOG="info").wait_ready()
    start_answerer()
    with LoadClients([gateway], sessions=100, pause=0.01).running() as clients:
        clients.wait_all_sessions("answered")
        gateway.terminate()
        assert gateway.wait_exit(GRACE_PERIOD) == 0
    cut_off = {one.question: one for one in clients.exchanges if one.close_code is not None}
    assert {one.close_code for one in cut_off.values()} == {4001}
    assert len(cut_off) == 100, "every session was closed"
    others = [one for one in clients.exchanges if one.close_code is None]
    untold = [one for one in others if not one.answered and not one.failed and one.frame != v1_client.TIMEOUT_ERROR]
    assert not untold, f"neither answered nor told: {untold[:2]}"
    published = {
        record.decode_value(avro_schemas.QUESTION_SCHEMA)["pergunta"]
        for record in kcat.read_topic(access.bootstrap, topics.questions)
    }
    assert not published & set(cut_off), "a question that was taken ended without a word"
    refused = {one.question for one in others if one.failed}
    assert not published & refused, "a question was refused and taken all the same"


def test_without_sessions_it_ends_at_once(start_gateway, topics):
    gateway = start_gateway(topics, GATEWAY__DRAIN__ACCEPT_FOR="0s").wait_ready()
    gateway.terminate()
    assert gateway.wait_exit(5) == 0


def test_a_rolling_restart_of_three_replicas_loses_nothing_of_version_2(start_gateway, topics, start_answerer):
    settings = {**DRAIN, "GATEWAY__SESSION__TOKEN_KEY": "the-key-of-all-replicas-of-a-test", "RUST_LOG": "info"}
    gateways = [start_gateway(topics, **settings) for _ in range(3)]
    for gateway in gateways:
        gateway.wait_ready()
    ports = [gateway.port for gateway in gateways]
    start_answerer()
    with ResumingClients(ports, sessions=60, pause=0.05).running() as resuming_clients:
        for place, gateway in enumerate(gateways):
            gateway.wait_metric("answer_gateway_answers_total", 50, outcome="delivered")
            gateway.terminate()
            assert gateway.wait_exit(GRACE_PERIOD) == 0
            gateways[place] = start_gateway(topics, PORT=str(gateway.port), **settings).wait_ready()
    observations = resuming_clients.observations
    assert not observations.protocol_violations, observations.protocol_violations[:3]
    assert not observations.lost, observations.lost[:3]
    assert observations.not_resumed == 0
    assert observations.closed[4001] > 0
    assert observations.resumed > 0
    assert observations.failed["timeout"] == 0
    for gateway in gateways:
        assert_ledger_balanced(gateway)


def test_it_ends_in_time_when_a_broker_takes_connections_and_never_answers(start_gateway, topics):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as deaf:
        bootstrap = f"127.0.0.1:{deaf.getsockname()[1]}"
        gateway = start_gateway(topics, **DRAIN, KAFKA_BOOTSTRAP_SERVERS=bootstrap)
        eventually(lambda: deaf.accept(), "it has connected")
        gateway.terminate()
        assert gateway.wait_exit(GRACE_PERIOD) == 0, gateway.log_tail()
