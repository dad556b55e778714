"""Mode `group`: the seed's own way, for one replica."""

import pytest

from harness import texts, ws
from harness.answerer import held
from harness.wait import eventually

pytestmark = pytest.mark.stack


@pytest.fixture
def group(start_gateway, topics):
    """Starts members of one group of this test's own."""
    name = f"group-{topics.answers}"
    return name, lambda: start_gateway(topics, GATEWAY__DELIVERY__MODE="group", KAFKA_CONSUMER_GROUP_ID=name)


def test_a_restart_loses_nothing(group, start_answerer):
    _, start = group
    answerer = start_answerer(held)
    first = start().wait_ready()
    asked = texts.question()
    with ws.connect(first.url(texts.session_id())) as socket:
        ws.send(socket, asked)
        question = answerer.question(asked)
        answerer.answer(question, texts.answer_to(asked))
        assert ws.receive(socket) == ws.response(texts.answer_to(asked))
        late = texts.question()
        ws.send(socket, late)
        question = answerer.question(late)
    first.stop()

    answerer.answer(question, texts.answer_to(late))
    second = start().wait_ready()
    second.wait_metric("answer_gateway_answers_total", 1, outcome="foreign")
    assert second.metrics().value("answer_gateway_records_total") == 1, "and nothing is read twice"
    asked = texts.question()
    with ws.connect(second.url(question.header("session-id"))) as socket:
        ws.send(socket, asked)
        answerer.answer(answerer.question(asked), texts.answer_to(asked))
        assert ws.receive(socket) == ws.response(texts.answer_to(asked))


def test_a_second_member_is_named_by_both_and_leaves_no_trace(group):
    name, start = group
    first = start().wait_ready()
    assert name not in first.admin("/readyz").body
    second = start().wait_ready()
    for member in (first, second):
        member.wait_readyz(200, naming=f"another member of the consumer group {name}")
        member.wait_metric("answer_gateway_errors_total", 1, kind="group_shared")
    second.stop()
    eventually(lambda: name not in first.admin("/readyz").body, "the one that is left is alone again")
