"""Makes the faults of a schedule happen."""

import contextlib
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping

from confluent_kafka.admin import AdminClient, NewPartitions

from chaos.fault_proxies import Links, RegistryFaults
from chaos.replicas import NUMBERS, Replicas
from chaos.schedule import Planned
from harness import canaries, unreadable_batches, v1_client, v2_client
from harness.stack import REPOSITORY
from harness.topics import Topics

MANY = 20


class Mishaps:
    """All parts that something can be done to."""

    def __init__(
        self,
        replicas: Replicas,
        links: Links,
        registry: RegistryFaults,
        admin: AdminClient,
        kafka: Mapping[str, str],
        topics: Topics,
    ):
        self._kafka = kafka
        self._replicas = replicas
        self._links = links
        self._registry = registry
        self._admin = admin
        self._topics = topics
        self._strangers: list[socket.socket] = []
        # Brokers are stopped and started by the stack's own tool, one call at a time.
        self._stack = threading.Lock()
        self._happening = {
            "kill a gateway": lambda one: self._at_once(self._replicas.kill, one.target),
            "restart every gateway, one after the other": lambda one: self._at_once(self._replicas.roll),
            "kill the leader of a partition": lambda one: self._brokers_away(self._leader()),
            "kill every broker": lambda one: self._brokers_away(*NUMBERS),
            "freeze the leader of a partition": lambda one: self._brokers_frozen(self._leader()),
            "freeze every broker": lambda one: self._brokers_frozen(*NUMBERS),
            "registry down": lambda one: self._links.cut("registry"),
            "registry slow": lambda one: self._registry.slow(6.0),
            "registry answers 500": lambda one: self._registry.answering(500),
            "registry answers 404": lambda one: self._registry.answering(404),
            "cut a broker from the gateways": lambda one: self._links.cut(f"broker-{one.target}"),
            "throttle the brokers": lambda one: self._links.throttled(
                *(f"broker-{number}" for number in NUMBERS), kilobytes=100, latency=150
            ),
            "cut the clients of a gateway": lambda one: self._links.cut(f"clients-{one.target}"),
            "throttle the clients of a gateway": lambda one: self._links.throttled(
                f"clients-{one.target}", kilobytes=20, latency=300
            ),
            "wall clock jumps": lambda one: self._replicas.clock_moved(
                NUMBERS[-1], 3_600 if one.target % 2 else -3_600
            ),
            "clients vanish": lambda one: self._at_once(self._vanish, one.target),
            "clients stop reading": lambda one: self._at_once(self._stop_reading, one.target),
            "a partition is added": lambda one: self._at_once(self._add_partition),
            "a batch that cannot be unpacked is written": lambda one: self._at_once(self._write_unreadable),
        }

    def happen(self, one: Planned) -> None:
        """One fault, from its beginning to its end."""
        with self._happening[one.fault](one):
            time.sleep(one.lasts)

    def close(self) -> None:
        """Lets go of who stopped reading."""
        for stranger in self._strangers:
            stranger.close()

    @contextlib.contextmanager
    def _at_once(self, what, *arguments) -> Iterator[None]:
        what(*arguments)
        yield

    def _leader(self) -> int:
        topic = self._admin.list_topics(self._topics.answers, timeout=20).topics[self._topics.answers]
        leader = topic.partitions[0].leader
        return leader if leader in NUMBERS else NUMBERS[0]

    @contextlib.contextmanager
    def _brokers_away(self, *numbers: int) -> Iterator[None]:
        names = [f"kafka-{number}" for number in numbers]
        self._stack_tool("stop", "--at-once", *names)
        try:
            yield
        finally:
            self._stack_tool("start", *names)

    @contextlib.contextmanager
    def _brokers_frozen(self, *numbers: int) -> Iterator[None]:
        names = [f"kafka-{number}" for number in numbers]
        self._stack_tool("freeze", *names)
        try:
            yield
        finally:
            self._stack_tool("thaw", *names)

    def _stack_tool(self, action: str, *words: str) -> None:
        command = [str(REPOSITORY / "scripts" / "stack"), action, *words]
        with self._stack:
            done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"

    def _add_partition(self) -> None:
        topic = self._admin.list_topics(self._topics.answers, timeout=20).topics[self._topics.answers]
        wanted = [NewPartitions(self._topics.answers, len(topic.partitions) + 1)]
        for added in self._admin.create_partitions(wanted).values():
            added.result(30)

    def _write_unreadable(self) -> None:
        """One to each partition, between the answers."""
        topic = self._admin.list_topics(self._topics.answers, timeout=20).topics[self._topics.answers]
        for partition in topic.partitions:
            unreadable_batches.write_unreadable_batch(self._kafka, self._topics.answers, partition)

    def _vanish(self, target: int) -> None:
        """Clients ask and are gone, without a word of goodbye."""
        for _ in range(MANY):
            with contextlib.suppress(OSError, TimeoutError, v1_client.InvalidStatus, AssertionError):
                client = self._asking(target)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()

    def _stop_reading(self, target: int) -> None:
        """Clients ask, and never read again."""
        for _ in range(MANY):
            with contextlib.suppress(OSError, TimeoutError, v1_client.InvalidStatus, AssertionError):
                client = self._asking(target)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                self._strangers.append(client)

    def _asking(self, target: int) -> socket.socket:
        """The bare socket of a client that has asked."""
        port = self._replicas.fronts[target - 1]
        client = socket.create_connection(("127.0.0.1", port), timeout=5)
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        head = (
            f"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {v2_client.SUBPROTOCOL}\r\n\r\n"
        )
        client.sendall(head.encode())
        assert b" 101 " in client.recv(4096)
        for frame in ('{"type":"start"}', f'{{"type":"ask","id":"q","content":"{canaries.question("stranger")}"}}'):
            payload = frame.encode()
            length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
            client.sendall(b"\x81" + length + bytes(4) + payload)
        return client
