"""Reads topics with kcat, a program that is independent of the gateway."""

import io
import json
import shutil
import subprocess
from dataclasses import dataclass

import fastavro

NULL_LENGTH = -1


@dataclass(frozen=True)
class KcatRecord:
    """One record as kcat has read it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None

    def decode_value(self, schema: str) -> dict:
        """Decodes the value under `schema` with fastavro, which the gateway does not use."""
        return fastavro.schemaless_reader(io.BytesIO(self.value[5:]), fastavro.parse_schema(json.loads(schema)))


def read_topic(bootstrap: str, topic: str) -> list[KcatRecord]:
    """Reads every record of a topic from the beginning to its present end."""
    program = shutil.which("kcat")
    assert program, "kcat is not installed; scripts/setup installs it"
    # Lengths come first, so that keys and values may contain any byte.
    command = [program, "-C", "-b", bootstrap, "-t", topic, "-o", "beginning", "-e", "-q"]
    done = subprocess.run([*command, "-f", "%p %o %K %S|%k%s\n"], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return list(_parse_records(done.stdout))


def _parse_records(output: bytes):
    position = 0
    while position < len(output):
        head_end = output.index(b"|", position)
        partition, offset, key_length, value_length = map(int, output[position:head_end].split())
        key, position = _slice(output, head_end + 1, key_length)
        value, position = _slice(output, position, value_length)
        position += 1
        yield KcatRecord(partition, offset, key, value)


def _slice(output: bytes, start: int, length: int) -> tuple[bytes | None, int]:
    if length == NULL_LENGTH:
        return None, start
    return output[start : start + length], start + length
