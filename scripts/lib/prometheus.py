"""Runs a Prometheus server during a block, and queries it."""

import contextlib
import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import LOOPBACK, Failure, free_port, tail_of

_PATIENCE = 30.0


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    address: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Returns the series of an expression now; raises a `Failure` when it is not valid."""
        return self._get("query", query=expression)["result"]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Returns the series of an expression from `start` to `end`, in seconds since 1970, at every step."""
        return self._get("query_range", query=expression, start=start, end=end, step=step)["result"]

    def rules(self) -> list[dict[str, Any]]:
        """Returns every rule it has loaded."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, path: str, **arguments: str | float) -> dict[str, Any]:
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with LOOPBACK.open(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refusal:
            raise Failure(json.load(refusal).get("error", str(refusal))) from refusal


@contextlib.contextmanager
def running(rules: Path, *scraped: str) -> Iterator[Prometheus]:
    """Runs a server with these rules that scrapes these addresses every second."""
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "answer-gateway", "static_configs": [{"targets": scraped}]}],
    }
    with tempfile.TemporaryDirectory(prefix="answer-gateway-prometheus-") as name:
        folder, address = Path(name), f"127.0.0.1:{free_port()}"
        log, file = folder / "prometheus.log", folder / "prometheus.yml"
        # JSON is YAML.
        file.write_text(json.dumps(configuration))
        options = (f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}", "--log.level=warn")
        command = ["prometheus", *options, f"--web.listen-address={address}"]
        with log.open("wb") as out, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out) as one:
            try:
                await_true(lambda: _is_ready(address, one), lambda: f"Prometheus does not become ready\n{tail_of(log)}")
                yield Prometheus(address)
            finally:
                one.terminate()
                try:
                    one.wait(10)
                except subprocess.TimeoutExpired:
                    one.kill()


def _is_ready(address: str, process: subprocess.Popen) -> bool:
    if process.poll() is not None:
        raise Failure("Prometheus has ended; is another version installed than Debian's?")
    with contextlib.suppress(OSError), LOOPBACK.open(f"http://{address}/-/ready", timeout=5):
        return True
    return False


def await_true(condition: Callable[[], bool], problem: Callable[[], str]) -> None:
    """Waits until the condition holds; raises a `Failure` with the problem when it does not in time."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"{problem()} within {_PATIENCE:.0f} s")
        time.sleep(0.1)
