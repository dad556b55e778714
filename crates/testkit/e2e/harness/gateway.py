"""The process under test, started and judged from outside."""

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

# Debug lines of our own crates, so that the canary check sees what an operator could switch on.
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
    """The binary under test: AG_GATEWAY_BIN, else the dev build."""
    named = os.environ.get("AG_GATEWAY_BIN")
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    path = Path(named) if named else target / "debug" / "answer-gateway"
    assert path.is_file(), f"{path} is not there; build it, or name it in AG_GATEWAY_BIN"
    return path


def free_port() -> int:
    """A port that nobody holds on any address: clients on other loopback addresses keep theirs for a minute."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return probe.getsockname()[1]


def bare_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Those settings and nothing of the caller's but what any process needs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | dict(settings)


def limit_open_files(limits: tuple[int, int] | None) -> None:
    """Gives this process a soft and a hard limit of open files."""
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
        """Where that session connects."""
        return f"ws://127.0.0.1:{self.port}/ws/{session}"

    def get(self, path: str, headers: dict[str, str] | None = None) -> http.HttpReply:
        """GET on the public port."""
        return http.get(self.port, path, headers)

    def get_admin(self, path: str, headers: dict[str, str] | None = None, timeout: float = 10) -> http.HttpReply:
        """GET on the admin port."""
        return http.request(self.admin_port, "GET", path, headers=headers, timeout=timeout)

    def request_admin(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> http.HttpReply:
        """A change by the admin port."""
        return http.request(self.admin_port, method, path, body, headers)

    def metrics(self) -> Metrics:
        """What `/metrics` says now."""
        reply = self.get_admin("/metrics")
        assert reply.status == 200, reply
        self.last_metrics = reply.body
        return Metrics.parse(reply.body)

    def wait_metric(self, name: str, at_least: float, timeout: float = WAIT_TIMEOUT, **labels: str) -> float:
        """Waits until a metric has reached a value."""
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
        """Waits for `/readyz` to answer 200; fails at once, with its log, when the process has ended."""
        self.wait_readyz(200)
        return self

    def wait_readyz(self, status: int, naming: str = "") -> http.HttpReply:
        """Waits for `/readyz` to answer that status with `naming` in its body."""

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
        """The exit status; fails when the process is still there after that time."""
        return self.process.wait(seconds)

    def stop(self) -> None:
        """Ends the process the way an orchestrator does, and checks that it ended well and kept its secrets."""
        if self.crashed:
            self.check_canaries()
            return
        if self.process.poll() is None:
            with suppress(OSError):  # It may have no admin port yet; its end is judged below.
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
        """Kills the process, as part of the test."""
        self.kill()
        self.crashed = True

    def kill(self) -> None:
        """Ends the process without asking."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def check_canaries(self) -> None:
        """No question, answer, name or secret may stand in the log or in the metrics."""
        shown = self.log.read_text(errors="replace") + self.last_metrics
        for canary in (*TEXT_CANARIES, *self.secrets):
            place = shown.find(canary)
            assert place < 0, f"{canary!r} has leaked: …{shown[max(0, place - 300) : place + 60]}…"

    def describe_threads(self) -> str:
        """What each of its threads does at the moment, as the kernel has it."""
        shown = []
        for thread in sorted(Path(f"/proc/{self.process.pid}/task").iterdir()):
            with suppress(OSError):
                words = [(thread / name).read_text().strip() or "-" for name in ("comm", "wchan")]
                state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
                shown.append(f"thread {thread.name} {words[0]}: state {state}, waits in {words[1]}")
        return "\n".join(shown)

    def log_tail(self, lines: int = 25) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
