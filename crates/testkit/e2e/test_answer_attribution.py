"""The first promise: no answer is shown under the wrong question, in the wrong session or on the wrong connection."""

import uuid

import pytest

from harness import canaries, v1_client
from harness.answerer import answer_manually, answer_twice
from harness.avro_schemas import ANSWER_WITH_QUESTION_ID_SCHEMA

pytestmark = pytest.mark.stack

ANSWERS_METRIC = "answer_gateway_answers_total"
SHORT_TIMEOUT = {"GATEWAY__SESSION__ANSWER_TIMEOUT": "1500ms"}


@pytest.fixture(params=["plain", "question"])
def wire_id(request):
    return request.param


def expect_wire_id(question, session, mode, *, ambiguous):
    """Fails unless the wire id is the session id, with a new suffix where the setting or an ambiguity requires one."""
    assert question.key == session.encode()
    if ambiguous or mode == "question":
        own, mark, suffix = question.wire_id.partition("~")
        assert (own, mark) == (session, "~")
        assert suffix
    else:
        assert question.wire_id == session


def test_a_late_answer_is_never_shown_to_the_next_connection_with_the_same_id(
    start_gateway, topics, start_answerer, wire_id
):
    gateway = start_gateway(topics, GATEWAY__SESSION__WIRE_ID=wire_id).wait_ready()
    answerer = start_answerer(answer_manually)
    session, first, second = canaries.session_id(), canaries.question("first"), canaries.question("second")
    with v1_client.connect(gateway.url(session)) as socket:
        v1_client.send(socket, first)
        abandoned = answerer.wait_question(first)
    expect_wire_id(abandoned, session, wire_id, ambiguous=False)
    gateway.wait_sessions(0)
    with v1_client.connect(gateway.url(session)) as socket:
        v1_client.send(socket, second)
        waiting = answerer.wait_question(second)
        expect_wire_id(waiting, session, wire_id, ambiguous=True)
        assert waiting.wire_id != abandoned.wire_id
        answerer.answer(abandoned, canaries.answer_to(first))
        gateway.wait_metric("answer_gateway_records_total", 1)
        v1_client.assert_nothing_more(socket)
        answerer.answer(waiting, canaries.answer_to(second))
        assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(second))
        v1_client.assert_nothing_more(socket)


def test_a_late_answer_to_an_idle_successor_is_counted_and_not_shown(gateway, start_answerer):
    answerer = start_answerer(answer_manually)
    session, asked = canaries.session_id(), canaries.question()
    with v1_client.connect(gateway.url(session)) as socket:
        v1_client.send(socket, asked)
        abandoned = answerer.wait_question(asked)
    gateway.wait_sessions(0)
    with v1_client.connect(gateway.url(session)) as socket:
        answerer.answer(abandoned, canaries.answer_to(asked))
        gateway.wait_metric(ANSWERS_METRIC, 1, outcome="undeliverable")
        v1_client.assert_nothing_more(socket)


def test_an_answer_after_its_deadline_is_not_given_to_the_next_question(start_gateway, topics, start_answerer, wire_id):
    gateway = start_gateway(topics, **SHORT_TIMEOUT, GATEWAY__SESSION__WIRE_ID=wire_id).wait_ready()
    answerer = start_answerer(answer_manually)
    session, first, second = canaries.session_id(), canaries.question("first"), canaries.question("second")
    with v1_client.connect(gateway.url(session)) as socket:
        assert v1_client.ask(socket, first) == v1_client.TIMEOUT_ERROR
        v1_client.send(socket, second)
        late, waiting = answerer.wait_question(first), answerer.wait_question(second)
        expect_wire_id(late, session, wire_id, ambiguous=False)
        expect_wire_id(waiting, session, wire_id, ambiguous=True)
        answerer.answer(late, canaries.answer_to(first))
        gateway.wait_metric(ANSWERS_METRIC, 1, outcome="late")
        answerer.answer(waiting, canaries.answer_to(second))
        assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(second))
        v1_client.assert_nothing_more(socket)


def test_the_plain_id_returns_when_no_late_answer_can_come_any_more(start_gateway, topics, start_answerer):
    gateway = start_gateway(topics, GATEWAY__SESSION__ANSWER_TIMEOUT="1s", GATEWAY__SESSION__ANSWER_TTL="1s")
    gateway.wait_ready()
    answerer = start_answerer(lambda question: [] if "held" in question.text else [canaries.answer_to(question.text)])
    session = canaries.session_id()
    with v1_client.connect(gateway.url(session)) as socket:
        assert v1_client.ask(socket, canaries.question("held")) == v1_client.TIMEOUT_ERROR
        wire_ids = []
        while session not in wire_ids and len(wire_ids) < 2_000:
            question = canaries.question()
            assert v1_client.ask(socket, question) == v1_client.answer_frame(canaries.answer_to(question))
            wire_ids.append(answerer.wait_question(question).wire_id)
    assert "~" in wire_ids[0]
    assert wire_ids[-1] == session


def test_a_job_that_strips_suffixes_is_named_and_costs_no_other_session_its_answer(
    start_gateway, topics, start_answerer
):
    gateway = start_gateway(topics, **SHORT_TIMEOUT).wait_ready()
    answerer = start_answerer(answer_manually)
    session, other = canaries.session_id(), canaries.session_id()

    def answer_stripped(asked):
        bare = asked.wire_id.partition("~")[0]
        answerer.answer(asked, canaries.answer_to(asked.text), headers=[], session_id=bare)

    with v1_client.connect(gateway.url(session)) as socket:
        for number in range(5):
            question = canaries.question()
            v1_client.send(socket, question)
            asked = answerer.wait_question(question)
            expect_wire_id(asked, session, "plain", ambiguous=number > 0)
            if number > 0:
                answer_stripped(asked)
            assert v1_client.receive(socket) == v1_client.TIMEOUT_ERROR
    with v1_client.connect(gateway.url(other)) as socket:
        question = canaries.question()
        v1_client.send(socket, question)
        asked = answerer.wait_question(question)
        expect_wire_id(asked, other, "plain", ambiguous=False)
        answer_stripped(asked)
        assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(question))
    errors = gateway.metrics()
    assert errors.value("answer_gateway_errors_total", kind="duplicates_seen") == 0
    assert errors.value("answer_gateway_errors_total", kind="suffix_stripped") >= 1
    degraded = gateway.get_admin("/readyz").json()["degraded"]
    assert any("suffix" in cause for cause in degraded), degraded


def test_answers_given_twice_are_shown_once_and_never_under_another_question(start_gateway, topics, start_answerer):
    gateway = start_gateway(topics, GATEWAY__SESSION__WIRE_ID="question").wait_ready()
    answerer = start_answerer(answer_twice)
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        for _ in range(30):
            question = canaries.question()
            assert v1_client.ask(socket, question) == v1_client.answer_frame(canaries.answer_to(question))
        gateway.wait_metric("answer_gateway_records_total", 60)
        v1_client.assert_nothing_more(socket)
    assert len(answerer.questions) == 30


def test_once_an_answer_came_twice_every_question_carries_a_suffix(gateway, start_answerer):
    answerer = start_answerer(answer_manually)
    session = canaries.session_id()
    with v1_client.connect(gateway.url(session)) as socket:
        first = canaries.question("first")
        v1_client.send(socket, first)
        asked = answerer.wait_question(first)
        assert asked.wire_id == session
        answerer.answer(asked, canaries.answer_to(first))
        assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(first))
        answerer.answer(asked, canaries.answer_to(first))
        gateway.wait_metric(ANSWERS_METRIC, 1, outcome="duplicate")
        v1_client.assert_nothing_more(socket)
        second = canaries.question("second")
        v1_client.send(socket, second)
        suffixed = answerer.wait_question(second)
        assert suffixed.wire_id.startswith(f"{session}~")
        answerer.answer(asked, canaries.answer_to(first))
        gateway.wait_metric(ANSWERS_METRIC, 3)
        answerer.answer(suffixed, canaries.answer_to(second))
        assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(second))


@pytest.mark.parametrize("place", ["header", "field"])
def test_an_echoed_question_id_decides_whatever_the_wire_id_says(start_gateway, topics, start_answerer, place):
    gateway = start_gateway(topics).wait_ready()
    answerer = start_answerer(answer_manually, schema=ANSWER_WITH_QUESTION_ID_SCHEMA)

    def answer(question, text, question_id):
        echo = {"headers": [("question-id", question_id.encode())]} if place == "header" else {}
        field = {"question_id": question_id} if place == "field" else {}
        answerer.answer(question, text, **echo, **field)

    session, asked = canaries.session_id(), canaries.question()
    with v1_client.connect(gateway.url(session)) as socket:
        v1_client.send(socket, asked)
        question = answerer.wait_question(asked)
        answer(question, "não é esta", uuid.uuid4().hex)
        gateway.wait_metric("answer_gateway_records_total", 1)
        v1_client.assert_nothing_more(socket)
        answer(question, canaries.answer_to(asked), question.header("question-id"))
        assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(asked))


def test_a_question_id_of_another_session_is_invalid_and_shown_to_neither(gateway, start_answerer):
    answerer = start_answerer(answer_manually)
    with (
        v1_client.connect(gateway.url(canaries.session_id())) as first,
        v1_client.connect(gateway.url(canaries.session_id())) as second,
    ):
        asked_first, asked_second = canaries.question("first"), canaries.question("second")
        v1_client.send(first, asked_first)
        v1_client.send(second, asked_second)
        of_first, of_second = answerer.wait_question(asked_first), answerer.wait_question(asked_second)
        crossed = [("question-id", of_second.header("question-id").encode())]
        answerer.answer(of_first, "não é desta sessão", headers=crossed)
        gateway.wait_metric(ANSWERS_METRIC, 1, outcome="invalid")
        v1_client.assert_nothing_more(first)
        v1_client.assert_nothing_more(second)
        for socket, question in ((first, of_first), (second, of_second)):
            answerer.answer(question, canaries.answer_to(question.text))
            assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(question.text))


def test_an_answer_to_nobody_is_counted_foreign(gateway, start_answerer):
    answerer = start_answerer(answer_manually)
    answerer.write_record({"session_id": canaries.session_id(), "resposta": canaries.answer_to("")})
    answerer.flush()
    gateway.wait_metric(ANSWERS_METRIC, 1, outcome="foreign")


def test_the_answer_deadline_frees_the_session(start_gateway, topics, start_answerer):
    gateway = start_gateway(topics, **SHORT_TIMEOUT).wait_ready()
    start_answerer(lambda question: [] if "held" in question.text else [canaries.answer_to(question.text)])
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        assert v1_client.ask(socket, canaries.question("held")) == v1_client.TIMEOUT_ERROR
        question = canaries.question()
        assert v1_client.ask(socket, question) == v1_client.answer_frame(canaries.answer_to(question))
        v1_client.assert_nothing_more(socket)
