"""Delivery mode `group`, for a single replica: the way of the service that the gateway replaces."""

import pytest

from harness import canaries, v1_client
from harness.answerer import answer_manually
from harness.polling import eventually

pytestmark = pytest.mark.stack


@pytest.fixture
def group(start_gateway, topics):
    """Returns the name of a consumer group and a function that starts a gateway in it."""
    name = f"group-{topics.answers}"
    return name, lambda: start_gateway(topics, GATEWAY__DELIVERY__MODE="group", KAFKA_CONSUMER_GROUP_ID=name)


def test_a_restart_loses_nothing(group, start_answerer):
    _, start = group
    answerer = start_answerer(answer_manually)
    first = start().wait_ready()
    asked = canaries.question()
    with v1_client.connect(first.url(canaries.session_id())) as socket:
        v1_client.send(socket, asked)
        question = answerer.wait_question(asked)
        answerer.answer(question, canaries.answer_to(asked))
        assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(asked))
        late = canaries.question()
        v1_client.send(socket, late)
        question = answerer.wait_question(late)
    first.stop()

    answerer.answer(question, canaries.answer_to(late))
    second = start().wait_ready()
    second.wait_metric("answer_gateway_answers_total", 1, outcome="foreign")
    assert second.metrics().value("answer_gateway_records_total") == 1, "and nothing is read twice"
    asked = canaries.question()
    with v1_client.connect(second.url(question.header("session-id"))) as socket:
        v1_client.send(socket, asked)
        answerer.answer(answerer.wait_question(asked), canaries.answer_to(asked))
        assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(asked))


def test_a_second_member_is_named_by_both_and_leaves_no_trace(group):
    name, start = group
    first = start().wait_ready()
    assert name not in first.get_admin("/readyz").body
    second = start().wait_ready()
    for member in (first, second):
        member.wait_readyz(200, naming=f"another member of the consumer group {name}")
        member.wait_metric("answer_gateway_errors_total", 1, kind="group_shared")
    second.stop()
    eventually(lambda: name not in first.get_admin("/readyz").body, "the one that is left is alone again")
