"""Writes record batches that the gateway's Kafka client cannot unpack.

They are small in Kafka, and larger than the client allows once unpacked.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, Message, Producer

# Most bytes that the gateway may unpack in the tests, so that they need little memory; its fetches are smaller.
MAX_UNPACKED_BYTES = 17 << 20
UNPACK_LIMIT_SETTINGS = {"GATEWAY__KAFKA__PROPERTIES": f"receive.message.max.bytes={MAX_UNPACKED_BYTES}"}


@dataclass(frozen=True)
class UnreadableBatch:
    """Position of a batch that cannot be unpacked."""

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
    # Forces one batch however large it is, and allows the size of a record of zeros before its compression.
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
