"""Every row of version 1's table of frames, and what must not be a frame."""

import json
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from harness import texts, ws
from harness.answerer import held

pytestmark = pytest.mark.stack


@pytest.fixture
def socket(gateway):
    with ws.connect(gateway.url(texts.session_id())) as connection:
        yield connection


def test_a_question_while_one_waits_is_refused_and_the_first_goes_on(socket, start_answerer):
    answerer = start_answerer(held)
    first = texts.question()
    ws.send(socket, first)
    waiting = answerer.question(first)
    assert ws.ask(socket, texts.question()) == ws.WAIT
    assert ws.ask(socket, texts.question()) == ws.WAIT
    answerer.answer(waiting, texts.answer_to(first))
    assert ws.receive(socket) == ws.response(texts.answer_to(first))
    ws.assert_nothing_more(socket)
    assert [question.text for question in answerer.questions] == [first], "a refused question was published"


def test_nothing_is_sent_before_a_question(socket):
    ws.assert_nothing_more(socket)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "onde fica?",
        "[]",
        "null",
        '"message"',
        "{}",
        '{"type":"message"}',
        '{"content":"onde?"}',
        '{"type":"message","content":7}',
        '{"type":"message","content":null}',
        '{"type":"ask","content":"onde?"}',
        '{"type":"message","content":"onde?"',
        '{"type":"message","content":"onde?"} {}',
        '{"type":"message","content":"\\ud800"}',
        "[" * 30_000,
    ],
)
def test_text_that_is_no_such_frame_is_refused_and_the_connection_stays(socket, start_answerer, frame):
    answerer = start_answerer()
    socket.send(frame)
    assert ws.receive(socket) == ws.INVALID
    question = texts.question()
    assert ws.ask(socket, question) == ws.response(texts.answer_to(question))
    assert [question.text for question in answerer.questions] == [question], "a refused frame was published"


def test_a_malformed_frame_while_a_question_waits_does_not_disturb_it(socket, start_answerer):
    answerer = start_answerer(held)
    question = texts.question()
    ws.send(socket, question)
    waiting = answerer.question(question)
    socket.send("onde?")
    assert ws.receive(socket) == ws.INVALID
    answerer.answer(waiting, texts.answer_to(question))
    assert ws.receive(socket) == ws.response(texts.answer_to(question))


def test_unknown_fields_are_ignored(socket, start_answerer):
    start_answerer()
    question = texts.question()
    socket.send(json.dumps({"extra": [1, {}], "content": question, "id": None, "type": "message"}))
    assert ws.receive(socket) == ws.response(texts.answer_to(question))


def test_a_question_in_fragments_is_one_question(socket, start_answerer):
    start_answerer()
    question = texts.question()
    frame = ws.message(question)
    socket.send(frame[start : start + 7] for start in range(0, len(frame), 7))
    assert ws.receive(socket) == ws.response(texts.answer_to(question))


def test_a_binary_frame_closes_1003(socket):
    socket.send(b"onde?")
    assert ws.close_code(socket) == 1003


def test_a_frame_over_the_size_limit_closes_1009(socket):
    with suppress(ConnectionClosed):  # The gateway may close before the last byte of it is written.
        socket.send("x" * (64 * 1024 + 1))
    assert ws.close_code(socket) == 1009


def test_fragments_that_add_up_over_the_size_limit_close_1009(socket):
    with suppress(ConnectionClosed):
        socket.send("x" * 16_000 for _ in range(5))
    assert ws.close_code(socket) == 1009


def test_the_longest_question_is_answered_and_a_longer_one_refused(socket, start_answerer):
    answerer = start_answerer()
    longest = texts.question()
    longest += "x" * (32 * 1024 - len(longest.encode()))
    assert ws.ask(socket, longest) == ws.response(texts.answer_to(longest))
    refusal = ws.ask(socket, longest + "x")
    assert refusal["type"] == "error", refusal
    question = texts.question()
    assert ws.ask(socket, question) == ws.response(texts.answer_to(question))
    assert [question.text for question in answerer.questions] == [longest, question]


def test_an_answer_over_the_size_limit_ends_its_question_with_an_error(start_gateway, topics, start_answerer):
    gateway = start_gateway(topics, GATEWAY__WS__MAX_RESPONSE_BYTES="64KiB").wait_ready()
    start_answerer(lambda question: ["x" * (64 * 1024 + ("long" in question.text))])
    with ws.connect(gateway.url(texts.session_id())) as socket:
        assert ws.ask(socket, texts.question("long"))["type"] == "error"
        assert ws.ask(socket, texts.question("fits")) == ws.response("x" * 64 * 1024)


def test_a_ping_is_answered_with_its_payload(socket):
    assert socket.ping(b"onde").wait(10)
