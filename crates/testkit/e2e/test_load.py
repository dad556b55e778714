"""Load: of many questions none is lost, answered twice or misplaced. Audited from both topics by kcat."""

import pytest

from harness import kcat
from harness.answerer import answer_twice
from harness.load_clients import LoadClients
from harness.topic_audit import assert_each_question_answered_once

pytestmark = pytest.mark.stack

QUIET_LOG = "warn"


@pytest.mark.timeout(400)
def test_20000_questions_of_500_sessions_each_get_their_answer_once(start_gateway, start_answerer, topics, access):
    gateway = start_gateway(topics, RUST_LOG=QUIET_LOG).wait_ready()
    start_answerer()
    exchanges = LoadClients([gateway], sessions=500, questions_each=40).run()
    assert len(exchanges) == 20_000
    assert_each_question_answered_once(
        exchanges,
        kcat.read_topic(access.bootstrap, topics.questions),
        kcat.read_topic(access.bootstrap, topics.answers),
    )


def test_two_processes_on_one_topic_serve_both_sets_of_sessions(start_gateway, start_answerer, topics, access):
    gateways = [start_gateway(topics, RUST_LOG=QUIET_LOG) for _ in range(2)]
    for gateway in gateways:
        gateway.wait_ready()
    start_answerer()
    exchanges = LoadClients(gateways, sessions=100, questions_each=20).run()
    assert len(exchanges) == 2_000
    assert_each_question_answered_once(
        exchanges,
        kcat.read_topic(access.bootstrap, topics.questions),
        kcat.read_topic(access.bootstrap, topics.answers),
    )
    for gateway in gateways:
        assert gateway.metrics().value("answer_gateway_answers_total", outcome="delivered") == 1_000
        assert gateway.metrics().value("answer_gateway_answers_total", outcome="foreign") == 1_000


def test_questions_of_many_sessions_that_leave_and_come_back_never_mix(start_gateway, start_answerer, topics):
    gateway = start_gateway(topics, RUST_LOG=QUIET_LOG, GATEWAY__SESSION__WIRE_ID="question").wait_ready()
    start_answerer(answer_twice)
    clients = LoadClients([gateway], sessions=50, questions_each=20)
    assert all(one.answered for one in clients.run())
    again = LoadClients([gateway], sessions=clients.sessions, questions_each=20)
    assert all(one.answered for one in again.run())
    assert len(again.exchanges) == 1_000
