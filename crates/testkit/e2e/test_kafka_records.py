"""The contents of question records, and the answer records that the gateway understands."""

import re
import time
import uuid

import pytest

from harness import avro_schemas, canaries, kcat, v1_client, v2_client
from harness.answerer import answer_manually
from harness.topics import create_topics_with_schema

pytestmark = pytest.mark.stack

TRACE_PARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def test_a_question_record_is_what_the_contract_says(gateway, start_answerer, topics):
    answerer = start_answerer()
    session, asked = canaries.session_id(), canaries.question()
    assert v1_client.ask_once(gateway.url(session), asked)["type"] == "response"
    question = answerer.wait_question(asked)
    assert question.key == session.encode()
    assert question.fields == {"session_id": session, "pergunta": asked}
    names = [name for name, _ in question.headers]
    assert {"question-id", "session-id", "traceparent", "reply-topic"} <= set(names)
    assert set(names) <= {"question-id", "session-id", "traceparent", "tracestate", "reply-topic"}
    assert len(names) == len(set(names))
    assert re.fullmatch("[0-9a-f]{32}", question.header("question-id"))
    assert question.header("session-id") == session
    assert question.header("reply-topic") == topics.answers
    assert TRACE_PARENT.fullmatch(question.header("traceparent"))


def test_a_question_record_is_confluent_framed_for_a_reader_that_is_not_ours(gateway, start_answerer, topics, access):
    start_answerer()
    session, asked = canaries.session_id(), canaries.question()
    assert v1_client.ask_once(gateway.url(session), asked)["type"] == "response"
    (record,) = kcat.read_topic(access.bootstrap, topics.questions)
    assert record.key == session.encode()
    assert record.value[:1] == b"\0"
    assert record.decode_value(avro_schemas.QUESTION_SCHEMA) == {"session_id": session, "pergunta": asked}


def test_key_and_session_header_have_no_suffix_when_the_wire_id_has_one(start_gateway, start_answerer, topics):
    gateway = start_gateway(topics, GATEWAY__SESSION__WIRE_ID="question").wait_ready()
    answerer = start_answerer()
    session, asked = canaries.session_id(), canaries.question()
    assert v1_client.ask_once(gateway.url(session), asked) == v1_client.answer_frame(canaries.answer_to(asked))
    question = answerer.wait_question(asked)
    assert question.wire_id.startswith(f"{session}~")
    assert question.key == session.encode()
    assert question.header("session-id") == session


def test_all_questions_of_a_session_stay_in_one_partition_so_that_jobs_can_keep_state_by_key(
    gateway, start_answerer, topics
):
    answerer = start_answerer()
    with v2_client.connect(gateway) as session:
        session.start()
        asked = [canaries.question() for _ in range(12)]
        for number, text in enumerate(asked):
            session.ask(f"q-{number}", text)
            session.receive_answer(f"q-{number}")
    questions = [answerer.wait_question(text) for text in asked]
    assert len({question.wire_id for question in questions}) == len(asked)
    assert len({question.key for question in questions}) == 1
    assert len({question.partition for question in questions}) == 1


def test_optional_fields_are_filled_when_the_registered_schema_has_them(access, start_gateway, start_answerer, topics):
    wide = create_topics_with_schema(access, avro_schemas.QUESTION_WITH_ALL_FIELDS_SCHEMA)
    gateway = start_gateway(wide, GATEWAY__KAFKA__ANSWERS_TOPIC=topics.answers).wait_ready()
    session, asked, name = canaries.session_id(), canaries.question(), canaries.user_name()
    before = time.time()
    with v1_client.connect(gateway.url(session)) as socket:
        v1_client.send(socket, asked, user_name=name)
        gateway.wait_metric("answer_gateway_questions_accepted_total", 1)
    (record,) = kcat.read_topic(access.bootstrap, wide.questions)
    fields = record.decode_value(avro_schemas.QUESTION_WITH_ALL_FIELDS_SCHEMA)
    assert before - 1 <= fields.pop("asked_at").timestamp() <= time.time() + 1
    assert re.fullmatch("[0-9a-f]{32}", fields.pop("question_id"))
    assert fields == {
        "session_id": session,
        "conversation_id": session,
        "pergunta": asked,
        "user_name": name,
        "channel": "web",
    }


def test_every_question_has_an_id_and_a_trace_of_its_own(gateway, start_answerer):
    answerer = start_answerer()
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        for _ in range(10):
            assert v1_client.ask(socket, canaries.question())["type"] == "response"
    assert len({question.header("question-id") for question in answerer.questions}) == 10
    assert len({question.header("traceparent") for question in answerer.questions}) == 10


def test_the_trace_of_the_client_is_carried_into_the_question_record(gateway, start_answerer):
    answerer = start_answerer(echo_headers=True)
    trace = uuid.uuid4().hex
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "tracestate": "vendor=1"}
    asked = canaries.question()
    with v1_client.connect(gateway.url(canaries.session_id()), additional_headers=headers) as socket:
        assert v1_client.ask(socket, asked) == v1_client.answer_frame(canaries.answer_to(asked))
    question = answerer.wait_question(asked)
    assert question.header("traceparent").split("-")[1] == trace
    assert question.header("tracestate") == "vendor=1"


@pytest.mark.parametrize("parent", ["", "garbage", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "ff-" + "a" * 52])
def test_an_answer_with_a_broken_trace_header_is_delivered_all_the_same(gateway, start_answerer, parent):
    answerer = start_answerer(answer_manually)
    asked = canaries.question()
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        v1_client.send(socket, asked)
        question = answerer.wait_question(asked)
        answerer.answer(question, canaries.answer_to(asked), headers=[("traceparent", parent.encode())])
        assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(asked))


@pytest.mark.parametrize(
    ("schema", "more"),
    [
        (avro_schemas.REORDERED_ANSWER_SCHEMA, {"tokens": 7}),
        (
            avro_schemas.ANSWER_WITH_MORE_FIELDS_SCHEMA,
            {"model": "LARGE", "sources": [{"a": "b"}, {}], "digest": b"abcd", "score": None, "inner": {}},
        ),
        (avro_schemas.FLINK_ANSWER_SCHEMA, {}),
    ],
    ids=["reordered", "more-fields", "flink"],
)
def test_answers_of_every_compatible_schema_are_understood(gateway, start_answerer, schema, more):
    answerer = start_answerer(answer_manually)
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        for writer, extra in ((avro_schemas.ANSWER_SCHEMA, {}), (schema, more), (avro_schemas.ANSWER_SCHEMA, {})):
            asked = canaries.question()
            v1_client.send(socket, asked)
            question = answerer.wait_question(asked)
            record = {"session_id": question.wire_id, "resposta": canaries.answer_to(asked), **extra}
            answerer.write_record(record, schema=writer)
            answerer.flush()
            assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(asked))


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_answers_in_compressed_batches_are_read(gateway, start_answerer, codec):
    start_answerer(compression=codec)
    asked = canaries.question()
    assert v1_client.ask_once(gateway.url(canaries.session_id()), asked) == v1_client.answer_frame(
        canaries.answer_to(asked)
    )


@pytest.mark.parametrize(
    "fields",
    [{"resposta": None, "error": "não sei"}, {"resposta": None, "error": None}],
    ids=["error", "null"],
)
def test_an_answer_that_is_an_error_ends_its_question(gateway, start_answerer, fields):
    answerer = start_answerer(answer_manually, schema=avro_schemas.ANSWER_WITH_QUESTION_ID_SCHEMA)
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        asked = canaries.question()
        v1_client.send(socket, asked)
        answerer.answer(answerer.wait_question(asked), "", **fields)
        assert v1_client.receive(socket) in (v1_client.PUBLISH_ERROR, v1_client.TIMEOUT_ERROR)
        asked = canaries.question()
        v1_client.send(socket, asked)
        answerer.answer(answerer.wait_question(asked), canaries.answer_to(asked))
        assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(asked))
