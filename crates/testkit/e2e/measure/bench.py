"""The set-up of every measurement: stack, topics and gateways, and the resources that a gateway uses."""

import re
import time
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from harness.avro_schemas import ANSWER_SCHEMA
from harness.gateway import Gateway
from harness.stack import Access, Stack
from harness.topics import Topics, create_topics_with_schema

TOKEN_KEY_SETTINGS = {"GATEWAY__SESSION__TOKEN_KEY": "the-key-of-all-replicas-of-a-run", "RUST_LOG": "info"}


class Bench:
    """A stack, topics of its own, and gateways."""

    def __init__(self, folder: Path):
        self.stack = Stack.from_environment()
        self.access: Access = self.stack.plaintext_access()
        self.topics: Topics = create_topics_with_schema(self.access)
        self.folder = folder
        self._gateways: list[Gateway] = []

    def start_gateway(self, **settings: str) -> Gateway:
        """Starts a gateway and waits until it is ready."""
        log = self.folder / f"{len(self._gateways)}.log"
        gateway = Gateway(
            {**self.access.gateway_settings, **self.topics.gateway_settings(), **TOKEN_KEY_SETTINGS, **settings}, log
        )
        self._gateways.append(gateway)
        return gateway.wait_ready()

    def close(self) -> None:
        """Kills every gateway."""
        for gateway in self._gateways:
            gateway.kill()

    def write_foreign_answers(self, count: int) -> float:
        """Writes so many answers for sessions that no gateway has, and returns the seconds it took."""
        write = AvroSerializer(SchemaRegistryClient(dict(self.access.registry)), ANSWER_SCHEMA)
        context = SerializationContext(self.topics.answers, MessageField.VALUE)
        producer = Producer({**self.access.kafka, "linger.ms": 50, "queue.buffering.max.messages": 500_000})
        text = "x" * 900
        began = time.monotonic()
        for number in range(count):
            value = write({"session_id": f"somebody-{number:08}-else~k2j4h5g6f7d8s9a0", "resposta": text}, context)
            while True:
                try:
                    producer.produce(self.topics.answers, value=value)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.flush(120)
        return time.monotonic() - began


def resident_mib(gateway: Gateway) -> float:
    """Returns the resident memory of a gateway in MiB."""
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def cpu_seconds(gateway: Gateway) -> float:
    """Returns the CPU seconds that a gateway has used so far."""
    fields = Path(f"/proc/{gateway.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100
