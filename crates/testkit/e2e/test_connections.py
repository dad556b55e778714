"""Admission of connections: session ids, origins, limits, replaced connections and silent peers."""

from contextlib import ExitStack

import pytest

from harness import canaries, v1_client
from harness.answerer import answer_manually

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("session", ["a", "A-z.0_9", "7" * 128, "f47ac10b-58cc-4372-a567-0e02b2c3d479"])
def test_every_id_of_the_accepted_set_connects_and_is_answered(gateway, start_answerer, session):
    start_answerer()
    question = canaries.question()
    assert v1_client.ask_once(gateway.url(session), question) == v1_client.answer_frame(canaries.answer_to(question))


@pytest.mark.parametrize("session", ["7" * 129, "a~b", "a%20b", "a%7Eb", "%C3%A3", "a%2Fb", "a:b", "a%00b"])
def test_any_other_id_is_http_400(gateway, session):
    assert v1_client.expect_refused_upgrade(gateway.url(session)).response.status_code == 400


def test_a_second_connection_replaces_the_first_with_4509(gateway, start_answerer):
    start_answerer()
    session = canaries.session_id()
    with v1_client.connect(gateway.url(session)) as older, v1_client.connect(gateway.url(session)) as newer:
        assert v1_client.wait_close_code(older) == 4509
        question = canaries.question()
        assert v1_client.ask(newer, question) == v1_client.answer_frame(canaries.answer_to(question))


def test_the_answer_of_a_replaced_connection_is_not_shown_to_its_successor(gateway, start_answerer):
    answerer = start_answerer(answer_manually)
    session = canaries.session_id()
    asked = canaries.question("older")
    with v1_client.connect(gateway.url(session)) as older:
        v1_client.send(older, asked)
        waiting = answerer.wait_question(asked)
        with v1_client.connect(gateway.url(session)) as newer:
            assert v1_client.wait_close_code(older) == 4509
            answerer.answer(waiting, canaries.answer_to(asked))
            gateway.wait_metric("answer_gateway_answers_total", 1, outcome="undeliverable")
            v1_client.assert_nothing_more(newer)
            question = canaries.question("newer")
            v1_client.send(newer, question)
            asked_newer = answerer.wait_question(question)
            assert asked_newer.wire_id.startswith(f"{session}~"), "the ambiguity asks for a suffix"
            answerer.answer(asked_newer, canaries.answer_to(question))
            assert v1_client.receive(newer) == v1_client.answer_frame(canaries.answer_to(question))
            v1_client.assert_nothing_more(newer)


def test_the_late_close_of_a_replaced_connection_does_not_evict_its_successor(gateway, start_answerer):
    start_answerer()
    session = canaries.session_id()
    with v1_client.connect(gateway.url(session)) as older, v1_client.connect(gateway.url(session)) as newer:
        assert v1_client.wait_close_code(older) == 4509
        older.close()
        gateway.wait_sessions(1)
        for _ in range(5):
            question = canaries.question()
            assert v1_client.ask(newer, question) == v1_client.answer_frame(canaries.answer_to(question))


def test_one_address_may_not_open_more_than_its_share(start_gateway, topics):
    gateway = start_gateway(topics, GATEWAY__LIMITS__CONNECTIONS_PER_ADDRESS="2").wait_ready()
    with ExitStack() as open_sockets:
        for _ in range(2):
            open_sockets.enter_context(v1_client.connect(gateway.url(canaries.session_id())))
        refusal = v1_client.expect_refused_upgrade(gateway.url(canaries.session_id())).response
        assert refusal.status_code == 503
        assert int(refusal.headers["retry-after"]) >= 0
        with v1_client.connect(gateway.url(canaries.session_id()), source_address=("127.0.0.2", 0)):
            pass
    gateway.wait_sessions(0)
    with v1_client.connect(gateway.url(canaries.session_id())):
        pass


def test_the_process_may_not_hold_more_sockets_than_its_limit(start_gateway, topics):
    gateway = start_gateway(topics, GATEWAY__LIMITS__CONNECTIONS="2").wait_ready()
    with ExitStack() as open_sockets:
        for _ in range(2):
            open_sockets.enter_context(v1_client.connect(gateway.url(canaries.session_id())))
        refusal = v1_client.expect_refused_upgrade(
            gateway.url(canaries.session_id()), source_address=("127.0.0.2", 0)
        ).response
        assert refusal.status_code == 503
        assert "retry-after" in refusal.headers


def test_too_many_connects_in_a_second_are_http_429(start_gateway, topics):
    gateway = start_gateway(topics, GATEWAY__LIMITS__CONNECTS_PER_SECOND="1").wait_ready()
    with ExitStack() as open_sockets:
        refusals = []
        for _ in range(20):
            try:
                open_sockets.enter_context(v1_client.connect(gateway.url(canaries.session_id())))
            except v1_client.InvalidStatus as refusal:
                refusals.append(refusal.response)
        assert {response.status_code for response in refusals} == {429}
        assert all("retry-after" in response.headers for response in refusals)


def test_an_origin_outside_the_list_is_http_403_and_names_the_setting(start_gateway, topics):
    gateway = start_gateway(topics, GATEWAY__SECURITY__ALLOWED_ORIGINS="https://chat.example").wait_ready()
    refusal = v1_client.expect_refused_upgrade(
        gateway.url(canaries.session_id()), origin="https://elsewhere.example"
    ).response
    assert refusal.status_code == 403
    assert b"allowed_origins" in refusal.body.lower()
    with v1_client.connect(gateway.url(canaries.session_id()), origin="https://chat.example"):
        pass
    with v1_client.connect(gateway.url(canaries.session_id())):
        pass


def test_a_silent_peer_is_closed_4012_and_its_session_cleared(start_gateway, topics):
    gateway = start_gateway(topics, GATEWAY__WS__PING_INTERVAL="300ms", GATEWAY__WS__PONG_TIMEOUT="300ms").wait_ready()
    with v1_client.connect_silent_peer(gateway.port, canaries.session_id()) as peer:
        assert v1_client.silent_peer_close_code(peer) == 4012
    gateway.wait_sessions(0)
    assert gateway.metrics().value("answer_gateway_sockets_closed_total", code="4012") == 1
