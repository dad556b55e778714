"""The audit of load runs finds what it has to find. Needs no stack."""

import io
import json

import fastavro
import pytest

from harness import avro_schemas, canaries
from harness.kcat import KcatRecord
from harness.load_clients import Exchange
from harness.topic_audit import assert_each_question_answered_once


def encode_record(schema, **fields):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(schema)), fields)
    return KcatRecord(0, 0, fields["session_id"].encode(), b"\0\0\0\0\1" + out.getvalue())


@pytest.fixture
def run():
    """Returns a run without errors: the clients' log, the questions' topic, the answers' topic."""
    exchanges, questions, answers = [], [], []
    for _ in range(4):
        session, asked = canaries.session_id(), canaries.question()
        answer = canaries.answer_to(asked)
        exchanges.append(Exchange(session, asked, 0.0, frame={"type": "response", "data": answer}))
        questions.append(encode_record(avro_schemas.QUESTION_SCHEMA, session_id=session, pergunta=asked))
        answers.append(encode_record(avro_schemas.ANSWER_SCHEMA, session_id=session, resposta=answer))
    return exchanges, questions, answers


def test_a_run_in_which_all_went_well_passes(run):
    assert_each_question_answered_once(*run)


def test_an_answer_that_was_never_shown_is_seen(run):
    run[0][1].frame = None
    with pytest.raises(AssertionError):
        assert_each_question_answered_once(*run)


def test_answers_that_were_swapped_are_seen(run):
    run[0][0].frame, run[0][1].frame = run[0][1].frame, run[0][0].frame
    with pytest.raises(AssertionError):
        assert_each_question_answered_once(*run)


def test_an_error_in_place_of_an_answer_is_seen(run):
    run[0][2].frame = {"type": "error", "message": "No response in time"}
    with pytest.raises(AssertionError):
        assert_each_question_answered_once(*run)


@pytest.mark.parametrize("topic", [1, 2], ids=["question", "answer"])
def test_a_record_that_stands_in_its_topic_twice_is_seen(run, topic):
    run[topic].append(run[topic][0])
    with pytest.raises(AssertionError):
        assert_each_question_answered_once(*run)


@pytest.mark.parametrize("topic", [1, 2], ids=["question", "answer"])
def test_a_record_that_is_missing_from_its_topic_is_seen(run, topic):
    run[topic].pop()
    with pytest.raises(AssertionError):
        assert_each_question_answered_once(*run)


def test_a_key_that_is_not_the_wire_id_is_seen(run):
    first = run[1][0]
    run[1][0] = KcatRecord(first.partition, first.offset, b"another", first.value)
    with pytest.raises(AssertionError):
        assert_each_question_answered_once(*run)
