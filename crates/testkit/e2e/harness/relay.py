"""A cable between Kafka and a gateway: what Kafka says can be made to be lost, while what it is told arrives."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 1 << 16


class Relay:
    """Takes connections at one address and leads each to the other."""

    def __init__(self, address: str, target: str) -> None:
        self._address, self._target = _pair(address), _pair(target)
        self._hushed = threading.Event()
        # Connections that have lost bytes, and can only be closed.
        self._broken: set[socket.socket] = set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    @contextmanager
    def running(self) -> Iterator["Relay"]:
        """Until the block ends."""
        with socket.create_server(self._address) as server:
            threading.Thread(target=self._accept, args=(server,), daemon=True).start()
            try:
                yield self
            finally:
                server.shutdown(socket.SHUT_RDWR)
                self._close(self._open)

    def hush(self) -> None:
        """From now on nothing that Kafka says arrives."""
        self._hushed.set()

    def speak(self) -> None:
        """It does again, on new connections: those that have lost something are closed."""
        self._hushed.clear()
        self._close(self._broken)

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return  # It is over.
            try:
                kafka = socket.create_connection(self._target)
            except OSError:
                client.close()
            else:
                with self._lock:
                    self._open |= {client, kafka}
                for copy in (self._ask, self._answer):
                    threading.Thread(target=copy, args=(client, kafka), daemon=True).start()

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

    def _close(self, which: set[socket.socket]) -> None:
        with self._lock:
            for one in list(which):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
                self._open.discard(one)
                self._broken.discard(one)


def _pair(address: str) -> tuple[str, int]:
    host, port = address.rsplit(":", 1)
    return host, int(port)
