"""A batch that cannot be unpacked costs its own records and nothing else."""

import pytest
from confluent_kafka import Producer

from harness import canaries, v1_client, v2_client
from harness.answerer import answer_manually
from harness.dead_letters import read_records, run_replay
from harness.ledger import assert_ledger_balanced
from harness.polling import WAIT_TIMEOUT, eventually
from harness.topics import PARTITIONS, create_topics
from harness.unreadable_batches import UNPACK_LIMIT_SETTINGS, UnreadableBatch, write_unreadable_batch

pytestmark = pytest.mark.stack

TOKEN_KEY_SETTINGS = {"GATEWAY__SESSION__TOKEN_KEY": "the-key-of-all-replicas-of-a-test"}
SKIPPED_BATCHES_METRIC = "answer_gateway_unreadable_batches_total"


@pytest.fixture
def dead_letter_topic(access, topics) -> str:
    """Creates the dead letters' topic, as an operator would: the gateway never creates it."""
    name = f"{topics.answers}.dlq"
    create_topics(access, name)
    return name


def answer_in_partition(answerer, partition: int, asked: str) -> None:
    """Writes the answer to a question to one partition."""
    question = answerer.wait_question(asked)
    answerer.write_record({"session_id": question.wire_id, "resposta": canaries.answer_to(asked)}, partition=partition)
    answerer.flush()


def ask_and_answer_in_partitions(gateway, answerer, partitions) -> None:
    """Asks one question for each partition, in a session of its own, and answers it in that partition."""
    for partition in partitions:
        with v1_client.connect(gateway.url(canaries.session_id())) as socket:
            asked = canaries.question()
            v1_client.send(socket, asked)
            answer_in_partition(answerer, partition, asked)
            assert v1_client.receive(socket) == v1_client.answer_frame(canaries.answer_to(asked))


def ask_and_disconnect(gateway, asked: str) -> v2_client.V2Session:
    """Asks a question of version 2 and drops the connection while it waits."""
    with v2_client.connect(gateway) as session:
        session.start()
        session.ask("q-1", asked)
        session.drop_connection()
    return session


def test_answers_before_beside_and_behind_a_batch_that_cannot_be_unpacked_arrive(
    start_gateway, start_answerer, access, topics, dead_letter_topic
):
    settings = {**UNPACK_LIMIT_SETTINGS, "GATEWAY__KAFKA__DEAD_LETTER_TOPIC": dead_letter_topic}
    gateways = [start_gateway(topics, **settings).wait_ready() for _ in range(2)]
    answerer = start_answerer(answer_manually)
    ask_and_answer_in_partitions(gateways[0], answerer, range(2))
    # Batches of one record and of many, two adjacent ones, and two with readable records between them.
    batches = [
        write_unreadable_batch(access.kafka, topics.answers, 0),
        write_unreadable_batch(access.kafka, topics.answers, 1, records=37),
    ]
    batches += [write_unreadable_batch(access.kafka, topics.answers, 2) for _ in range(2)]
    ask_and_answer_in_partitions(gateways[0], answerer, [1])
    batches.append(write_unreadable_batch(access.kafka, topics.answers, 1, records=5))
    ask_and_answer_in_partitions(gateways[0], answerer, range(PARTITIONS))

    for gateway in gateways:
        gateway.wait_metric(SKIPPED_BATCHES_METRIC, len(batches), client="consumer")
        assert gateway.metrics().value("answer_gateway_errors_total", kind="batch_unreadable") == len(batches)
        reply = gateway.wait_readyz(200, "cannot be unpacked, and its offsets ")
        assert "degraded" in reply.body
    copies = eventually(
        lambda: found if len(found := read_records(access, dead_letter_topic)) >= len(batches) else None,
        "each has a dead letter",
    )
    letters = {UnreadableBatch(*copy.origin, int(copy.header("dlq-last-offset"))) for copy in copies}
    assert (letters, len(copies)) == (set(batches), len(batches))
    assert {(copy.key, copy.value, copy.header("dlq-reason")) for copy in copies} == {(None, b"", "batch_unreadable")}
    log = gateways[0].log.read_text()
    assert log.count("batch of records skipped: it cannot be unpacked") >= 1

    run = {**access.gateway_settings, **topics.gateway_settings(), **settings}
    brought = run_replay(run)
    assert (brought.status, brought.count("dead letters replayed")) == (0, 0), brought
    assert brought.count("only say where a batch stood") == len(batches)


def test_a_batch_that_is_the_last_of_its_partition_is_skipped_too(start_gateway, start_answerer, access, topics):
    gateway = start_gateway(topics, **UNPACK_LIMIT_SETTINGS).wait_ready()
    answerer = start_answerer(answer_manually)
    for number in range(PARTITIONS):
        write_unreadable_batch(access.kafka, topics.answers, number, records=3)
    gateway.wait_metric(SKIPPED_BATCHES_METRIC, PARTITIONS, client="consumer")
    ask_and_answer_in_partitions(gateway, answerer, range(PARTITIONS))
    assert gateway.metrics().value(SKIPPED_BATCHES_METRIC) == PARTITIONS, "and each once"


def write_aborted(access, topic: str, partition: int) -> None:
    """Writes records in a transaction that is aborted."""
    producer = Producer({**access.kafka, "transactional.id": f"aborted-{topic}"})
    producer.init_transactions(WAIT_TIMEOUT)
    producer.begin_transaction()
    for _ in range(3):
        producer.produce(topic, value=b"aborted", partition=partition)
    left = producer.flush(WAIT_TIMEOUT)
    assert left == 0, f"{left} records are not in Kafka"
    producer.abort_transaction(WAIT_TIMEOUT)


def test_a_batch_behind_records_of_an_aborted_transaction_is_skipped_too(start_gateway, start_answerer, access, topics):
    gateway = start_gateway(topics, **UNPACK_LIMIT_SETTINGS).wait_ready()
    answerer = start_answerer(answer_manually)
    # Before the first batch, and between two adjacent ones.
    for _ in range(2):
        write_aborted(access, topics.answers, 0)
        write_unreadable_batch(access.kafka, topics.answers, 0, records=2)
    gateway.wait_metric(SKIPPED_BATCHES_METRIC, 2, client="consumer")
    ask_and_answer_in_partitions(gateway, answerer, range(1))


def test_a_fresh_replica_resumes_what_stands_before_beside_and_behind_such_a_batch(
    start_gateway, start_answerer, access, topics
):
    first = start_gateway(topics, **TOKEN_KEY_SETTINGS, **UNPACK_LIMIT_SETTINGS).wait_ready()
    answerer = start_answerer(answer_manually)
    asked = [canaries.question() for _ in range(3)]
    before = [ask_and_disconnect(first, text) for text in asked]
    first.wait_sessions(0)
    answer_in_partition(answerer, 0, asked[0])
    write_unreadable_batch(access.kafka, topics.answers, 0, records=4)
    answer_in_partition(answerer, 0, asked[1])
    answer_in_partition(answerer, 1, asked[2])

    second = start_gateway(topics, **TOKEN_KEY_SETTINGS, **UNPACK_LIMIT_SETTINGS).wait_ready()
    for session, text in zip(before, asked, strict=True):
        with v2_client.connect(second) as after:
            hello = after.resume(session)
            assert (hello["resumed"], hello["pending"]) == (True, "q-1")
            assert after.receive_answer("q-1") == canaries.answer_to(text)
    second.wait_metric(SKIPPED_BATCHES_METRIC, 1, client="recall")
    assert second.metrics().value("answer_gateway_recoveries_total", result="late") == 0
    assert_ledger_balanced(second)
    assert second.log.read_text().count("answers from before the start are indexed") == 1


def test_in_a_group_such_a_batch_is_skipped_and_not_read_again_by_who_comes_after(
    start_gateway, start_answerer, access, topics
):
    group = {"GATEWAY__DELIVERY__MODE": "group", "KAFKA_CONSUMER_GROUP_ID": f"group-{topics.answers}"}
    first = start_gateway(topics, **group, **UNPACK_LIMIT_SETTINGS).wait_ready()
    answerer = start_answerer(answer_manually)
    write_unreadable_batch(access.kafka, topics.answers, 0, records=3)
    first.wait_metric(SKIPPED_BATCHES_METRIC, 1)
    ask_and_answer_in_partitions(first, answerer, range(2))
    write_unreadable_batch(access.kafka, topics.answers, 1)
    first.wait_metric(SKIPPED_BATCHES_METRIC, 2)
    first.stop()
    second = start_gateway(topics, **group, **UNPACK_LIMIT_SETTINGS).wait_ready()
    ask_and_answer_in_partitions(second, answerer, range(2))
    assert second.metrics().value(SKIPPED_BATCHES_METRIC) == 0


def test_dead_letters_behind_such_a_batch_in_their_own_topic_are_seen_and_replayed(
    start_gateway, start_answerer, access, topics, dead_letter_topic
):
    settings = {**UNPACK_LIMIT_SETTINGS, "GATEWAY__KAFKA__DEAD_LETTER_TOPIC": dead_letter_topic}
    gateways = [start_gateway(topics, **settings).wait_ready() for _ in range(2)]
    answerer = start_answerer(answer_manually)
    for partition in range(PARTITIONS):
        write_unreadable_batch(access.kafka, dead_letter_topic, partition, records=2)
    for gateway in gateways:
        gateway.wait_metric(SKIPPED_BATCHES_METRIC, PARTITIONS, client="dead_letters")
    for number in range(PARTITIONS):
        answerer.write_value(b"no avro %d" % number, partition=number)
    answerer.flush()
    for result in ("written", "elsewhere"):

        def known(result: str = result) -> bool:
            counts = [one.metrics().value("answer_gateway_dead_letters_total", result=result) for one in gateways]
            return sum(counts) == PARTITIONS

        eventually(known, f"each letter is {result} once")
    brought = run_replay({**access.gateway_settings, **topics.gateway_settings(), **settings})
    assert (brought.status, brought.count("dead letters replayed")) == (0, PARTITIONS), brought
    assert brought.count("batches of the dead letters' topic that cannot be unpacked") == PARTITIONS
