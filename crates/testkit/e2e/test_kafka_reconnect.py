"""Kafka clients that librdkafka has left without a broker are replaced, and nothing is lost by that."""

import time
from contextlib import ExitStack, contextmanager

import pytest

from harness import canaries, v1_client
from harness.answerer import answer_manually
from harness.load_clients import LoadClients
from harness.metadata_relay import MetadataRelay
from harness.polling import eventually

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(400)]

RECONNECT_TIMEOUT = 8.0
# Longer than librdkafka's longest back-off before it connects again, shorter than the time until the client is
# replaced.
MAX_CONNECT_BACKOFF = 3.0
CLIENTS = ("consumer", "producer")
# Longer than Kafka's `broker.session.timeout.ms`: the broker finds itself fenced when it continues.
FREEZE_SECONDS = 12.0
ROUNDS = 3
# Seconds after a freeze within which every replica must answer questions again.
MAX_RECOVERY_SECONDS = 30.0


@pytest.fixture
def relay(stack):
    """Runs a relay between Kafka and the gateway that can remove brokers from metadata responses."""
    with MetadataRelay(stack.relay_address, stack.relayed_listener).running() as running:
        yield running


@pytest.fixture
def frozen(stack):
    """Returns a context manager: `with frozen("kafka")` freezes the process for the block."""

    @contextmanager
    def freeze(service):
        stack.freeze(service)
        try:
            yield
        finally:
            stack.thaw(service)

    return freeze


def connected_clients(gateway):
    """Returns the Kafka clients that report a connection."""
    metrics = gateway.metrics()
    return {client for client in CLIENTS if metrics.value("answer_gateway_kafka_up", client=client)}


def has_no_connection(gateway, seconds):
    """Tells whether no Kafka client is connected during the next `seconds`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if connected_clients(gateway):
            return False
        time.sleep(0.1)
    return True


def disconnect_clients(gateway, relay):
    """Makes both Kafka clients lose every broker for good, although nothing prevents a connection."""
    for _ in range(20):
        relay.withhold_brokers()
        eventually(lambda: has_no_connection(gateway, 1.0), "no client is connected", timeout=60)
        relay.restore_brokers()
        if has_no_connection(gateway, MAX_CONNECT_BACKOFF):
            return
    pytest.fail("librdkafka found a broker again every time")


def test_clients_whose_metadata_named_no_brokers_are_replaced_and_answers_go_on_where_they_stood(
    stack, relay, start_gateway, topics, start_answerer
):
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": stack.relay_address,
        "GATEWAY__KAFKA__RECONNECT_TIMEOUT": f"{RECONNECT_TIMEOUT:g}s",
    }
    gateway = start_gateway(topics, **settings).wait_ready()
    answerer = start_answerer(answer_manually)
    with (
        v1_client.connect(gateway.url(canaries.session_id())) as waiting,
        v1_client.connect(gateway.url(canaries.session_id())) as other,
    ):
        before = canaries.question("before")
        v1_client.send(waiting, before)
        question = answerer.wait_question(before)
        gateway.wait_metric("answer_gateway_questions_accepted_total", 1)
        disconnect_clients(gateway, relay)
        # Written while no consumer reads: the new one has to continue at the position of the old one.
        answerer.answer(question, canaries.answer_to(before))
        assert v1_client.receive(waiting, timeout=RECONNECT_TIMEOUT * 2 + 10) == v1_client.answer_frame(
            canaries.answer_to(before)
        )
        eventually(lambda: connected_clients(gateway) == set(CLIENTS), "both clients are connected")
        after = canaries.question("after")
        v1_client.send(other, after)
        answerer.answer(answerer.wait_question(after), canaries.answer_to(after))
        assert v1_client.receive(other) == v1_client.answer_frame(canaries.answer_to(after))
        for socket in (waiting, other):
            v1_client.assert_nothing_more(socket)
    metrics = gateway.metrics()
    for client in CLIENTS:
        assert metrics.value("answer_gateway_kafka_clients_replaced_total", client=client) >= 1
    assert metrics.value("answer_gateway_answers_total", outcome="delivered") == 2
    assert metrics.value("answer_gateway_answers_total", outcome="duplicate") == 0


def test_every_replica_recovers_by_itself_from_a_broker_that_was_frozen_until_it_fenced_itself(
    start_gateway, topics, start_answerer, frozen
):
    settings = {
        "GATEWAY__KAFKA__RECONNECT_TIMEOUT": f"{RECONNECT_TIMEOUT:g}s",
        "GATEWAY__KAFKA__PUBLISH_TIMEOUT": "2s",
        "RUST_LOG": "info",
    }
    gateways = [start_gateway(topics, **settings) for _ in range(3)]
    for gateway in gateways:
        gateway.wait_ready()
    start_answerer()
    with ExitStack() as asking:
        client_groups = [
            asking.enter_context(LoadClients([gateway], sessions=20, pause=0.1).running()) for gateway in gateways
        ]
        for clients in client_groups:
            clients.wait_all_sessions("answered")
        for _ in range(ROUNDS):
            with frozen("kafka"):
                time.sleep(FREEZE_SECONDS)
            back = time.monotonic()
            for clients in client_groups:
                clients.wait_all_sessions("answered", since=back)
            assert time.monotonic() - back < MAX_RECOVERY_SECONDS
    for clients in client_groups:
        strange = [one for one in clients.exchanges if not one.answered and not one.failed]
        assert not strange, f"{len(strange)} questions got neither their answer nor the error, such as {strange[0]}"


def test_a_process_ends_when_no_new_client_connects_although_a_broker_answers_it(stack, relay, start_gateway, topics):
    settings = {"KAFKA_BOOTSTRAP_SERVERS": stack.relay_address, "GATEWAY__KAFKA__RECONNECT_TIMEOUT": "3s"}
    gateway = start_gateway(topics, **settings).wait_ready()
    # The first statistics tell the process that its clients were connected.
    eventually(lambda: gateway.metrics().has("answer_gateway_consumer_lag"), "the consumer has told of itself")
    relay.refuse_clients()
    # Four clients in succession: 3 s, 6 s, 12 s and 24 s, each up to a quarter longer.
    assert gateway.wait_exit(90) != 0
    gateway.crashed = True
    log = gateway.log.read_text()
    assert "no Kafka client of this process gets a connection, although a broker answers it" in log, gateway.log_tail()
