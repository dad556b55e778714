"""TCP connections that stay idle, and WebSocket handshakes in numbers, to exhaust a gateway's limits."""

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from harness.polling import WAIT_TIMEOUT

# The bytes that a client sends before it stops.
NO_REQUEST = b""
PARTIAL_REQUEST_HEAD = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half:"
PUT_WITHOUT_BODY = b"PUT /log-level HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n"

UPGRADE_REQUEST = (
    "GET /ws/{session} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@dataclass(frozen=True)
class UpgradeAttempt:
    """A WebSocket handshake: its connection and the head of the response."""

    connection: socket.socket
    head: str

    @property
    def status(self) -> int:
        """Returns the HTTP status; 0 when the connection ended without one."""
        words = self.head.split(" ", 2)
        return int(words[1]) if len(words) > 1 else 0

    @property
    def is_open(self) -> bool:
        """Tells whether the handshake succeeded."""
        return self.status == 101


def allow_many_sockets() -> None:
    """Raises the soft limit of open files of the test process to its hard limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def hold_connections(port: int, count: int, first_bytes: bytes = NO_REQUEST) -> Iterator[list[socket.socket]]:
    """Opens that many connections, sends these bytes on each, and holds them until the block ends."""
    allow_many_sockets()
    held = []
    try:
        for _ in range(count):
            held.append(connection := socket.create_connection(("127.0.0.1", port), timeout=WAIT_TIMEOUT))
            # The gateway may have closed an older connection, or this one already.
            with suppress(ConnectionError):
                connection.sendall(first_bytes)
        yield held
    finally:
        for connection in held:
            connection.close()


@contextmanager
def open_websockets(port: int, sessions: list[str]) -> Iterator[list[UpgradeAttempt]]:
    """Tries a handshake for each of these sessions, one after the other; those that succeed stay open."""
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
    """Sends a WebSocket handshake and reads the head of the response."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=WAIT_TIMEOUT)
    head = b""
    with suppress(ConnectionError):
        connection.sendall(UPGRADE_REQUEST.format(session=session).encode())
    with suppress(ConnectionError):
        while not head.endswith(b"\r\n\r\n") and (byte := connection.recv(1)):
            head += byte
    return UpgradeAttempt(connection, head.decode())
