"""Clients of version 2 that lose nothing: whatever ends a socket, they go on at any replica, as the protocol asks.

Each judges what it is shown, frame by frame; `Verdict` holds what was wrong.
"""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from harness import canaries, v2_frames
from harness.polling import PATIENCE
from harness.v2_client import PROTOCOL

# The longest a client waits for any one frame before it takes the connection for dead.
SILENCE = 40.0
# The longest pause before another connection.
LONGEST_PAUSE = 2.0


@dataclass
class Verdict:
    """What the clients saw."""

    answered: int = 0
    failed: Counter = field(default_factory=Counter)
    resumed: int = 0
    not_resumed: int = 0
    closed: Counter = field(default_factory=Counter)
    # What must never be.
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    # Questions that got no answer in time.
    timed_out: list[str] = field(default_factory=list)
    slowest_resume: float = 0.0
    # How often a client left by itself.
    left: int = 0
    # How often a page was loaded again: it keeps its session id, and numbers its questions from 1.
    reloaded: int = 0


# Every right answer to a question.
Answers = Callable[[str], set[str]]


class LostSocketError(Exception):
    """The socket is of no use any more."""

    def __init__(self, retry_after: float = 0.0):
        super().__init__("gone")
        self.retry_after = retry_after


class Wanderer:
    """One session: asks one question after the other, wherever it finds a replica."""

    def __init__(
        self,
        ports: Sequence[int],
        verdict: Verdict,
        seed: int,
        *,
        answer_timeout: float,
        answers_to: Answers,
        restless: float,
    ):
        self.restless = restless
        self.ports = ports
        self.answers_to = answers_to
        self.verdict = verdict
        self.random = random.Random(seed)
        self.answer_timeout = answer_timeout
        self.token: str | None = None
        self.session = ""
        self.seq = 0
        self.asked = 0
        # The number of the page's last question, and the session id that it asks for.
        self.numbered = 0
        self.path = ""
        # The open question: its name and text, and what came of its answer.
        self.open: tuple[str, str] | None = None
        self.accepted = False
        self.parts: list[str] = []
        self.since = 0.0

    async def run(self, questions: int | None, ending: threading.Event, pause: float) -> None:
        """Asks so many questions, or until it is to end; the last one gets its end first."""
        wait = 0.0
        while self.open or not self._is_done(questions, ending):
            await asyncio.sleep(wait * self.random.random())
            try:
                await self._connected(questions, ending, pause)
                return
            except LostSocketError as lost:
                wait = lost.retry_after or min(LONGEST_PAUSE, wait * 2 + 0.1)
            if self.open and time.monotonic() - self.since > 3 * self.answer_timeout + PATIENCE:
                self.verdict.lost.append(f"{self.session}: {self.open[0]} has no end")
                return

    def _is_done(self, questions: int | None, ending: threading.Event) -> bool:
        return ending.is_set() or (questions is not None and self.asked >= questions)

    async def _connected(self, questions: int | None, ending: threading.Event, pause: float) -> None:
        path = f"/{self.path}" if self.path else ""
        url = f"ws://127.0.0.1:{self.random.choice(self.ports)}/ws{path}"
        options = {"proxy": None, "compression": None, "ping_interval": None, "max_size": None}
        try:
            client = await connect(url, subprotocols=[PROTOCOL], open_timeout=PATIENCE, close_timeout=1, **options)
        except (OSError, InvalidHandshake, InvalidMessage, TimeoutError, EOFError) as error:
            raise LostSocketError(0.2) from error
        async with client:
            try:
                await self._start(client)
                while self.open or not self._is_done(questions, ending):
                    if not self.open:
                        await self._ask(client)
                        self._perhaps_leave(client)
                    await self._take(client)
                    if not self.open and pause:
                        await asyncio.sleep(pause * self.random.random() * 2)
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 1006
                self.verdict.closed[code] += 1
                if code >= 4500:
                    self.verdict.wrong.append(f"{self.session}: closed for good with {code}")
                raise LostSocketError(getattr(self, "retry_after", 0.0)) from closed
            except TimeoutError as silence:
                self.verdict.closed["silence"] += 1
                raise LostSocketError() from silence

    def _perhaps_leave(self, client: ClientConnection) -> None:
        if self.random.random() < self.restless:
            self.verdict.left += 1
            client.transport.abort()
            if self.random.randrange(3) == 0:
                self._reload()
            raise LostSocketError(0.05)

    def _reload(self) -> None:
        self.verdict.reloaded += 1
        self.path, self.token, self.open, self.numbered = self.session, None, None, 0

    async def _receive(self, client: ClientConnection) -> v2_frames.Frame:
        frame = v2_frames.decode(await asyncio.wait_for(client.recv(), SILENCE))
        self.token = frame.get("resume_token", self.token)
        return frame

    async def _send(self, client: ClientConnection, kind: str, **fields: object) -> None:
        await client.send(v2_frames.encode({"type": kind, **fields}))

    async def _start(self, client: ClientConnection) -> None:
        self.retry_after = 0.0
        began = time.monotonic()
        had_token = self.token is not None
        if not had_token:
            await self._send(client, "start")
        else:
            await self._send(client, "start", resume_token=self.token, last_seq=self.seq)
        hello = await self._receive(client)
        if hello["type"] == "closing":
            # The replica ends while it still looks for what was written: another one resumes.
            raise LostSocketError(hello["retry_after_ms"] / 1000)
        if hello["type"] != "hello":
            self._wrong(f"{hello['type']} before hello")
            raise LostSocketError()
        if hello["resumed"]:
            self.verdict.resumed += 1
            self.verdict.slowest_resume = max(self.verdict.slowest_resume, time.monotonic() - began)
            if hello["session_id"] != self.session:
                self._wrong("resumed under another id")
            # What was accepted and is not pending has nothing more to show; what was not is asked again.
            if self.open and hello["pending"] is None:
                if self.accepted and not self.parts:
                    self.verdict.lost.append(f"{self.session}: {self.open[0]} was accepted and is gone")
                await self._send_open(client)
        else:
            if had_token:
                self.verdict.not_resumed += 1
            self.session, self.seq, self.parts, self.accepted = hello["session_id"], 0, [], False
            if self.open:
                await self._send_open(client)

    async def _ask(self, client: ClientConnection) -> None:
        self.asked += 1
        self.numbered += 1
        self.open = (f"q-{self.numbered}", canaries.question(str(self.asked)))
        self.accepted, self.parts, self.since = False, [], time.monotonic()
        await self._send_open(client)

    async def _send_open(self, client: ClientConnection) -> None:
        name, text = self.open
        await self._send(client, "ask", id=name, content=text)

    async def _take(self, client: ClientConnection) -> None:
        frame = await self._receive(client)
        match frame["type"]:
            case "accepted":
                self._about(frame)
                self.accepted = True
                self._perhaps_leave(client)
            case "answer":
                await self._take_part(client, frame)
            case "error":
                await self._take_error(client, frame)
            case "closing":
                self.retry_after = frame["retry_after_ms"] / 1000
            case "heartbeat":
                pass
            case other:
                self._wrong(f"an unexpected {other}")

    async def _take_part(self, client: ClientConnection, frame: v2_frames.Frame) -> None:
        self._about(frame)
        if frame["seq"] != self.seq + 1:
            self._wrong(f"seq {frame['seq']} after {self.seq}")
        if frame["part"] != len(self.parts):
            self._wrong(f"part {frame['part']} after {len(self.parts)} parts")
        self.seq = frame["seq"]
        self.parts.append(frame["data"])
        if frame["final"]:
            if "".join(self.parts) not in self.answers_to(self.open[1]):
                self._wrong(f"the answer to another question under {self.open[0]}")
            self.verdict.answered += 1
            self.open = None
            await self._send(client, "ack", seq=self.seq)

    async def _take_error(self, client: ClientConnection, frame: v2_frames.Frame) -> None:
        self.verdict.failed[frame["code"]] += 1
        match frame["code"]:
            case "publish_failed" | "answer_failed" | "draining" | "rate_limited":
                self.parts, self.accepted = [], False
                await asyncio.sleep(0.05 + self.random.random() * 0.2)
                await self._send_open(client)
            case "timeout":
                self.verdict.timed_out.append(self.open[1])
                self.open = None
            case code:
                self._wrong(f"an unexpected error {code}")
                self.open = None

    def _about(self, frame: v2_frames.Frame) -> None:
        if self.open is None or frame["id"] != self.open[0]:
            self._wrong(f"{frame['type']} about {frame['id']}, while {self.open and self.open[0]} is open")
            raise LostSocketError()

    def _wrong(self, what: str) -> None:
        self.verdict.wrong.append(f"{self.session}: {what}")


class Wanderers:
    """Many of them, on a thread of their own."""

    def __init__(
        self,
        ports: Sequence[int],
        sessions: int,
        *,
        questions_each: int | None = None,
        pause: float = 0.0,
        seed: int = 0,
        answer_timeout: float = 120.0,
        answers_to: Answers = lambda question: {canaries.answer_to(question)},
        restless: float = 0.0,
    ):
        """`restless`: in how many questions a client leaves in the middle, and comes back elsewhere."""
        self.verdict = Verdict()
        options = {"answer_timeout": answer_timeout, "answers_to": answers_to, "restless": restless}
        seeds = [seed * 100_003 + number for number in range(sessions)]
        self._sessions = [Wanderer(ports, self.verdict, one, **options) for one in seeds]
        self._questions_each = questions_each
        self._pause = pause
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="wanderers")

    @contextmanager
    def running(self) -> Iterator["Wanderers"]:
        """They ask until the block ends; every open question gets its end first."""
        self._thread.start()
        try:
            yield self
        finally:
            self._ending.set()
            self._thread.join()
        if self._failure:
            raise self._failure

    def run(self) -> Verdict:
        """They ask all their questions."""
        self._thread.start()
        self._thread.join()
        if self._failure:
            raise self._failure
        return self.verdict

    @property
    def is_over(self) -> bool:
        """Whether everybody has asked all his questions, or has given up."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._everybody())
        except BaseException as failure:
            self._failure = failure

    async def _everybody(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for session in self._sessions:
                tasks.create_task(session.run(self._questions_each, self._ending, self._pause))
