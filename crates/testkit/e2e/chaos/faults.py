"""Injects the faults of a schedule into the cluster."""

import contextlib
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping

from confluent_kafka.admin import AdminClient, NewPartitions

from chaos.fault_proxies import RegistryProxy, Toxiproxy
from chaos.replicas import NUMBERS, Replicas
from chaos.schedule import PlannedFault
from harness import canaries, unreadable_batches, v1_client, v2_client
from harness.stack import REPOSITORY
from harness.topics import Topics

CLIENTS_PER_FAULT = 20


class FaultInjector:
    """Injects faults into gateways, brokers, registry, links, clients and topics."""

    def __init__(
        self,
        replicas: Replicas,
        toxiproxy: Toxiproxy,
        registry: RegistryProxy,
        admin: AdminClient,
        kafka: Mapping[str, str],
        topics: Topics,
    ):
        self._kafka = kafka
        self._replicas = replicas
        self._toxiproxy = toxiproxy
        self._registry = registry
        self._admin = admin
        self._topics = topics
        self._stalled_clients: list[socket.socket] = []
        # scripts/stack stops and starts brokers; only one call of it may run at a time.
        self._stack = threading.Lock()
        self._faults = {
            "kill a gateway": lambda fault: self._run_once(self._replicas.kill, fault.target),
            "restart every gateway, one after the other": lambda fault: self._run_once(
                self._replicas.restart_one_by_one
            ),
            "kill the leader of a partition": lambda fault: self._stop_brokers(self._partition_leader()),
            "kill every broker": lambda fault: self._stop_brokers(*NUMBERS),
            "freeze the leader of a partition": lambda fault: self._freeze_brokers(self._partition_leader()),
            "freeze every broker": lambda fault: self._freeze_brokers(*NUMBERS),
            "registry down": lambda fault: self._toxiproxy.cut("registry"),
            "registry slow": lambda fault: self._registry.delay_replies(6.0),
            "registry answers 500": lambda fault: self._registry.reply_with_status(500),
            "registry answers 404": lambda fault: self._registry.reply_with_status(404),
            "cut a broker from the gateways": lambda fault: self._toxiproxy.cut(f"broker-{fault.target}"),
            "throttle the brokers": lambda fault: self._toxiproxy.throttle(
                *(f"broker-{number}" for number in NUMBERS), kilobytes=100, latency=150
            ),
            "cut the clients of a gateway": lambda fault: self._toxiproxy.cut(f"clients-{fault.target}"),
            "throttle the clients of a gateway": lambda fault: self._toxiproxy.throttle(
                f"clients-{fault.target}", kilobytes=20, latency=300
            ),
            "wall clock jumps": lambda fault: self._replicas.move_clock(
                NUMBERS[-1], 3_600 if fault.target % 2 else -3_600
            ),
            "clients vanish": lambda fault: self._run_once(self._reset_clients, fault.target),
            "clients stop reading": lambda fault: self._run_once(self._stop_reading, fault.target),
            "a partition is added": lambda fault: self._run_once(self._add_partition),
            "a batch that cannot be unpacked is written": lambda fault: self._run_once(self._write_unreadable),
        }

    def inject(self, fault: PlannedFault) -> None:
        """Injects one fault and ends it after its duration."""
        with self._faults[fault.fault](fault):
            time.sleep(fault.lasts)

    def close_stalled_clients(self) -> None:
        """Closes the sockets of the clients that stopped reading."""
        for client in self._stalled_clients:
            client.close()

    @contextlib.contextmanager
    def _run_once(self, what, *arguments) -> Iterator[None]:
        what(*arguments)
        yield

    def _partition_leader(self) -> int:
        topic = self._admin.list_topics(self._topics.answers, timeout=20).topics[self._topics.answers]
        leader = topic.partitions[0].leader
        return leader if leader in NUMBERS else NUMBERS[0]

    @contextlib.contextmanager
    def _stop_brokers(self, *numbers: int) -> Iterator[None]:
        names = [f"kafka-{number}" for number in numbers]
        self._run_stack_tool("stop", "--at-once", *names)
        try:
            yield
        finally:
            self._run_stack_tool("start", *names)

    @contextlib.contextmanager
    def _freeze_brokers(self, *numbers: int) -> Iterator[None]:
        names = [f"kafka-{number}" for number in numbers]
        self._run_stack_tool("freeze", *names)
        try:
            yield
        finally:
            self._run_stack_tool("thaw", *names)

    def _run_stack_tool(self, action: str, *words: str) -> None:
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
        """Writes one batch that cannot be unpacked to each partition, between the answers."""
        topic = self._admin.list_topics(self._topics.answers, timeout=20).topics[self._topics.answers]
        for partition in topic.partitions:
            unreadable_batches.write_unreadable_batch(self._kafka, self._topics.answers, partition)

    def _reset_clients(self, target: int) -> None:
        """Connects clients that ask a question and then reset the connection (RST, no close frame)."""
        for _ in range(CLIENTS_PER_FAULT):
            with contextlib.suppress(OSError, TimeoutError, v1_client.InvalidStatus, AssertionError):
                client = self._connect_and_ask(target)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()

    def _stop_reading(self, target: int) -> None:
        """Connects clients that ask a question and never read again."""
        for _ in range(CLIENTS_PER_FAULT):
            with contextlib.suppress(OSError, TimeoutError, v1_client.InvalidStatus, AssertionError):
                client = self._connect_and_ask(target)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                self._stalled_clients.append(client)

    def _connect_and_ask(self, target: int) -> socket.socket:
        """Connects a client of version 2, sends one question and returns the raw socket."""
        port = self._replicas.client_ports[target - 1]
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
