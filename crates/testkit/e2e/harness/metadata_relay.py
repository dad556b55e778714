"""A relay that parses Kafka's protocol and can remove the brokers from metadata responses."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from harness.tcp_relay import TcpRelay

METADATA_API_KEY = 3
API_VERSIONS_API_KEY = 18
# The last version of Metadata without compact arrays; its responses are simple to rewrite.
MAX_METADATA_VERSION = 8


class MetadataRelay(TcpRelay):
    """Relays Kafka connections message by message.

    Between `withhold_brokers` and `restore_brokers` every second metadata response names topics and no brokers, like
    that of a broker that was frozen and finds itself fenced. librdkafka then forgets the brokers it knows, and mostly
    sends no further metadata request.
    """

    def __init__(self, address: str, target: str) -> None:
        super().__init__(address, target)
        self._withholding = threading.Event()
        self._refusing = threading.Event()
        self._metadata_replies = 0

    def withhold_brokers(self) -> None:
        """Removes the brokers from every second metadata response from now on."""
        self._withholding.set()

    def restore_brokers(self) -> None:
        """Relays metadata responses unchanged from now on."""
        self._withholding.clear()

    def refuse_clients(self) -> None:
        """Closes all connections, and from now on every one that sends a request with a Kafka client id.

        Requests without a client id are still answered.
        """
        self._refusing.set()
        with self._lock:
            connected = set(self._open)
        self._close(connected)

    def _directions(self, client: socket.socket, kafka: socket.socket) -> tuple[Callable[[], None], ...]:
        pending_requests: dict[int, tuple[int, int]] = {}
        return partial(self._forward_requests, client, kafka, pending_requests), partial(
            self._forward_replies, client, kafka, pending_requests
        )

    def _forward_requests(
        self, client: socket.socket, kafka: socket.socket, pending_requests: dict[int, tuple[int, int]]
    ) -> None:
        with suppress(OSError, EOFError):
            while True:
                request = _read_message(client)
                # After API key, version and correlation id: the client id, with length -1 for none.
                if self._refusing.is_set() and _int16(request, 8) >= 0:
                    break
                key, version = _int16(request, 0), _int16(request, 2)
                if key in (METADATA_API_KEY, API_VERSIONS_API_KEY):
                    pending_requests[_int32(request, 4)] = (key, version)
                kafka.sendall(_with_length(request))
        self._close({client, kafka})

    def _forward_replies(
        self, client: socket.socket, kafka: socket.socket, pending_requests: dict[int, tuple[int, int]]
    ) -> None:
        with suppress(OSError, EOFError):
            while True:
                reply = _read_message(kafka)
                key, version = pending_requests.pop(_int32(reply, 0), (None, 0))
                if key == API_VERSIONS_API_KEY:
                    reply = _with_capped_metadata_version(reply, version)
                elif key == METADATA_API_KEY and self._withhold_next():
                    reply = _without_brokers(reply, version)
                client.sendall(_with_length(reply))
        self._close({client, kafka})

    def _withhold_next(self) -> bool:
        with self._lock:
            self._metadata_replies += 1
            return self._withholding.is_set() and self._metadata_replies % 2 == 0


def _with_capped_metadata_version(reply: bytes, version: int) -> bytes:
    """Caps the Metadata version in an ApiVersions response, so that the client uses one that can be rewritten."""
    # After correlation id and error code: an array of API key, lowest and highest version; compact from version 3 on.
    compact = version >= 3
    at, step = (7, 7) if compact else (10, 6)
    count = reply[6] - 1 if compact else _int32(reply, 6)
    assert not compact or reply[6] < 0x80, "a longer length is not read here"
    changed = bytearray(reply)
    for entry in range(at, at + count * step, step):
        if _int16(reply, entry) == METADATA_API_KEY:
            highest = min(_int16(reply, entry + 4), MAX_METADATA_VERSION)
            changed[entry + 4 : entry + 6] = highest.to_bytes(2, "big")
    return bytes(changed)


def _without_brokers(reply: bytes, version: int) -> bytes:
    """Empties the list of brokers in a metadata response of version 8 or older."""
    assert version <= MAX_METADATA_VERSION, version
    begin = 8 if version >= 3 else 4  # After the correlation id, and the throttle time from version 3 on.
    at = begin + 4
    for _ in range(_int32(reply, begin)):
        at += 4  # Broker id.
        at += 2 + _int16(reply, at)  # Host.
        at += 4  # Port.
        if version >= 1:
            at += 2 + max(0, _int16(reply, at))  # Rack, with length -1 for none.
    return reply[:begin] + bytes(4) + reply[at:]


def _read_message(source: socket.socket) -> bytes:
    """Reads one length-prefixed message."""
    return _read_exactly(source, int.from_bytes(_read_exactly(source, 4), "big"))


def _with_length(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


def _read_exactly(source: socket.socket, length: int) -> bytes:
    read = bytearray()
    while len(read) < length:
        part = source.recv(length - len(read))
        if not part:
            raise EOFError
        read += part
    return bytes(read)


def _int16(message: bytes, at: int) -> int:
    return int.from_bytes(message[at : at + 2], "big", signed=True)


def _int32(message: bytes, at: int) -> int:
    return int.from_bytes(message[at : at + 4], "big", signed=True)
