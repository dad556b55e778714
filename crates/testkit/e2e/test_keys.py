"""A record's key is a hint: whatever the answering side makes of it, every answer arrives once."""

import hashlib
import json

import pytest

from harness import kcat, texts, ws
from harness.crowd import Crowd
from harness.witness import judge

pytestmark = pytest.mark.stack

QUIET_LOG = "info"


def the_wire_id(question):
    return question.wire_id.encode()


def nothing(_):
    return None


def as_json(question):
    return json.dumps({"session_id": question.wire_id}).encode()


def hashed(question):
    """A text that could be a session id, and is none here."""
    return hashlib.sha256(question.wire_id.encode()).hexdigest().encode()


def two_gateways(start_gateway, topics):
    gateways = [start_gateway(topics, RUST_LOG="info", GATEWAY__DELIVERY__KEY_HINT="true") for _ in range(2)]
    return [gateway.wait_ready() for gateway in gateways]


def belief(gateway, name):
    """1 when that is what the gateway believes of keys."""
    return gateway.metrics().value("answer_gateway_keys", belief=name)


@pytest.mark.parametrize(
    ("key_of", "believed"),
    [(the_wire_id, "proven"), (nothing, "refuted"), (as_json, "refuted"), (hashed, "refuted")],
    ids=["wire-id", "null", "json", "hashed"],
)
def test_answers_under_keys_of_every_kind_arrive_once(start_gateway, start_answerer, topics, access, key_of, believed):
    gateways = two_gateways(start_gateway, topics)
    start_answerer(key_of=key_of)
    exchanges = Crowd(gateways, sessions=40, questions_each=20).run()
    judge(exchanges, kcat.read(access.bootstrap, topics.questions), kcat.read(access.bootstrap, topics.answers))
    for gateway in gateways:
        assert belief(gateway, believed) == 1
        assert gateway.metrics().value("answer_gateway_answers_total", outcome="delivered") == 400
        assert gateway.metrics().value("answer_gateway_answers_total", outcome="foreign") == 400


def test_answers_under_keys_that_suddenly_are_foreign_arrive_once(start_gateway, start_answerer, topics, access):
    gateways = two_gateways(start_gateway, topics)
    kinds = [the_wire_id]
    start_answerer(key_of=lambda question: kinds[-1](question))
    first = Crowd(gateways, sessions=100, questions_each=20)
    exchanges = first.run()
    for gateway in gateways:
        gateway.wait_metric("answer_gateway_records_total", 1, result="passed_over")
    kinds.append(hashed)
    # One question alone: nothing comes after its answer that could be compared in its place.
    for gateway in gateways:
        asked = texts.question()
        assert ws.ask_once(gateway.url(texts.session_id()), asked) == ws.response(texts.answer_to(asked))
    second = Crowd(gateways, sessions=100, questions_each=10).run()
    assert (len(exchanges), len(second)) == (2_000, 1_000)
    assert all(one.answered for one in (*exchanges, *second))
    for gateway in gateways:
        assert belief(gateway, "refuted") == 1
        lines = [line for line in gateway.log.read_text().splitlines() if "key is not its session id" in line]
        assert len(lines) == 1, "said once"
