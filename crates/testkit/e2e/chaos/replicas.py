"""Starts, kills, restarts and samples the three gateways of the fault suite, which run behind proxies."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.gateway import Gateway
from harness.ledger import read_ledger
from harness.movable_clock import MovableClock
from harness.polling import eventually

GRACE_PERIOD = 10.0
NUMBERS = (1, 2, 3)


@dataclass
class ReplicaProcess:
    """One gateway process: its memory over time, and its ledger when it was last sampled."""

    number: int
    pid: int
    memory: list[tuple[float, int]] = field(default_factory=list)
    account: dict[str, float] = field(default_factory=dict)
    end: str = ""

    @property
    def growth(self) -> float:
        """Returns memory at the end divided by memory after the first third; 1 means no growth."""
        settled = [used for _, used in self.memory[len(self.memory) // 3 :]]
        return settled[-1] / settled[0] if len(settled) > 1 else 1.0


class Replicas:
    """The gateway processes of a run, one current process per replica number."""

    def __init__(self, ports: dict[str, int], topics: dict[str, str], folder: Path, settings: dict[str, str]):
        self._ports = ports
        self._folder = folder
        self._settings = {
            "KAFKA_BOOTSTRAP_SERVERS": ",".join(f"127.0.0.1:{ports[f'outer_{number}']}" for number in NUMBERS),
            "KAFKA_SCHEMA_REGISTRY_URL": f"http://127.0.0.1:{ports['registry_outer']}/apis/ccompat/v7",
            "GATEWAY__SESSION__TOKEN_KEY": "the-key-of-all-replicas-of-a-run",
            "GATEWAY__DRAIN__ACCEPT_FOR": "1s",
            "GATEWAY__DRAIN__BUDGET": "3s",
            "GATEWAY__DRAIN__GRACE_PERIOD": f"{GRACE_PERIOD:g}s",
            "RUST_LOG": "info",
            **topics,
            **settings,
        }
        self._gateways: dict[int, Gateway] = {}
        self._clocks: dict[int, MovableClock] = {}
        self._began = time.monotonic()
        self.processes: list[ReplicaProcess] = []
        self._current: dict[int, ReplicaProcess] = {}

    @property
    def client_ports(self) -> list[int]:
        """Returns the ports of the proxies that clients connect to."""
        return [self._ports[f"front_{number}"] for number in NUMBERS]

    @contextmanager
    def running(self) -> Iterator["Replicas"]:
        """Runs all replicas until the block ends."""
        try:
            for number in NUMBERS:
                self._start(number)
            for number in NUMBERS:
                self._gateways[number].wait_ready()
            yield self
        finally:
            for gateway in self._gateways.values():
                gateway.kill()

    def kill(self, number: int) -> None:
        """Kills a replica with SIGKILL and starts a new process in its place."""
        self._gateways[number].crash()
        self._gateways[number].check_canaries()
        self._current[number].end = "killed"
        self._start(number)

    def restart_one_by_one(self) -> None:
        """Restarts every replica with SIGTERM, the next one after the new process is ready."""
        for number in NUMBERS:
            gateway = self._gateways[number]
            # A process that replaced a killed one may be seconds old. Before it handles signals, SIGTERM would end it
            # without a drain.
            eventually(lambda one=gateway: "answer-gateway starts" in one.log.read_text(), "it has begun")
            gateway.terminate()
            status = gateway.wait_exit(GRACE_PERIOD + 5)
            gateway.check_canaries()
            assert status == 0, f"gateway {number} ended with {status}:\n{gateway.log_tail()}"
            self._current[number].end = "drained"
            self._start(number)
            self._gateways[number].wait_ready()

    @contextmanager
    def move_clock(self, number: int, seconds: int) -> Iterator[None]:
        """Sets the wall clock of one replica wrong until the block ends; its monotonic clock stays right."""
        clock = self._clocks[number]
        clock.move(seconds)
        try:
            yield
        finally:
            clock.move(0)

    def sample_processes(self) -> None:
        """Samples memory and ledger of every running process."""
        for number, process in self._current.items():
            with suppress(OSError, AssertionError, ValueError, StopIteration):
                status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                used = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
                process.memory.append((time.monotonic() - self._began, used))
                process.account = read_ledger(self._gateways[number])

    def stop_all(self) -> None:
        """Stops all replicas as an orchestrator does.

        Keeps the ledger of each after its last client has disconnected, when it has to balance.
        """
        for number, gateway in self._gateways.items():
            eventually(lambda one=gateway: one.metrics().value("answer_gateway_sessions") == 0, "nobody is connected")
            self._current[number].account = read_ledger(gateway)
            gateway.stop()
            self._current[number].end = "ended"

    def _start(self, number: int) -> None:
        self._clocks[number] = MovableClock(self._folder / f"clock-{number}")
        settings = {**self._settings, "PORT": str(self._ports[f"gateway_{number}"])}
        if number == NUMBERS[-1]:
            settings |= self._clocks[number].environment
        log = self._folder / f"gateway-{number}-{len(self.processes)}.log"
        gateway = Gateway(settings, log)
        self._gateways[number] = gateway
        self._current[number] = ReplicaProcess(number, gateway.process.pid)
        self.processes.append(self._current[number])
