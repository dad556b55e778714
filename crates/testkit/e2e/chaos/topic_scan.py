"""Reads a whole topic after a run with a new consumer, to find the records of questions that count as lost."""

import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

METADATA_TIMEOUT = 20.0


@dataclass(frozen=True)
class FoundRecord:
    """A record that holds the text of a question."""

    partition: int
    offset: int
    # By the wall clock of the gateway that wrote it, in seconds since the epoch.
    written_at: float
    # False if a reader of committed records does not see it.
    committed: bool


@dataclass
class TopicScan:
    """The records found, by the text they hold, and the end offset of each partition."""

    found: defaultdict[str, list[FoundRecord]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[int, int] = field(default_factory=dict)


class ScanIncompleteError(Exception):
    """A partition could not be read to its end."""


def scan_topic(kafka: Mapping[str, str], topic: str, texts: Sequence[str], timeout: float = 120.0) -> TopicScan:
    """Reads every partition from its beginning to its end, both uncommitted and committed records.

    Raises `ScanIncompleteError` or `KafkaException` when it cannot.
    """
    deadline = time.monotonic() + timeout
    scan = TopicScan()
    wanted = {text: text.encode() for text in texts}
    committed: set[tuple[int, int]] = set()
    for record in _read_all(kafka, topic, "read_committed", deadline, {}):
        committed.add((record.partition(), record.offset()))
    for record in _read_all(kafka, topic, "read_uncommitted", deadline, scan.ends):
        value, position = record.value() or b"", (record.partition(), record.offset())
        for text, encoded in wanted.items():
            if encoded in value:
                scan.found[text].append(FoundRecord(*position, record.timestamp()[1] / 1000, position in committed))
    return scan


def _read_all(
    kafka: Mapping[str, str], topic: str, isolation: str, deadline: float, ends: dict[int, int]
) -> Iterator[Message]:
    """Yields every record; `ends` gets the end offset of each partition."""
    settings = {
        "group.id": f"scan-{uuid.uuid4().hex}",
        "isolation.level": isolation,
        "auto.offset.reset": "error",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "log_level": 0,
    }
    consumer = Consumer({**kafka, **settings})
    try:
        metadata = consumer.list_topics(topic, timeout=METADATA_TIMEOUT).topics[topic]
        if metadata.error:
            raise KafkaException(metadata.error)
        unfinished = set(metadata.partitions)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in unfinished])
        while unfinished:
            if time.monotonic() > deadline:
                raise ScanIncompleteError(f"partitions {sorted(unfinished)} were not read to their end in time")
            for record in consumer.consume(num_messages=1000, timeout=0.5):
                error = record.error()
                if error is None:
                    yield record
                elif error.code() == KafkaError._PARTITION_EOF:
                    unfinished.discard(record.partition())
                    ends[record.partition()] = record.offset()
                elif error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:
                    raise KafkaException(error)
    finally:
        consumer.close()
