"""Every row of version 1's table of frames, and text that is not a frame."""

import json
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from harness import canaries, v1_client
from harness.answerer import answer_manually

pytestmark = pytest.mark.stack


@pytest.fixture
def socket(gateway):
    with v1_client.connect(gateway.url(canaries.session_id())) as connection:
        yield connection


def test_a_question_while_one_waits_is_refused_and_the_first_goes_on(socket, start_answerer):
    answerer = start_answerer(answer_manually)
    first = canaries.question()
    v1_client.send(socket, first)
    waiting = answerer.wait_question(first)
    assert v1_client.ask(socket, canaries.question()) == v1_client.BUSY_ERROR
    assert v1_client.ask(socket, canaries.question()) == v1_client.BUSY_ERROR
    answerer.answer(waiting, canaries.answer_to(first))
    assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(first))
    v1_client.assert_nothing_more(socket)
    assert [question.text for question in answerer.questions] == [first], "a refused question was published"


def test_nothing_is_sent_before_a_question(socket):
    v1_client.assert_nothing_more(socket)


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
    assert v1_client.receive(socket) == v1_client.INVALID_FRAME_ERROR
    question = canaries.question()
    assert v1_client.ask(socket, question) == v1_client.answer_frame(canaries.answer_to(question))
    assert [question.text for question in answerer.questions] == [question], "a refused frame was published"


def test_a_malformed_frame_while_a_question_waits_does_not_disturb_it(socket, start_answerer):
    answerer = start_answerer(answer_manually)
    question = canaries.question()
    v1_client.send(socket, question)
    waiting = answerer.wait_question(question)
    socket.send("onde?")
    assert v1_client.receive(socket) == v1_client.INVALID_FRAME_ERROR
    answerer.answer(waiting, canaries.answer_to(question))
    assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(question))


def test_unknown_fields_are_ignored(socket, start_answerer):
    start_answerer()
    question = canaries.question()
    socket.send(json.dumps({"extra": [1, {}], "content": question, "id": None, "type": "message"}))
    assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(question))


def test_a_question_in_fragments_is_one_question(socket, start_answerer):
    start_answerer()
    question = canaries.question()
    frame = v1_client.question_frame(question)
    socket.send(frame[start : start + 7] for start in range(0, len(frame), 7))
    assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(question))


def test_a_binary_frame_closes_1003(socket):
    socket.send(b"onde?")
    assert v1_client.wait_close_code(socket) == 1003


def test_a_frame_over_the_size_limit_closes_1009(socket):
    with suppress(ConnectionClosed):  # The gateway may close before the whole frame is sent.
        socket.send("x" * (64 * 1024 + 1))
    assert v1_client.wait_close_code(socket) == 1009


def test_fragments_that_add_up_over_the_size_limit_close_1009(socket):
    with suppress(ConnectionClosed):
        socket.send("x" * 16_000 for _ in range(5))
    assert v1_client.wait_close_code(socket) == 1009


def test_the_longest_question_is_answered_and_a_longer_one_refused(socket, start_answerer):
    answerer = start_answerer()
    longest = canaries.question()
    longest += "x" * (32 * 1024 - len(longest.encode()))
    assert v1_client.ask(socket, longest) == v1_client.answer_frame(canaries.answer_to(longest))
    refusal = v1_client.ask(socket, longest + "x")
    assert refusal["type"] == "error", refusal
    question = canaries.question()
    assert v1_client.ask(socket, question) == v1_client.answer_frame(canaries.answer_to(question))
    assert [question.text for question in answerer.questions] == [longest, question]


def test_an_answer_over_the_size_limit_ends_its_question_with_an_error(start_gateway, topics, start_answerer):
    gateway = start_gateway(topics, GATEWAY__WS__MAX_RESPONSE_BYTES="64KiB").wait_ready()
    start_answerer(lambda question: ["x" * (64 * 1024 + ("long" in question.text))])
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        assert v1_client.ask(socket, canaries.question("long"))["type"] == "error"
        assert v1_client.ask(socket, canaries.question("fits")) == v1_client.answer_frame("x" * 64 * 1024)


def test_a_ping_is_answered_with_its_payload(socket):
    assert socket.ping(b"onde").wait(10)
