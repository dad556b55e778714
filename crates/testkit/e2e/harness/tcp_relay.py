"""The base of the relays that stand between Kafka and a gateway: accepts, connects and closes connections."""

import socket
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Self


class TcpRelay:
    """Accepts connections at one address and forwards each to another one.

    A subclass says in `_directions` what is forwarded. Every connection is closed with the block of `running`.
    """

    def __init__(self, address: str, target: str) -> None:
        self._address, self._target = _host_and_port(address), _host_and_port(target)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Relays connections until the block ends."""
        with socket.create_server(self._address) as server:
            threading.Thread(target=self._accept, args=(server,), daemon=True).start()
            try:
                yield self
            finally:
                server.shutdown(socket.SHUT_RDWR)
                self._close(self._open)

    def _directions(self, client: socket.socket, kafka: socket.socket) -> tuple[Callable[[], None], ...]:
        """Returns the loops that forward a connection; each gets a thread of its own."""
        raise NotImplementedError

    def _on_closed(self, connection: socket.socket) -> None:
        """Lets a subclass forget a connection. Called with the lock held."""

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return  # The server socket is shut down: the block of `running` has ended.
            try:
                kafka = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, kafka}
            for forward in self._directions(client, kafka):
                threading.Thread(target=forward, daemon=True).start()

    def _close(self, connections: Collection[socket.socket]) -> None:
        """Closes connections; the collection may be one that shrinks as they are closed."""
        with self._lock:
            for connection in list(connections):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()
                self._open.discard(connection)
                self._on_closed(connection)


def _host_and_port(address: str) -> tuple[str, int]:
    host, port = address.rsplit(":", 1)
    return host, int(port)
