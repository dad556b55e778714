"""Clients of version 2 that resume: whatever ends the socket, they continue at any replica as the protocol asks.

Each client checks every frame it is sent; `V2Observations` collects what was wrong.
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
from harness.polling import WAIT_TIMEOUT
from harness.v2_client import SUBPROTOCOL

# Seconds without a frame after which a client regards the connection as dead.
FRAME_TIMEOUT = 40.0
# Longest pause before another connection, in seconds.
MAX_RECONNECT_PAUSE = 2.0


@dataclass
class V2Observations:
    """Collects the results of all clients."""

    answered: int = 0
    failed: Counter = field(default_factory=Counter)
    resumed: int = 0
    not_resumed: int = 0
    closed: Counter = field(default_factory=Counter)
    # Broken promises, as text: wrong answers and frames, and questions without an end.
    protocol_violations: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    # Questions that ended with `timeout`.
    timed_out: list[str] = field(default_factory=list)
    slowest_resume: float = 0.0
    # Number of times a client disconnected on purpose in the middle of a question.
    left_midway: int = 0
    # Number of simulated page reloads: the client keeps its session id and counts its questions from 1 again.
    reloaded: int = 0


# Returns every right answer to a question.
RightAnswers = Callable[[str], set[str]]


class SocketLostError(Exception):
    """The socket cannot be used any more."""

    def __init__(self, retry_after: float = 0.0):
        super().__init__("gone")
        self.retry_after = retry_after


class ResumingClient:
    """One session that asks one question after the other, at any replica it can connect to."""

    def __init__(
        self,
        ports: Sequence[int],
        observations: V2Observations,
        seed: int,
        *,
        answer_timeout: float,
        answers_to: RightAnswers,
        leave_probability: float,
    ):
        self.leave_probability = leave_probability
        self.ports = ports
        self.answers_to = answers_to
        self.observations = observations
        self.random = random.Random(seed)
        self.answer_timeout = answer_timeout
        self.token: str | None = None
        self.session = ""
        self.seq = 0
        self.asked_count = 0
        # Number of the page's last question, and the session id that it requests.
        self.last_number = 0
        self.requested_id = ""
        # The open question, as its id and text, and the state of its answer.
        self.open_question: tuple[str, str] | None = None
        self.accepted = False
        self.parts: list[str] = []
        self.asked_at = 0.0

    async def run(self, questions: int | None, ending: threading.Event, pause: float) -> None:
        """Asks so many questions, or until `ending` is set; waits for the end of the last one."""
        wait = 0.0
        while self.open_question or not self._is_done(questions, ending):
            await asyncio.sleep(wait * self.random.random())
            try:
                await self._run_connection(questions, ending, pause)
                return
            except SocketLostError as lost:
                wait = lost.retry_after or min(MAX_RECONNECT_PAUSE, wait * 2 + 0.1)
            if self.open_question and time.monotonic() - self.asked_at > 3 * self.answer_timeout + WAIT_TIMEOUT:
                self.observations.lost.append(f"{self.session}: {self.open_question[0]} has no end")
                return

    def _is_done(self, questions: int | None, ending: threading.Event) -> bool:
        return ending.is_set() or (questions is not None and self.asked_count >= questions)

    async def _run_connection(self, questions: int | None, ending: threading.Event, pause: float) -> None:
        path = f"/{self.requested_id}" if self.requested_id else ""
        url = f"ws://127.0.0.1:{self.random.choice(self.ports)}/ws{path}"
        options = {"proxy": None, "compression": None, "ping_interval": None, "max_size": None}
        try:
            client = await connect(
                url, subprotocols=[SUBPROTOCOL], open_timeout=WAIT_TIMEOUT, close_timeout=1, **options
            )
        except (OSError, InvalidHandshake, InvalidMessage, TimeoutError, EOFError) as error:
            raise SocketLostError(0.2) from error
        async with client:
            try:
                await self._start(client)
                while self.open_question or not self._is_done(questions, ending):
                    if not self.open_question:
                        await self._ask(client)
                        self._maybe_leave(client)
                    await self._on_next_frame(client)
                    if not self.open_question and pause:
                        await asyncio.sleep(pause * self.random.random() * 2)
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 1006
                self.observations.closed[code] += 1
                if code >= 4500:
                    self.observations.protocol_violations.append(f"{self.session}: closed for good with {code}")
                raise SocketLostError(getattr(self, "retry_after", 0.0)) from closed
            except TimeoutError as silence:
                self.observations.closed["silence"] += 1
                raise SocketLostError() from silence

    def _maybe_leave(self, client: ClientConnection) -> None:
        if self.random.random() < self.leave_probability:
            self.observations.left_midway += 1
            client.transport.abort()
            if self.random.randrange(3) == 0:
                self._reload()
            raise SocketLostError(0.05)

    def _reload(self) -> None:
        self.observations.reloaded += 1
        self.requested_id, self.token, self.open_question, self.last_number = self.session, None, None, 0

    async def _receive(self, client: ClientConnection) -> v2_frames.Frame:
        frame = v2_frames.decode(await asyncio.wait_for(client.recv(), FRAME_TIMEOUT))
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
            # The replica shuts down while it still looks for older answers; another replica resumes.
            raise SocketLostError(hello["retry_after_ms"] / 1000)
        if hello["type"] != "hello":
            self._report_violation(f"{hello['type']} before hello")
            raise SocketLostError()
        if hello["resumed"]:
            self.observations.resumed += 1
            self.observations.slowest_resume = max(self.observations.slowest_resume, time.monotonic() - began)
            if hello["session_id"] != self.session:
                self._report_violation("resumed under another id")
            # An accepted question that is not pending has nothing more to show; one that was not accepted is asked
            # again.
            if self.open_question and hello["pending"] is None:
                if self.accepted and not self.parts:
                    self.observations.lost.append(f"{self.session}: {self.open_question[0]} was accepted and is gone")
                await self._send_question(client)
        else:
            if had_token:
                self.observations.not_resumed += 1
            self.session, self.seq, self.parts, self.accepted = hello["session_id"], 0, [], False
            if self.open_question:
                await self._send_question(client)

    async def _ask(self, client: ClientConnection) -> None:
        self.asked_count += 1
        self.last_number += 1
        self.open_question = (f"q-{self.last_number}", canaries.question(str(self.asked_count)))
        self.accepted, self.parts, self.asked_at = False, [], time.monotonic()
        await self._send_question(client)

    async def _send_question(self, client: ClientConnection) -> None:
        name, text = self.open_question
        await self._send(client, "ask", id=name, content=text)

    async def _on_next_frame(self, client: ClientConnection) -> None:
        frame = await self._receive(client)
        match frame["type"]:
            case "accepted":
                self._check_question_id(frame)
                self.accepted = True
                self._maybe_leave(client)
            case "answer":
                await self._on_answer(client, frame)
            case "error":
                await self._on_error(client, frame)
            case "closing":
                self.retry_after = frame["retry_after_ms"] / 1000
            case "heartbeat":
                pass
            case other:
                self._report_violation(f"an unexpected {other}")

    async def _on_answer(self, client: ClientConnection, frame: v2_frames.Frame) -> None:
        self._check_question_id(frame)
        if frame["seq"] != self.seq + 1:
            self._report_violation(f"seq {frame['seq']} after {self.seq}")
        if frame["part"] != len(self.parts):
            self._report_violation(f"part {frame['part']} after {len(self.parts)} parts")
        self.seq = frame["seq"]
        self.parts.append(frame["data"])
        if frame["final"]:
            if "".join(self.parts) not in self.answers_to(self.open_question[1]):
                self._report_violation(f"the answer to another question under {self.open_question[0]}")
            self.observations.answered += 1
            self.open_question = None
            await self._send(client, "ack", seq=self.seq)

    async def _on_error(self, client: ClientConnection, frame: v2_frames.Frame) -> None:
        self.observations.failed[frame["code"]] += 1
        match frame["code"]:
            case "publish_failed" | "answer_failed" | "draining" | "rate_limited":
                self.parts, self.accepted = [], False
                await asyncio.sleep(0.05 + self.random.random() * 0.2)
                await self._send_question(client)
            case "timeout":
                self.observations.timed_out.append(self.open_question[1])
                self.open_question = None
            case code:
                self._report_violation(f"an unexpected error {code}")
                self.open_question = None

    def _check_question_id(self, frame: v2_frames.Frame) -> None:
        if self.open_question is None or frame["id"] != self.open_question[0]:
            self._report_violation(
                f"{frame['type']} about {frame['id']}, while {self.open_question and self.open_question[0]} is open"
            )
            raise SocketLostError()

    def _report_violation(self, what: str) -> None:
        self.observations.protocol_violations.append(f"{self.session}: {what}")


class ResumingClients:
    """Runs many clients on a thread of its own."""

    def __init__(
        self,
        ports: Sequence[int],
        sessions: int,
        *,
        questions_each: int | None = None,
        pause: float = 0.0,
        seed: int = 0,
        answer_timeout: float = 120.0,
        answers_to: RightAnswers = lambda question: {canaries.answer_to(question)},
        leave_probability: float = 0.0,
    ):
        """Prepares the clients.

        `leave_probability`: in which share of questions a client disconnects in the middle and connects elsewhere.
        """
        self.observations = V2Observations()
        self._clients = [
            ResumingClient(
                ports,
                self.observations,
                seed * 100_003 + number,
                answer_timeout=answer_timeout,
                answers_to=answers_to,
                leave_probability=leave_probability,
            )
            for number in range(sessions)
        ]
        self._questions_each = questions_each
        self._pause = pause
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="resuming-clients")

    @contextmanager
    def running(self) -> Iterator["ResumingClients"]:
        """Asks until the block ends, then waits for the end of every open question."""
        self._thread.start()
        try:
            yield self
        finally:
            self._ending.set()
            self._thread.join()
        if self._failure:
            raise self._failure

    def run(self) -> V2Observations:
        """Asks all questions and returns the results."""
        self._thread.start()
        self._thread.join()
        if self._failure:
            raise self._failure
        return self.observations

    @property
    def is_finished(self) -> bool:
        """Tells whether every client has asked all its questions or has given up."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._run_clients())
        except BaseException as failure:
            self._failure = failure

    async def _run_clients(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for session in self._clients:
                tasks.create_task(session.run(self._questions_each, self._ending, self._pause))
