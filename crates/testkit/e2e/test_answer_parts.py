"""Answers in parts are shown once, joined; headers or fields carry the part numbers."""

import json

import pytest

from harness import avro_schemas, canaries, v1_client
from harness.answerer import answer_manually

pytestmark = pytest.mark.stack

FIELDS = json.loads(avro_schemas.ANSWER_SCHEMA)
FIELDS["fields"] += [
    {"name": "part", "type": ["null", "int"], "default": None},
    {"name": "final", "type": ["null", "boolean"], "default": None},
    {"name": "attempt", "type": ["null", "int"], "default": None},
]
ANSWER_IN_PARTS_SCHEMA = json.dumps(FIELDS)


def as_headers(part=None, final=None, attempt=None):
    said = {"answer-part": part, "answer-final": final, "answer-attempt": attempt}
    return {"headers": [(name, json.dumps(value).encode()) for name, value in said.items() if value is not None]}


def as_fields(part=None, final=None, attempt=None):
    return {"part": part, "final": final, "attempt": attempt}


@pytest.fixture(params=[as_headers, as_fields], ids=["headers", "fields"])
def part_fields(request):
    return request.param


@pytest.fixture
def answerer(start_answerer):
    return start_answerer(answer_manually, schema=ANSWER_IN_PARTS_SCHEMA)


@pytest.fixture
def asked(gateway, answerer):
    """Yields a socket that waits for an answer, and the record of its question."""
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        text = canaries.question()
        v1_client.send(socket, text)
        yield socket, answerer.wait_question(text)


def test_numbered_parts_come_joined_in_one_frame_whatever_their_order(asked, answerer, gateway, part_fields):
    socket, question = asked
    answerer.answer(question, "é ", **part_fields(part=1))
    answerer.answer(question, "lá: ", **part_fields(part=0))
    answerer.answer(question, "é ", **part_fields(part=1))
    gateway.wait_metric("answer_gateway_answers_total", 2, outcome="part")
    gateway.wait_metric("answer_gateway_answers_total", 1, outcome="duplicate")
    v1_client.assert_nothing_more(socket)
    answerer.answer(question, "longe", **part_fields(part=2, final=True))
    assert v1_client.receive(socket) == v1_client.answer_frame("lá: é longe")
    v1_client.assert_nothing_more(socket)


def write_in_order(answerer, question, parts, part_fields):
    """Writes answer parts to one partition, where their order is kept."""
    for text, said in parts:
        said = part_fields(**said)
        headers = said.pop("headers", None)
        record = {"session_id": question.wire_id, "resposta": text, **said}
        answerer.write_record(record, headers=headers, partition=3)
    answerer.flush()


def test_a_second_attempt_replaces_the_first(asked, answerer, part_fields):
    socket, question = asked
    parts = [
        ("não ", {"part": 0, "attempt": 1}),
        ("sim ", {"part": 0, "attempt": 2}),
        ("sei", {"part": 1, "final": True, "attempt": 1}),
        ("senhor", {"part": 1, "final": True, "attempt": 2}),
    ]
    write_in_order(answerer, question, parts, part_fields)
    assert v1_client.receive(socket) == v1_client.answer_frame("sim senhor")
    v1_client.assert_nothing_more(socket)


def test_parts_without_numbers_are_joined_as_they_were_written(asked, answerer, part_fields):
    socket, question = asked
    parts = [("um ", {"final": False}), ("dois ", {"final": False}), ("três", {"final": True})]
    write_in_order(answerer, question, parts, part_fields)
    assert v1_client.receive(socket) == v1_client.answer_frame("um dois três")


def test_a_part_that_cannot_be_told_is_invalid_and_never_shown_as_the_whole(asked, answerer, gateway):
    socket, question = asked
    answerer.answer(question, "metade", headers=[("answer-part", b"primeira")])
    gateway.wait_metric("answer_gateway_answers_total", 1, outcome="invalid")
    v1_client.assert_nothing_more(socket)
    answerer.answer(question, "tudo")
    assert v1_client.receive(socket) == v1_client.answer_frame("tudo")
