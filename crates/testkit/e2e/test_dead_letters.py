"""Records that cannot be decoded become dead letters, one copy over all replicas, to be replayed after a repair."""

import json
import uuid
from contextlib import suppress

import pytest

from harness import avro_schemas, canaries, dead_letters, v1_client
from harness.answerer import answer_manually
from harness.dead_letters import read_records, run_replay
from harness.gateway import Gateway
from harness.polling import eventually
from harness.topics import PARTITIONS, create_topics, register_schema
from test_invalid_answers import invalid_values

pytestmark = pytest.mark.stack

REASONS = {"field_type", "magic", "malformed", "missing_field", "schema_unusable", "trailing", "truncated", "utf8"}


@pytest.fixture
def dead_letter_topic(access, topics) -> str:
    """Creates the dead letters' topic, as an operator would: the gateway never creates it."""
    name = f"{topics.answers}.dlq"
    create_topics(access, name)
    return name


def with_dead_letters(dead_letter_topic: str, **more: str) -> dict[str, str]:
    return {"GATEWAY__KAFKA__DEAD_LETTER_TOPIC": dead_letter_topic, **more}


def test_two_replicas_write_one_copy_of_each_invalid_answer_as_it_was(
    start_gateway, start_answerer, access, topics, dead_letter_topic
):
    gateways = [start_gateway(topics, **with_dead_letters(dead_letter_topic)).wait_ready() for _ in range(2)]
    answerer = start_answerer(answer_manually)
    session = canaries.session_id()
    valid = answerer.serialize({"session_id": session, "resposta": canaries.answer_to("x")}, avro_schemas.ANSWER_SCHEMA)
    invalid = invalid_values(answerer, access, valid, session)
    for number, value in enumerate(invalid.values()):
        headers = [("n", b"\xff%d" % number), ("n", None), ("traceparent", b"")]
        key = None if number % 3 == 0 else b"\xfe%d" % number
        answerer.write_value(value, key=key, headers=headers, partition=number % PARTITIONS)
    answerer.write_value(None, key=b"tombstone", partition=0)
    answerer.write_value(valid, partition=0)
    answerer.flush()
    gone = {
        (topics.answers, record.partition, record.offset): record
        for record in read_records(access, topics.answers)
        if record.value not in (None, valid)
    }
    assert len(gone) == len(invalid) >= 10

    copies = eventually(
        lambda: found if len(found := read_records(access, dead_letter_topic)) >= len(invalid) else None,
        "every copy comes",
        timeout=60,
    )
    for gateway in gateways:
        gateway.wait_metric("answer_gateway_answers_total", len(invalid), timeout=60, outcome="invalid")

    def known() -> bool:
        written, elsewhere = (
            sum(one.metrics().value("answer_gateway_dead_letters_total", result=result) for one in gateways)
            for result in ("written", "elsewhere")
        )
        return (written, elsewhere) == (len(invalid), len(invalid))

    eventually(known, "each letter is written by one replica and seen by the other")
    copies = read_records(access, dead_letter_topic)
    assert sorted(copy.origin for copy in copies) == sorted(gone)
    for copy in copies:
        assert copy.original_content() == gone[copy.origin].original_content()
        assert [name for name, _ in copy.headers[-4:]] == list(dead_letters.DEAD_LETTER_HEADERS)
        assert copy.header("dlq-reason") in REASONS


def test_what_a_killed_owner_would_have_written_is_written_once_by_another(
    start_gateway, start_answerer, access, topics, dead_letter_topic, new_log_path
):
    answerer = start_answerer(answer_manually)
    ports = {**access.gateway_settings, **topics.gateway_settings(), **with_dead_letters(dead_letter_topic)}
    doomed = Gateway(ports, new_log_path())
    try:
        doomed.wait_ready()
        answerer.write_value(b"the only one writes", partition=0)
        answerer.flush()
        doomed.wait_metric("answer_gateway_dead_letters_total", 1, result="written")
        survivor = start_gateway(topics, **with_dead_letters(dead_letter_topic)).wait_ready()
        answerer.write_value(b"both are there", partition=0)
        answerer.flush()
        survivor.wait_metric("answer_gateway_dead_letters_total", 1)
    finally:
        doomed.kill()
    for partition in range(PARTITIONS):
        answerer.write_value(b"one is gone", partition=partition)
    answerer.flush()
    expected = 2 + PARTITIONS
    eventually(lambda: len(read_records(access, dead_letter_topic)) >= expected, "another writes them", timeout=60)
    copies = read_records(access, dead_letter_topic)
    assert len({copy.origin for copy in copies}) == len(copies) == expected


@pytest.mark.timeout(300)
def test_a_repair_and_a_replay_bring_the_answer_to_the_waiting_session_once(
    start_gateway, start_answerer, access, topics, dead_letter_topic
):
    settings = with_dead_letters(
        dead_letter_topic, GATEWAY__SESSION__WIRE_ID="question", GATEWAY__SESSION__ANSWER_TIMEOUT="280s"
    )
    gateway = start_gateway(topics, **settings).wait_ready()
    answerer = start_answerer(answer_manually)
    asked = canaries.question()
    with v1_client.connect(gateway.url(canaries.session_id())) as socket:
        v1_client.send(socket, asked)
        question = answerer.wait_question(asked)
        missing = free_schema_id(access, topics)
        answer = encode_with_schema_id(missing, answerer, question.wire_id, canaries.answer_to(asked))
        answerer.write_value(answer, key=b"k", headers=[("h", b"1")], partition=1)
        answerer.write_value(b"no avro", partition=2)
        answerer.flush()
        gateway.wait_metric("answer_gateway_dead_letters_total", 2, timeout=90, result="written")
        (letter,) = [copy for copy in read_records(access, dead_letter_topic) if copy.value == answer]

        run = {**access.gateway_settings, **topics.gateway_settings(), **with_dead_letters(dead_letter_topic)}
        counted = run_replay(run, "--dry-run")
        assert (counted.status, counted.count("would be replayed")) == (0, 2), counted
        assert (counted.count("schema_not_found"), counted.count("magic")) == (1, 1)

        register_missing_schema(access, topics, missing)
        wait_until_schema_is_known(gateway, answerer, missing)
        place = ("--partition", str(letter.partition), "--from", str(letter.offset), "--until", str(letter.offset))
        brought = run_replay(run, *place)
        assert (brought.status, brought.count("dead letters replayed")) == (0, 1), brought
        assert v1_client.receive(socket, timeout=30) == v1_client.answer_frame(canaries.answer_to(asked))
        again = run_replay(run, *place)
        assert (again.status, again.count("dead letters replayed"), again.count("replayed before")) == (0, 0, 1)
        v1_client.assert_nothing_more(socket)
    replayed = [record for record in read_records(access, topics.answers) if record.header("replayed-from")]
    assert [record.original_content() for record in replayed] == [
        (
            b"k",
            answer,
            (("h", b"1"), ("replayed-from", f"{dead_letter_topic}/{letter.partition}/{letter.offset}".encode())),
        )
    ]


def encode_with_schema_id(schema: int, answerer, session: str, text: str) -> bytes:
    """Encodes an answer and puts that schema id in front, whether or not the registry knows it."""
    valid = answerer.serialize({"session_id": session, "resposta": text}, avro_schemas.ANSWER_SCHEMA)
    return b"\0" + schema.to_bytes(4) + valid[5:]


def schema_variant(number: int) -> str:
    """Returns the answers' schema under another `doc`, so that the registry gives it a new id."""
    return json.dumps({**json.loads(avro_schemas.ANSWER_SCHEMA), "doc": f"{uuid.uuid4()} {number}"})


def free_schema_id(access, topics) -> int:
    """Returns a schema id that the registry has not given out and will give out soon."""
    return register_schema(access, f"{topics.answers}-last", schema_variant(0)) + 3


def register_missing_schema(access, topics, missing: int) -> None:
    """Registers variants of the answers' schema until one has that id."""
    given = [register_schema(access, f"{topics.answers}-{number}", schema_variant(number)) for number in range(1, 4)]
    assert missing in given, "the registry counts in another way"


def wait_until_schema_is_known(gateway, answerer, schema: int) -> None:
    """Writes probe answers until the gateway has fetched the schema.

    A schema that the registry denied is requested again only after a minute.
    """

    def known() -> bool:
        before = gateway.metrics()
        answerer.write_value(
            encode_with_schema_id(schema, answerer, canaries.session_id(), canaries.answer_to("probe")), partition=0
        )
        answerer.flush()
        with suppress(AssertionError):
            gateway.wait_metric("answer_gateway_records_total", before.value("answer_gateway_records_total") + 1, 5)
        foreign = before.value("answer_gateway_answers_total", outcome="foreign")
        return gateway.metrics().value("answer_gateway_answers_total", outcome="foreign") > foreign

    eventually(known, "the schema is known", timeout=120)


def test_a_missing_topic_degrades_by_name_and_replay_says_what_to_do(start_gateway, access, topics):
    dead_letter_topic = f"{topics.answers}.dlq"
    gateway = start_gateway(topics, **with_dead_letters(dead_letter_topic)).wait_ready()
    gateway.wait_readyz(200, f"dead letters: the topic {dead_letter_topic} does not exist")
    run = {**access.gateway_settings, **topics.gateway_settings()}
    failed = run_replay({**run, **with_dead_letters(dead_letter_topic)})
    assert failed.status == 2
    assert f"the topic {dead_letter_topic} does not exist" in failed.err
    unset = run_replay(run)
    assert unset.status == 2
    assert "GATEWAY__KAFKA__DEAD_LETTER_TOPIC" in unset.err
    create_topics(access, dead_letter_topic)
    eventually(lambda: dead_letter_topic not in gateway.get_admin("/readyz").body, "it is no longer missing")
