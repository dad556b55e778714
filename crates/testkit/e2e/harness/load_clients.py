"""Runs many sessions of version 1 concurrently, and logs every question with its outcome."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from harness import canaries
from harness.gateway import Gateway
from harness.polling import WAIT_TIMEOUT, eventually
from harness.v1_client import PUBLISH_ERROR, question_frame

MAX_CONCURRENT_CONNECTS = 50


@dataclass
class Exchange:
    """One question of one session, and the frame or close code that came back."""

    session: str
    question: str
    asked_at: float
    frame: Any = None
    close_code: int | None = None
    took: float = field(default=0.0)

    @property
    def answered(self) -> bool:
        """Tells whether the frame is the right answer."""
        return self.frame == {"type": "response", "data": canaries.answer_to(self.question)}

    @property
    def failed(self) -> bool:
        """Tells whether the frame says that Kafka did not take the question."""
        return self.frame == PUBLISH_ERROR


class LoadClients:
    """Runs sessions, new ones or given by id, spread over gateways.

    Each asks `questions_each` questions, or asks until the block of `running` ends.
    """

    def __init__(
        self,
        gateways: Sequence[Gateway],
        sessions: int | list[str],
        questions_each: int | None = None,
        pause: float = 0.0,
    ) -> None:
        self.sessions = [canaries.session_id() for _ in range(sessions)] if isinstance(sessions, int) else sessions
        self.exchanges: list[Exchange] = []
        self.unexpected_frames: list[Any] = []
        self._urls = [gateways[number % len(gateways)].url(name) for number, name in enumerate(self.sessions)]
        self._questions_each = questions_each
        self._pause = pause
        # The time at which each session that waits now has asked.
        self._waiting_since: dict[str, float] = {}
        self._finishing = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="crowd")

    def run(self) -> list[Exchange]:
        """Asks every question and returns the log."""
        with self.running():
            self._thread.join()
        return self.exchanges

    @contextmanager
    def running(self) -> Iterator["LoadClients"]:
        """Asks until the block ends; then waits for the frames of the open questions."""
        self._thread.start()
        try:
            yield self
        finally:
            self._finishing.set()
            self._thread.join()
        if self._failure:
            raise self._failure
        assert not self.unexpected_frames, f"frames nobody asked for: {self.unexpected_frames[:3]}"

    def wait_all_sessions(self, outcome: str, since: float = 0.0) -> None:
        """Waits until every session has an exchange begun after `since` whose outcome is `answered` or `failed`."""

        def reached() -> bool:
            log = list(self.exchanges)
            later = [one for one in log if one.asked_at >= since]
            sessions = {one.session for one in later if getattr(one, outcome)}
            assert len(sessions) == len(self.sessions), (
                f"{len(sessions)} of {len(self.sessions)} sessions; {len(self._waiting_since)} wait now, "
                f"{sum(one.failed for one in later)} questions failed since"
            )
            return True

        eventually(reached, f"every session has a question {outcome}", timeout=2 * WAIT_TIMEOUT)

    def wait_all_failed_or_waiting(self, since: float) -> None:
        """Waits until every session has a failed question or an unanswered one.

        The failed question was asked after `since`; the unanswered one was asked before it and still waits.
        """

        def reached() -> bool:
            failed = {one.session for one in list(self.exchanges) if one.failed and one.asked_at >= since}
            waiting = {session for session, asked_at in dict(self._waiting_since).items() if asked_at < since}
            missing = set(self.sessions) - failed - waiting
            assert not missing, f"{len(missing)} of {len(self.sessions)} sessions were told nothing"
            assert failed, "nobody asked meanwhile"
            return True

        eventually(reached, "every session was told, or waits", timeout=2 * WAIT_TIMEOUT)

    def _run(self) -> None:
        try:
            asyncio.run(self._run_sessions())
        except BaseException as failure:
            self._failure = failure

    async def _run_sessions(self) -> None:
        gate = asyncio.Semaphore(MAX_CONCURRENT_CONNECTS)
        async with asyncio.TaskGroup() as tasks:
            for session, url in zip(self.sessions, self._urls, strict=True):
                tasks.create_task(self._run_session(gate, session, url))

    async def _run_session(self, gate: asyncio.Semaphore, session: str, url: str) -> None:
        async with gate:
            client = await connect(url, proxy=None, compression=None, open_timeout=WAIT_TIMEOUT, ping_interval=None)
        async with client:
            number = 0
            while not self._finishing.is_set() and number != self._questions_each:
                number += 1
                if not await self._ask(client, session, number):
                    return
                await asyncio.sleep(self._pause)
            await self._collect_unexpected_frames(client)

    async def _ask(self, client: ClientConnection, session: str, number: int) -> bool:
        exchange = Exchange(session, canaries.question(str(number)), time.monotonic())
        self._waiting_since[session] = exchange.asked_at
        try:
            await client.send(question_frame(exchange.question))
            exchange.frame = json.loads(await client.recv())
        except ConnectionClosed as closed:
            exchange.close_code = closed.rcvd.code if closed.rcvd else 1006
        self._waiting_since.pop(session)
        exchange.took = time.monotonic() - exchange.asked_at
        self.exchanges.append(exchange)
        return exchange.close_code is None

    async def _collect_unexpected_frames(self, client: ClientConnection) -> None:
        try:
            await (await client.ping())
            while True:
                self.unexpected_frames.append(await asyncio.wait_for(client.recv(), 0.001))
        except (TimeoutError, ConnectionClosed):
            pass
