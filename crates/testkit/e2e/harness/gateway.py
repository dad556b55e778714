"""Starts the gateway under test as a process and checks it from outside."""

import os
import resource
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from harness import http
from harness.canaries import TEXT_CANARIES
from harness.metrics import Metrics
from harness.polling import WAIT_TIMEOUT, eventually
from harness.stack import REPOSITORY

# Trace lines of the project's crates, so that the canary check covers every line an operator can enable.
LOG_LEVEL = "info," + ",".join(
    f"{crate}=trace"
    for crate in ("answer_gateway", "gateway", "ws_gateway", "kafka_ingest", "session_core", "avro_codec", "telemetry")
)
SHORT_DRAIN_SETTINGS = {
    "GATEWAY__DRAIN__ACCEPT_FOR": "0s",
    "GATEWAY__DRAIN__BUDGET": "1s",
    "GATEWAY__DRAIN__GRACE_PERIOD": "10s",
}
GRACE_PERIOD = 10.0


def gateway_binary() -> Path:
    """Returns the path of the binary under test: AG_GATEWAY_BIN, else the dev build."""
    named = os.environ.get("AG_GATEWAY_BIN")
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    path = Path(named) if named else target / "debug" / "answer-gateway"
    assert path.is_file(), f"{path} is not there; build it, or name it in AG_GATEWAY_BIN"
    return path


def free_port() -> int:
    """Returns a port that is free on every address: clients on other loopback addresses keep theirs for a minute."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return probe.getsockname()[1]


def bare_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment of these settings and the few variables that every process needs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | dict(settings)


def limit_open_files(limits: tuple[int, int] | None) -> None:
    """Sets the soft and the hard limit of open files of this process."""
    if limits:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class Gateway:
    """One `answer-gateway` process."""

    def __init__(
        self,
        settings: Mapping[str, str],
        log: Path,
        command: str = "run",
        secrets: tuple[str, ...] = (),
        open_files: tuple[int, int] | None = None,
    ):
        self.port = free_port()
        self.admin_port = free_port()
        self.settings = {
            "PORT": str(self.port),
            "GATEWAY__ADMIN__PORT": str(self.admin_port),
            "GATEWAY__LIMITS__CONNECTS_PER_SECOND": "0",
            "GATEWAY__LIMITS__CONNECTIONS_PER_ADDRESS": "0",
            "RUST_LOG": LOG_LEVEL,
            **SHORT_DRAIN_SETTINGS,
            **settings,
        }
        self.log = log
        self.secrets = secrets
        self.last_metrics = ""
        self.crashed = False
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                [gateway_binary(), command],
                env=bare_environment(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: limit_open_files(open_files),
            )

    def url(self, session: str) -> str:
        """Returns the WebSocket URL of a session."""
        return f"ws://127.0.0.1:{self.port}/ws/{session}"

    def get(self, path: str, headers: dict[str, str] | None = None) -> http.HttpReply:
        """Sends a GET request to the public port."""
        return http.get(self.port, path, headers)

    def get_admin(self, path: str, headers: dict[str, str] | None = None, timeout: float = 10) -> http.HttpReply:
        """Sends a GET request to the admin port."""
        return http.request(self.admin_port, "GET", path, headers=headers, timeout=timeout)

    def request_admin(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> http.HttpReply:
        """Sends any request to the admin port."""
        return http.request(self.admin_port, method, path, body, headers)

    def metrics(self) -> Metrics:
        """Fetches and parses `/metrics`."""
        reply = self.get_admin("/metrics")
        assert reply.status == 200, reply
        self.last_metrics = reply.body
        return Metrics.parse(reply.body)

    def wait_metric(self, name: str, at_least: float, timeout: float = WAIT_TIMEOUT, **labels: str) -> float:
        """Waits until a metric has reached a value, and returns the value."""
        return eventually(
            lambda: (found := self.metrics().value(name, **labels)) >= at_least and max(found, 1e-9),
            f"{name}{labels} >= {at_least}",
            timeout=timeout,
        )

    def wait_sessions(self, count: int) -> None:
        """Waits until exactly that many sessions are connected."""
        eventually(
            lambda: self.metrics().value("answer_gateway_sessions") == count,
            f"{count} sessions are connected",
        )

    def wait_ready(self) -> "Gateway":
        """Waits until `/readyz` answers 200; fails at once, with the log, when the process has ended."""
        self.wait_readyz(200)
        return self

    def wait_readyz(self, status: int, naming: str = "") -> http.HttpReply:
        """Waits until `/readyz` answers that status with `naming` in its body."""

        def check() -> http.HttpReply:
            if self.process.poll() is not None:
                raise RuntimeError(f"the gateway ended with {self.process.returncode}:\n{self.log_tail()}")
            reply = self.get_admin("/readyz")
            assert reply.status == status, reply
            assert naming in reply.body, reply
            return reply

        return eventually(check, f"/readyz answers {status} naming {naming!r}\n{self.log_tail()}")

    def terminate(self) -> None:
        """Sends SIGTERM and returns at once."""
        self.process.send_signal(signal.SIGTERM)

    def wait_exit(self, seconds: float) -> int:
        """Waits for the end of the process and returns its exit status; fails when it still runs after that time."""
        return self.process.wait(seconds)

    def stop(self) -> None:
        """Stops the process as an orchestrator does, and checks exit status and canaries."""
        if self.crashed:
            self.check_canaries()
            return
        if self.process.poll() is None:
            with suppress(OSError):  # The admin port may not be open yet; the exit status is checked below.
                self.metrics()
            self.terminate()
        try:
            status = self.wait_exit(GRACE_PERIOD + 5)
        except subprocess.TimeoutExpired:
            threads = self.describe_threads()
            self.kill()
            raise AssertionError(f"still there after its grace period\n{threads}\n{self.log_tail()}") from None
        finally:
            self.check_canaries()
        assert status == 0, f"ended with {status}\n{self.log_tail()}"

    def crash(self) -> None:
        """Kills the process as part of the test: `stop` then expects no clean exit."""
        self.kill()
        self.crashed = True

    def kill(self) -> None:
        """Kills the process if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def check_canaries(self) -> None:
        """Fails if a question, an answer, a name or a secret appears in the log or in the metrics."""
        shown = self.log.read_text(errors="replace") + self.last_metrics
        for canary in (*TEXT_CANARIES, *self.secrets):
            place = shown.find(canary)
            assert place < 0, f"{canary!r} has leaked: …{shown[max(0, place - 300) : place + 60]}…"

    def describe_threads(self) -> str:
        """Describes state and wait channel of each thread, as /proc shows them."""
        shown = []
        for thread in sorted(Path(f"/proc/{self.process.pid}/task").iterdir()):
            with suppress(OSError):
                words = [(thread / name).read_text().strip() or "-" for name in ("comm", "wchan")]
                state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
                shown.append(f"thread {thread.name} {words[0]}: state {state}, waits in {words[1]}")
        return "\n".join(shown)

    def log_tail(self, lines: int = 25) -> str:
        """Returns the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
