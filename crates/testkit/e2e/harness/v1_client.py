"""A WebSocket client of version 1, built on PyPI `websockets` and used as the known clients use it."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as _connect

from harness.polling import WAIT_TIMEOUT

BUSY_ERROR = {"type": "error", "message": "Please wait for the previous response"}
PUBLISH_ERROR = {"type": "error", "message": "Failed to send question to processing system"}
INVALID_FRAME_ERROR = {"type": "error", "message": "Invalid message format"}
TIMEOUT_ERROR = {"type": "error", "message": "No response in time"}


def connect(url: str, **options: Any) -> ClientConnection:
    """Opens a WebSocket, never through a proxy."""
    return _connect(url, proxy=None, open_timeout=WAIT_TIMEOUT, close_timeout=5, max_size=None, **options)


def question_frame(content: str, user_name: str | None = None) -> str:
    """Returns the only frame that a version-1 client sends, as text."""
    frame = {"type": "message", "content": content}
    if user_name is not None:
        frame["user_name"] = user_name
    return json.dumps(frame)


def answer_frame(text: str) -> dict[str, str]:
    """Returns the frame that carries an answer."""
    return {"type": "response", "data": text}


def send(client: ClientConnection, content: str, user_name: str | None = None) -> None:
    """Sends a question."""
    client.send(question_frame(content, user_name))


def receive(client: ClientConnection, timeout: float = WAIT_TIMEOUT) -> Any:
    """Receives the next frame."""
    return json.loads(client.recv(timeout=timeout))


def ask(client: ClientConnection, content: str, timeout: float = WAIT_TIMEOUT) -> Any:
    """Sends a question and receives exactly one frame."""
    send(client, content)
    return receive(client, timeout)


def ask_once(url: str, content: str) -> Any:
    """Acts like the old client: connects, sends one question, receives exactly one frame, disconnects."""
    with connect(url) as client:
        return ask(client, content)


def assert_nothing_more(client: ClientConnection) -> None:
    """Fails if the gateway has sent a further frame.

    Frames keep their order, so it would arrive before the pong of this ping.
    """
    assert client.ping().wait(WAIT_TIMEOUT), "no pong"
    try:
        unexpected = client.recv(timeout=0)
    except TimeoutError:
        return
    raise AssertionError(f"a frame nobody asked for: {unexpected!r}")


def wait_close_code(client: ClientConnection, timeout: float = WAIT_TIMEOUT) -> int | None:
    """Waits until the gateway closes and returns the close code; fails on any further frame."""
    try:
        unexpected = client.recv(timeout=timeout)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None
    raise AssertionError(f"a frame where a close was due: {unexpected!r}")


def expect_refused_upgrade(url: str, **options: Any) -> InvalidStatus:
    """Returns the HTTP response that refuses the upgrade; fails when the upgrade succeeds."""
    with pytest.raises(InvalidStatus) as refusal:
        connect(url, **options).close()
    return refusal.value


@contextmanager
def connect_silent_peer(port: int, session: str) -> Iterator[socket.socket]:
    """Connects a peer that sends nothing after the handshake and never answers a ping."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_TIMEOUT) as peer:
        request = (
            f"GET /ws/{session} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        peer.sendall(request.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += peer.recv(1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        yield peer


def silent_peer_close_code(peer: socket.socket) -> int:
    """Returns the code of the close frame that a silent peer is sent; fails when anything but pings precedes it."""
    received = b""
    while chunk := peer.recv(4096):
        received += chunk
    while received[0] == 0x89:
        received = received[2 + received[1] :]
    assert received[0] == 0x88, received
    return int.from_bytes(received[2:4])
