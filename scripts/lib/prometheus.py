"""A Prometheus of one's own for as long as a block runs, and what it answers."""

import contextlib
import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common import LOOPBACK, Failure, free_port, tail_of

_READY_WITHIN = 30.0
_STEP = 0.1


@dataclass(frozen=True)
class Prometheus:
    """A running one, by its address."""

    address: str

    def query(self, expression: str) -> list[dict[str, object]]:
        """The series an expression gives now; a `Failure` when it is none."""
        return self._get("query", {"query": expression})["result"]

    def over(self, expression: str, start: float, end: float, step: float) -> list[dict[str, object]]:
        """The series an expression gave in that time, in seconds since 1970, at every step."""
        return self._get("query_range", {"query": expression, "start": start, "end": end, "step": step})["result"]

    def rules(self) -> list[dict[str, object]]:
        """Every rule it has loaded."""
        return [rule for group in self._get("rules", {})["groups"] for rule in group["rules"]]

    def _get(self, what: str, arguments: dict[str, object]) -> dict[str, object]:
        url = f"http://{self.address}/api/v1/{what}?{urllib.parse.urlencode(arguments)}"
        try:
            with LOOPBACK.open(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refused:
            raise Failure(json.load(refused).get("error", str(refused))) from refused


@contextlib.contextmanager
def running(rules: Path, *scraped: str) -> Iterator[Prometheus]:
    """One with these rules; it scrapes these addresses every second."""
    with tempfile.TemporaryDirectory(prefix="answer-gateway-prometheus-") as name:
        folder, address = Path(name), f"127.0.0.1:{free_port()}"
        (folder / "prometheus.yml").write_text(_configuration(rules, scraped))
        log = folder / "prometheus.log"
        command = [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--log.level=warn",
        ]
        with (
            log.open("wb") as out,
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out) as child,
        ):
            try:
                _await(address, child, log)
                yield Prometheus(address)
            finally:
                child.terminate()
                try:
                    child.wait(10)
                except subprocess.TimeoutExpired:
                    child.kill()


def _await(address: str, child: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline and child.poll() is None:
        with contextlib.suppress(OSError), LOOPBACK.open(f"http://{address}/-/ready", timeout=5):
            return
        time.sleep(_STEP)
    raise Failure(f"Prometheus is not ready after {_READY_WITHIN:.0f} s, or has ended\n{tail_of(log)}")


def _configuration(rules: Path, scraped: tuple[str, ...]) -> str:
    # JSON is YAML.
    return json.dumps(
        {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "answer-gateway", "static_configs": [{"targets": scraped}]}],
        }
    )
