"""A cable between Kafka and a gateway: what Kafka says can be made to be lost, while what it is told arrives."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from harness.tcp_relay import TcpRelay

CHUNK = 1 << 16


class Relay(TcpRelay):
    """Takes connections at one address and leads each to the other."""

    def __init__(self, address: str, target: str) -> None:
        super().__init__(address, target)
        self._hushed = threading.Event()
        # Connections that have lost bytes, and can only be closed.
        self._broken: set[socket.socket] = set()

    def hush(self) -> None:
        """From now on nothing that Kafka says arrives."""
        self._hushed.set()

    def speak(self) -> None:
        """It does again, on new connections: those that have lost something are closed."""
        self._hushed.clear()
        self._close(self._broken)

    def _directions(self, client: socket.socket, kafka: socket.socket) -> tuple[Callable[[], None], ...]:
        return partial(self._ask, client, kafka), partial(self._answer, client, kafka)

    def _ask(self, client: socket.socket, kafka: socket.socket) -> None:
        with suppress(OSError):
            while said := client.recv(CHUNK):
                kafka.sendall(said)
        self._close({client, kafka})

    def _answer(self, client: socket.socket, kafka: socket.socket) -> None:
        with suppress(OSError):
            while said := kafka.recv(CHUNK):
                with self._lock:
                    lost = self._hushed.is_set() or client in self._broken
                    if lost:
                        self._broken.add(client)
                if not lost:
                    client.sendall(said)
        self._close({client, kafka})

    def _on_closed(self, connection: socket.socket) -> None:
        self._broken.discard(connection)
