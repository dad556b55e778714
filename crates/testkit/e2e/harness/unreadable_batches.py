"""Batches of records that the gateway's Kafka client cannot unpack: small in Kafka, larger than it allows unpacked."""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, Message, Producer

# The gateway is told to unpack no more than this, so that a test needs little memory; its fetches are smaller.
MAX_UNPACKED_BYTES = 17 << 20
UNPACK_LIMIT_SETTINGS = {"GATEWAY__KAFKA__PROPERTIES": f"receive.message.max.bytes={MAX_UNPACKED_BYTES}"}


@dataclass(frozen=True)
class UnreadableBatch:
    """Where one stands."""

    topic: str
    partition: int
    first: int
    last: int


def write_unreadable_batch(
    kafka: Mapping[str, str],
    topic: str,
    partition: int,
    records: int = 1,
    unpacked: int = MAX_UNPACKED_BYTES + (1 << 20),
) -> UnreadableBatch:
    """Writes one batch of that many records, compressed by zstd to a few kilobytes."""
    # One batch, whatever it takes; and one that a record of nothing but zeros is compressed in.
    settings = {
        "compression.type": "zstd",
        "message.max.bytes": 2 * unpacked,
        "batch.size": 2 * unpacked,
        "batch.num.messages": records,
        "linger.ms": 30_000,
        "enable.idempotence": True,
    }
    offsets: list[int] = []

    def delivered(error: KafkaError | None, record: Message) -> None:
        assert error is None, error
        offsets.append(record.offset())

    producer = Producer({**kafka, **settings})
    value = bytes(unpacked // records)
    for _ in range(records):
        producer.produce(topic, value=value, partition=partition, on_delivery=delivered)
    left = producer.flush(60)
    assert left == 0, f"{left} records are not in Kafka"
    assert len(offsets) == records
    assert max(offsets) - min(offsets) == records - 1, "somebody else has written in between"
    return UnreadableBatch(topic, partition, min(offsets), max(offsets))
