"""Reads the dead letters' topic with another client, and runs `answer-gateway replay`."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from harness.canaries import TEXT_CANARIES
from harness.gateway import bare_environment, gateway_binary
from harness.stack import Access
from harness.topics import PARTITIONS

DEAD_LETTER_HEADERS = ("dlq-reason", "dlq-topic", "dlq-partition", "dlq-offset")


@dataclass(frozen=True)
class TopicRecord:
    """One record with its position and headers."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    def header(self, name: str) -> str | None:
        """Returns the value of the last header of that name, None without one."""
        values = [value for known, value in self.headers if known == name]
        return values[-1].decode() if values else None

    @property
    def origin(self) -> tuple[str, int, int]:
        """Returns topic, partition and offset of the original record; only a dead letter has them."""
        return self.header("dlq-topic"), int(self.header("dlq-partition")), int(self.header("dlq-offset"))

    def original_content(self) -> tuple[bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]:
        """Returns key, value and headers without the headers that only a dead letter has."""
        return self.key, self.value, tuple(pair for pair in self.headers if pair[0] not in DEAD_LETTER_HEADERS)


def read_records(access: Access, topic: str) -> list[TopicRecord]:
    """Reads every record of a topic up to its present end."""
    settings = {"group.id": "witness", "enable.partition.eof": True, "enable.auto.commit": False}
    consumer = Consumer({**access.kafka, **settings})
    try:
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
        records, open_partitions = [], set(range(PARTITIONS))
        while open_partitions:
            (record,) = consumer.consume(1, timeout=20)
            if record.error() is None:
                headers = tuple(record.headers() or ())
                records.append(TopicRecord(record.partition(), record.offset(), record.key(), record.value(), headers))
            else:
                assert record.error().code() == KafkaError._PARTITION_EOF, record.error()
                open_partitions.discard(record.partition())
        return records
    finally:
        consumer.close()


@dataclass(frozen=True)
class ReplayRun:
    """Exit status and output of one `answer-gateway replay`."""

    status: int
    out: str
    err: str

    def count(self, words: str) -> int:
        """Returns the number in the only line of output that contains these words."""
        lines = [line for line in self.out.splitlines() if words in line]
        assert len(lines) == 1, f"{words!r} in {self.out!r} {self.err!r}"
        return next(int(word) for word in lines[0].replace(",", " ").split() if word.isdigit())


def run_replay(settings: Mapping[str, str], *arguments: str) -> ReplayRun:
    """Runs `answer-gateway replay` and checks that no text of a record is in its output."""
    command = [str(gateway_binary()), "replay", *arguments]
    done = subprocess.run(command, env=bare_environment(settings), capture_output=True, text=True, timeout=120)
    for canary in TEXT_CANARIES:
        assert canary not in done.stdout + done.stderr
    return ReplayRun(done.returncode, done.stdout, done.stderr)
