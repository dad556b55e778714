"""Records that are not valid answers do not disturb the valid answers around them."""

import json

import pytest

from harness import avro_schemas, canaries, v1_client
from harness.answerer import answer_manually
from harness.topics import register_schema

pytestmark = pytest.mark.stack

NO_SESSION = json.dumps({"type": "record", "name": "Other", "fields": [{"name": "resposta", "type": "string"}]})
WRONG_TYPES = json.dumps(
    {
        "type": "record",
        "name": "Resposta",
        "fields": [{"name": "session_id", "type": "int"}, {"name": "resposta", "type": ["null", "boolean"]}],
    }
)
UNKNOWN_ID = (2_000_000_000).to_bytes(4)


def invalid_values(answerer, access, valid: bytes, session: str) -> dict[str, bytes]:
    """Returns values that are not valid answers, by kind, most of them made from a valid one."""
    head, body = valid[:5], valid[5:]
    for_session = bytes([2 * len(session)]) + session.encode()
    bare_string = register_schema(access, f"{answerer.topics.answers}-other", '"string"').to_bytes(4)
    return {
        "empty": b"",
        "json": b'{"session_id":"%s","resposta":"x"}' % session.encode(),
        "wrong magic byte": b"\1" + valid[1:],
        "frame cut off": valid[:3],
        "no body": head,
        "body cut off": valid[:-1],
        "length beyond the end": head + for_session + b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + b"x",
        "negative length": head + for_session + b"\x01" + b"x",
        "no UTF-8": head + for_session + b"\x04\xc3\x28",
        "endless varint": head + b"\xff" * 20 + body,
        "a bare string": b"\0" + bare_string + for_session,
        "no session": answerer.serialize({"resposta": "x"}, NO_SESSION),
        "wrong types": answerer.serialize({"session_id": 7, "resposta": True}, WRONG_TYPES),
    }


def test_every_kind_of_invalid_answer_is_counted_and_every_valid_one_arrives(gateway, start_answerer, access):
    answerer = start_answerer(answer_manually)
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        invalid = None
        number = 0
        while invalid is None or number < len(invalid):
            asked = canaries.question()
            v1_client.send(socket, asked)
            question = answerer.wait_question(asked)
            record = {"session_id": question.wire_id, "resposta": canaries.answer_to(asked)}
            valid = answerer.serialize(record, avro_schemas.ANSWER_SCHEMA)
            invalid = invalid_values(answerer, access, valid, question.wire_id)
            answerer.write_value(list(invalid.values())[number], key=question.key, partition=0)
            answerer.write_value(valid, key=question.key, partition=0)
            answerer.flush()
            kind = list(invalid)[number]
            assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(asked)), (
                f"after a value of kind {kind!r}"
            )
            number += 1
            gateway.wait_metric("answer_gateway_answers_total", number, outcome="invalid")
    assert len(invalid) >= 10
    assert gateway.metrics().value("answer_gateway_answers_total", outcome="invalid") == len(invalid)
    assert gateway.metrics().value("answer_gateway_records_total", result="error") == len(invalid)


def test_a_tombstone_is_skipped_and_counted(gateway, start_answerer):
    answerer = start_answerer(answer_manually)
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        asked = canaries.question()
        v1_client.send(socket, asked)
        question = answerer.wait_question(asked)
        answerer.write_value(None, key=question.key, partition=0)
        answerer.write_record(
            {"session_id": question.wire_id, "resposta": canaries.answer_to(asked)}, key=question.key, partition=0
        )
        answerer.flush()
        assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(asked))
    assert gateway.metrics().value("answer_gateway_records_total", result="skipped") == 1


@pytest.mark.timeout(240)
def test_a_schema_id_the_registry_does_not_know_holds_up_nothing_and_is_given_up(gateway, start_answerer):
    answerer = start_answerer(answer_manually)
    with (
        v1_client.connect(gateway.url(canaries.session_id())) as behind,
        v1_client.connect(gateway.url(canaries.session_id())) as beside,
    ):
        asked_behind, asked_beside = canaries.question("behind"), canaries.question("beside")
        v1_client.send(behind, asked_behind)
        v1_client.send(beside, asked_beside)
        answerer.write_value(b"\0" + UNKNOWN_ID + b"\2x\2y", partition=0)
        for asked, partition in ((asked_behind, 0), (asked_beside, 1)):
            question = answerer.wait_question(asked)
            record = {"session_id": question.wire_id, "resposta": canaries.answer_to(asked)}
            answerer.write_record(record, partition=partition)
        answerer.flush()
        assert v1_client.receive(beside, timeout=20) == v1_client.answer_frame(canaries.answer_to(asked_beside))
        assert v1_client.receive(behind, timeout=20) == v1_client.answer_frame(canaries.answer_to(asked_behind))
    gateway.wait_metric("answer_gateway_answers_total", 1, timeout=60, outcome="invalid")
