"""The first promise: never an answer under the wrong question, in the wrong session or on the wrong connection."""

import uuid

import pytest

from harness import texts, ws
from harness.answerer import held, twice
from harness.schemas import RESPOSTA_WITH_QUESTION_ID

pytestmark = pytest.mark.stack

ANSWERS = "answer_gateway_answers_total"
SHORT = {"GATEWAY__SESSION__ANSWER_TIMEOUT": "1500ms"}


@pytest.fixture(params=["plain", "question"])
def wire_id(request):
    return request.param


def expect_wire_id(question, session, mode, *, ambiguous):
    """The wire id is the session's own id, and has a fresh suffix when the mode or an ambiguity asks for one."""
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
    answerer = start_answerer(held)
    session, first, second = texts.session_id(), texts.question("first"), texts.question("second")
    with ws.connect(gateway.url(session)) as socket:
        ws.send(socket, first)
        abandoned = answerer.question(first)
    expect_wire_id(abandoned, session, wire_id, ambiguous=False)
    gateway.wait_sessions(0)
    with ws.connect(gateway.url(session)) as socket:
        ws.send(socket, second)
        waiting = answerer.question(second)
        expect_wire_id(waiting, session, wire_id, ambiguous=True)
        assert waiting.wire_id != abandoned.wire_id
        answerer.answer(abandoned, texts.answer_to(first))
        gateway.wait_metric("answer_gateway_records_total", 1)
        ws.assert_nothing_more(socket)
        answerer.answer(waiting, texts.answer_to(second))
        assert ws.receive(socket) == ws.response(texts.answer_to(second))
        ws.assert_nothing_more(socket)


def test_a_late_answer_to_an_idle_successor_is_counted_and_not_shown(gateway, start_answerer):
    answerer = start_answerer(held)
    session, asked = texts.session_id(), texts.question()
    with ws.connect(gateway.url(session)) as socket:
        ws.send(socket, asked)
        abandoned = answerer.question(asked)
    gateway.wait_sessions(0)
    with ws.connect(gateway.url(session)) as socket:
        answerer.answer(abandoned, texts.answer_to(asked))
        gateway.wait_metric(ANSWERS, 1, outcome="undeliverable")
        ws.assert_nothing_more(socket)


def test_an_answer_after_its_deadline_is_not_given_to_the_next_question(start_gateway, topics, start_answerer, wire_id):
    gateway = start_gateway(topics, **SHORT, GATEWAY__SESSION__WIRE_ID=wire_id).wait_ready()
    answerer = start_answerer(held)
    session, first, second = texts.session_id(), texts.question("first"), texts.question("second")
    with ws.connect(gateway.url(session)) as socket:
        assert ws.ask(socket, first) == ws.TIMED_OUT
        ws.send(socket, second)
        late, waiting = answerer.question(first), answerer.question(second)
        expect_wire_id(late, session, wire_id, ambiguous=False)
        expect_wire_id(waiting, session, wire_id, ambiguous=True)
        answerer.answer(late, texts.answer_to(first))
        gateway.wait_metric(ANSWERS, 1, outcome="late")
        answerer.answer(waiting, texts.answer_to(second))
        assert ws.receive(socket) == ws.response(texts.answer_to(second))
        ws.assert_nothing_more(socket)


def test_the_plain_id_returns_when_no_late_answer_can_come_any_more(start_gateway, topics, start_answerer):
    gateway = start_gateway(topics, GATEWAY__SESSION__ANSWER_TIMEOUT="1s", GATEWAY__SESSION__ANSWER_TTL="1s")
    gateway.wait_ready()
    answerer = start_answerer(lambda question: [] if "held" in question.text else [texts.answer_to(question.text)])
    session = texts.session_id()
    with ws.connect(gateway.url(session)) as socket:
        assert ws.ask(socket, texts.question("held")) == ws.TIMED_OUT
        wire_ids = []
        while session not in wire_ids and len(wire_ids) < 2_000:
            question = texts.question()
            assert ws.ask(socket, question) == ws.response(texts.answer_to(question))
            wire_ids.append(answerer.question(question).wire_id)
    assert "~" in wire_ids[0]
    assert wire_ids[-1] == session


def test_a_job_that_strips_suffixes_is_named_and_costs_no_other_session_its_answer(
    start_gateway, topics, start_answerer
):
    gateway = start_gateway(topics, **SHORT).wait_ready()
    answerer = start_answerer(held)
    session, other = texts.session_id(), texts.session_id()

    def answer_stripped(asked):
        bare = asked.wire_id.partition("~")[0]
        answerer.answer(asked, texts.answer_to(asked.text), headers=[], session_id=bare)

    with ws.connect(gateway.url(session)) as socket:
        for number in range(5):
            question = texts.question()
            ws.send(socket, question)
            asked = answerer.question(question)
            expect_wire_id(asked, session, "plain", ambiguous=number > 0)
            if number > 0:
                answer_stripped(asked)
            assert ws.receive(socket) == ws.TIMED_OUT
    with ws.connect(gateway.url(other)) as socket:
        question = texts.question()
        ws.send(socket, question)
        asked = answerer.question(question)
        expect_wire_id(asked, other, "plain", ambiguous=False)
        answer_stripped(asked)
        assert ws.receive(socket) == ws.response(texts.answer_to(question))
    errors = gateway.metrics()
    assert errors.value("answer_gateway_errors_total", kind="duplicates_seen") == 0
    assert errors.value("answer_gateway_errors_total", kind="suffix_stripped") >= 1
    degraded = gateway.admin("/readyz").json()["degraded"]
    assert any("suffix" in cause for cause in degraded), degraded


def test_answers_given_twice_are_shown_once_and_never_under_another_question(start_gateway, topics, start_answerer):
    gateway = start_gateway(topics, GATEWAY__SESSION__WIRE_ID="question").wait_ready()
    answerer = start_answerer(twice)
    with ws.connect(gateway.url(texts.session_id())) as socket:
        for _ in range(30):
            question = texts.question()
            assert ws.ask(socket, question) == ws.response(texts.answer_to(question))
        gateway.wait_metric("answer_gateway_records_total", 60)
        ws.assert_nothing_more(socket)
    assert len(answerer.questions) == 30


def test_once_an_answer_came_twice_every_question_carries_a_suffix(gateway, start_answerer):
    answerer = start_answerer(held)
    session = texts.session_id()
    with ws.connect(gateway.url(session)) as socket:
        first = texts.question("first")
        ws.send(socket, first)
        asked = answerer.question(first)
        assert asked.wire_id == session
        answerer.answer(asked, texts.answer_to(first))
        assert ws.receive(socket) == ws.response(texts.answer_to(first))
        answerer.answer(asked, texts.answer_to(first))
        gateway.wait_metric(ANSWERS, 1, outcome="duplicate")
        ws.assert_nothing_more(socket)
        second = texts.question("second")
        ws.send(socket, second)
        suffixed = answerer.question(second)
        assert suffixed.wire_id.startswith(f"{session}~")
        answerer.answer(asked, texts.answer_to(first))
        gateway.wait_metric(ANSWERS, 3)
        answerer.answer(suffixed, texts.answer_to(second))
        assert ws.receive(socket) == ws.response(texts.answer_to(second))


@pytest.mark.parametrize("place", ["header", "field"])
def test_an_echoed_question_id_decides_whatever_the_wire_id_says(start_gateway, topics, start_answerer, place):
    gateway = start_gateway(topics).wait_ready()
    answerer = start_answerer(held, schema=RESPOSTA_WITH_QUESTION_ID)

    def answer(question, text, question_id):
        echo = {"headers": [("question-id", question_id.encode())]} if place == "header" else {}
        field = {"question_id": question_id} if place == "field" else {}
        answerer.answer(question, text, **echo, **field)

    session, asked = texts.session_id(), texts.question()
    with ws.connect(gateway.url(session)) as socket:
        ws.send(socket, asked)
        question = answerer.question(asked)
        answer(question, "não é esta", uuid.uuid4().hex)
        gateway.wait_metric("answer_gateway_records_total", 1)
        ws.assert_nothing_more(socket)
        answer(question, texts.answer_to(asked), question.header("question-id"))
        assert ws.receive(socket) == ws.response(texts.answer_to(asked))


def test_a_question_id_of_another_session_is_invalid_and_shown_to_neither(gateway, start_answerer):
    answerer = start_answerer(held)
    with (
        ws.connect(gateway.url(texts.session_id())) as first,
        ws.connect(gateway.url(texts.session_id())) as second,
    ):
        asked_first, asked_second = texts.question("first"), texts.question("second")
        ws.send(first, asked_first)
        ws.send(second, asked_second)
        of_first, of_second = answerer.question(asked_first), answerer.question(asked_second)
        crossed = [("question-id", of_second.header("question-id").encode())]
        answerer.answer(of_first, "não é desta sessão", headers=crossed)
        gateway.wait_metric(ANSWERS, 1, outcome="invalid")
        ws.assert_nothing_more(first)
        ws.assert_nothing_more(second)
        for socket, question in ((first, of_first), (second, of_second)):
            answerer.answer(question, texts.answer_to(question.text))
            assert ws.receive(socket) == ws.response(texts.answer_to(question.text))


def test_an_answer_to_nobody_is_counted_foreign(gateway, start_answerer):
    answerer = start_answerer(held)
    answerer.write({"session_id": texts.session_id(), "resposta": texts.answer_to("")})
    answerer.flush()
    gateway.wait_metric(ANSWERS, 1, outcome="foreign")


def test_the_answer_deadline_frees_the_session(start_gateway, topics, start_answerer):
    gateway = start_gateway(topics, **SHORT).wait_ready()
    start_answerer(lambda question: [] if "held" in question.text else [texts.answer_to(question.text)])
    with ws.connect(gateway.url(texts.session_id())) as socket:
        assert ws.ask(socket, texts.question("held")) == ws.TIMED_OUT
        question = texts.question()
        assert ws.ask(socket, question) == ws.response(texts.answer_to(question))
        ws.assert_nothing_more(socket)
