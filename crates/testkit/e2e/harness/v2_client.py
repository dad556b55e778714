"""A client of version 2, built on PyPI `websockets`: each call is one step of the protocol."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection

from harness import v1_client, v2_frames
from harness.gateway import Gateway
from harness.polling import WAIT_TIMEOUT
from harness.v2_frames import Frame

SUBPROTOCOL = "answer-gateway.v2.json"


class V2Session:
    """One socket of a session, with the resume token and `seq` that the client keeps beyond it."""

    def __init__(self, socket: ClientConnection):
        self.socket = socket
        self.token = ""
        self.seq = 0

    def send(self, kind: str, **fields: Any) -> None:
        """Sends one frame."""
        self.socket.send(v2_frames.encode({"type": kind, **fields}))

    def receive(self, timeout: float = WAIT_TIMEOUT) -> Frame:
        """Receives the next frame; keeps the newest token and the largest `seq`, as the protocol asks."""
        frame = v2_frames.decode(self.socket.recv(timeout=timeout))
        self.token = frame.get("resume_token", self.token)
        if frame["type"] == "answer":
            assert frame["seq"] == self.seq + 1, f"seq {frame['seq']} after {self.seq}"
            self.seq = frame["seq"]
        return frame

    def expect(self, kind: str, **fields: Any) -> Frame:
        """Receives the next frame; fails unless it is of that type and has those fields."""
        frame = self.receive()
        assert frame["type"] == kind, frame
        assert {name: frame.get(name) for name in fields} == fields
        return frame

    def start(self) -> Frame:
        """Starts a new session."""
        self.send("start")
        return self.expect("hello", resumed=False)

    def resume(self, before: "V2Session") -> Frame:
        """Resumes the session of another socket."""
        self.token, self.seq = before.token, before.seq
        self.send("start", resume_token=before.token, last_seq=before.seq)
        hello = self.expect("hello")
        if not hello["resumed"]:
            self.seq = 0
        return hello

    def ask(self, name: str, content: str) -> None:
        """Asks a question and waits until Kafka has it."""
        self.send("ask", id=name, content=content)
        self.expect("accepted", id=name)

    def receive_answer(self, name: str) -> str:
        """Receives all parts of an answer and returns the joined text."""
        text, part = "", None
        while part is None or not part["final"]:
            part = self.expect("answer", id=name)
            text += part["data"]
        return text

    def wait_close_code(self) -> int | None:
        """Waits until the gateway closes and returns the close code; fails on any further frame."""
        return v1_client.wait_close_code(self.socket)

    def drop_connection(self) -> None:
        """Closes the TCP connection without a close frame, as when the network fails."""
        self.socket.socket.close()


@contextmanager
def connect(gateway: Gateway, session: str | None = None) -> Iterator[V2Session]:
    """Opens a socket of version 2."""
    url = gateway.url(session) if session else f"ws://127.0.0.1:{gateway.port}/ws"
    with v1_client.connect(url, subprotocols=[SUBPROTOCOL]) as socket:
        assert socket.subprotocol == SUBPROTOCOL
        yield V2Session(socket)
