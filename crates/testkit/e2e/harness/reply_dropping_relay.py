"""A relay between Kafka and a gateway that can drop Kafka's replies while requests still arrive."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from harness.tcp_relay import TcpRelay

CHUNK = 1 << 16


class ReplyDroppingRelay(TcpRelay):
    """Relays connections byte by byte and drops Kafka's replies on demand."""

    def __init__(self, address: str, target: str) -> None:
        super().__init__(address, target)
        self._dropping = threading.Event()
        # Connections that have lost bytes and can only be closed.
        self._broken: set[socket.socket] = set()

    def drop_replies(self) -> None:
        """Drops everything that Kafka sends from now on."""
        self._dropping.set()

    def pass_replies(self) -> None:
        """Relays replies again, on new connections: those that have lost bytes are closed."""
        self._dropping.clear()
        self._close(self._broken)

    def _directions(self, client: socket.socket, kafka: socket.socket) -> tuple[Callable[[], None], ...]:
        return partial(self._forward_requests, client, kafka), partial(self._forward_replies, client, kafka)

    def _forward_requests(self, client: socket.socket, kafka: socket.socket) -> None:
        with suppress(OSError):
            while received := client.recv(CHUNK):
                kafka.sendall(received)
        self._close({client, kafka})

    def _forward_replies(self, client: socket.socket, kafka: socket.socket) -> None:
        with suppress(OSError):
            while received := kafka.recv(CHUNK):
                with self._lock:
                    lost = self._dropping.is_set() or client in self._broken
                    if lost:
                        self._broken.add(client)
                if not lost:
                    client.sendall(received)
        self._close({client, kafka})

    def _on_closed(self, connection: socket.socket) -> None:
        self._broken.discard(connection)
