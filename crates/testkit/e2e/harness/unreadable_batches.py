"""Batches of records that the gateway's Kafka client cannot unpack: small in Kafka, larger than it allows unpacked."""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, Message, Producer

# The gateway is told to unpack no more than this, so that a test needs little memory; its fetches are smaller.
UNPACKED_LIMIT = 17 << 20
LIMITED = {"GATEWAY__KAFKA__PROPERTIES": f"receive.message.max.bytes={UNPACKED_LIMIT}"}


@dataclass(frozen=True)
class Batch:
    """Where one stands."""

    topic: str
    partition: int
    first: int
    last: int


def write_batch(
    kafka: Mapping[str, str], topic: str, partition: int, records: int = 1, unpacked: int = UNPACKED_LIMIT + (1 << 20)
) -> Batch:
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
    return Batch(topic, partition, min(offsets), max(offsets))
