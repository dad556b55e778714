"""TCP clients that hold connections and give little for them, and WebSockets that are only counted."""

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from harness.polling import WAIT_TIMEOUT

# What a client sends before it falls silent.
NO_REQUEST = b""
PARTIAL_REQUEST_HEAD = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half:"
PUT_WITHOUT_BODY = b"PUT /log-level HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n"

UPGRADE_REQUEST = (
    "GET /ws/{session} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@dataclass(frozen=True)
class UpgradeAttempt:
    """A request for a WebSocket, its connection and what it was told."""

    connection: socket.socket
    head: str

    @property
    def status(self) -> int:
        """The HTTP status; 0 when the connection ended without one."""
        words = self.head.split(" ", 2)
        return int(words[1]) if len(words) > 1 else 0

    @property
    def is_open(self) -> bool:
        """Whether there is a WebSocket now."""
        return self.status == 101


def allow_many_sockets() -> None:
    """Raises this process's own limit of open files as far as it goes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def hold_connections(port: int, count: int, first_bytes: bytes = NO_REQUEST) -> Iterator[list[socket.socket]]:
    """That many connections, each having sent these bytes and nothing since."""
    allow_many_sockets()
    held = []
    try:
        for _ in range(count):
            held.append(connection := socket.create_connection(("127.0.0.1", port), timeout=WAIT_TIMEOUT))
            # The other side may have closed an older one, or this one already.
            with suppress(ConnectionError):
                connection.sendall(first_bytes)
        yield held
    finally:
        for connection in held:
            connection.close()


@contextmanager
def open_websockets(port: int, sessions: list[str]) -> Iterator[list[UpgradeAttempt]]:
    """A handshake for each of these sessions, one after the other; those that succeed stay open."""
    allow_many_sockets()
    tried = []
    try:
        for session in sessions:
            tried.append(request_upgrade(port, session))
        yield tried
    finally:
        for one in tried:
            one.connection.close()


def request_upgrade(port: int, session: str) -> UpgradeAttempt:
    """Asks for a WebSocket and reads the head of the reply."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=WAIT_TIMEOUT)
    head = b""
    with suppress(ConnectionError):
        connection.sendall(UPGRADE_REQUEST.format(session=session).encode())
    with suppress(ConnectionError):
        while not head.endswith(b"\r\n\r\n") and (byte := connection.recv(1)):
            head += byte
    return UpgradeAttempt(connection, head.decode())
