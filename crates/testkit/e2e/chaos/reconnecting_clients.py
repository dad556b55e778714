"""Clients of version 1 for the fault suite. A client that loses its socket connects again under another session id."""

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from chaos.run_clock import RunClock
from harness import canaries
from harness.polling import WAIT_TIMEOUT
from harness.v1_client import PUBLISH_ERROR, TIMEOUT_ERROR, question_frame

# Number of a session's earlier questions that are kept for a question that timed out.
EARLIER_QUESTIONS = 3


@dataclass
class ShownAnswer:
    """An answer frame that was shown under a question, and the questions its session had asked before."""

    session: str
    question: str
    earlier: list[str]
    data: str
    # Seconds since the run began.
    at: float = 0.0


@dataclass(frozen=True)
class TimedOutQuestion:
    """A question whose client was told that no answer came in time; times are seconds since the run began."""

    session: str
    # Number of the replica that it was asked at, from 1.
    replica: int
    asked_at: float
    given_up_at: float
    # The session's last questions before it, with the outcome of each, oldest first.
    earlier: tuple[tuple[str, str], ...] = ()


@dataclass
class V1Observations:
    """Collects the frames and close codes that the clients received."""

    shown: list[ShownAnswer] = field(default_factory=list)
    timed_out: list[str] = field(default_factory=list)
    # Details of the questions in `timed_out`, by text.
    timeouts: dict[str, TimedOutQuestion] = field(default_factory=dict)
    failed: Counter = field(default_factory=Counter)
    closed: Counter = field(default_factory=Counter)
    protocol_violations: list[str] = field(default_factory=list)


class ReconnectingClients:
    """Runs many clients of version 1 on a thread of its own."""

    def __init__(
        self,
        ports: Sequence[int],
        sessions: int,
        pause: float,
        seed: int,
        *,
        leave_probability: float,
        answer_timeout: float,
        clock: RunClock,
    ):
        self._clock = clock
        self._leave_probability = leave_probability
        self._answer_timeout = answer_timeout
        self.observations = V1Observations()
        self._ports = ports
        self._sessions = sessions
        self._pause = pause
        self._seed = seed
        self.ending = threading.Event()
        self._failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="old clients")

    def join(self) -> None:
        """Waits until every open question has its answer or its error."""
        self.thread.join()
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._run_clients())
        except BaseException as failure:
            self._failure = failure

    async def _run_clients(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._sessions):
                tasks.create_task(self._run_client(random.Random(self._seed * 100_003 + number)))

    async def _run_client(self, rng: random.Random) -> None:
        while not self.ending.is_set():
            session = canaries.session_id()
            replica = rng.randrange(len(self._ports)) + 1
            url = f"ws://127.0.0.1:{self._ports[replica - 1]}/ws/{session}"
            options = {"proxy": None, "compression": None, "ping_interval": None, "max_size": None}
            try:
                async with await connect(url, open_timeout=WAIT_TIMEOUT, close_timeout=1, **options) as client:
                    await self._ask_questions(client, session, replica, rng)
            except ConnectionClosed as closed:
                self.observations.closed[closed.rcvd.code if closed.rcvd else 1006] += 1
            except (OSError, InvalidHandshake, InvalidMessage, TimeoutError, EOFError):
                self.observations.closed["no connection"] += 1
            await asyncio.sleep(0.1 + rng.random() * 0.4)

    async def _ask_questions(self, client: ClientConnection, session: str, replica: int, rng: random.Random) -> None:
        earlier: list[tuple[str, str]] = []
        while not self.ending.is_set():
            question, asked_at = canaries.question("v1"), self._clock.elapsed()
            await client.send(question_frame(question))
            frame = json.loads(await asyncio.wait_for(client.recv(), 600))
            now, outcome = self._clock.elapsed(), frame.get("type")
            if frame == PUBLISH_ERROR:
                outcome = "not sent"
                self.observations.failed[outcome] += 1
            elif frame == TIMEOUT_ERROR and now - asked_at < self._answer_timeout:
                # Before the answer timeout this is the end of a drain: version 1 has no other frame for it.
                outcome = "given up by a replica that ended"
                self.observations.failed[outcome] += 1
            elif frame == TIMEOUT_ERROR:
                outcome = "timed out"
                details = TimedOutQuestion(session, replica, asked_at, now, tuple(earlier[-EARLIER_QUESTIONS:]))
                self.observations.timed_out.append(question)
                self.observations.timeouts[question] = details
            elif outcome == "response":
                texts = [text for text, _ in earlier]
                self.observations.shown.append(ShownAnswer(session, question, texts, frame["data"], now))
            else:
                self.observations.protocol_violations.append(f"{session}: {outcome} is no answer")
            earlier.append((question, outcome))
            if rng.random() < self._leave_probability:
                return
            await asyncio.sleep(self._pause * rng.random() * 2)


def start_clients(clients: ReconnectingClients) -> float:
    """Starts the clients and returns the time of the start, on the monotonic clock."""
    clients.thread.start()
    return time.monotonic()
