"""Alert rules and dashboards on a real Prometheus that scrapes a real process under load."""

import re
import subprocess
from contextlib import closing

import pytest

from harness.answerer_tracing import ANSWERER_SERVICE_NAME, AnswererTracing
from harness.collector import Collector
from harness.load_clients import LoadClients
from harness.polling import eventually
from harness.resuming_clients import ResumingClients
from harness.stack import REPOSITORY

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


def run_observe(*arguments):
    """Runs `scripts/observe` on a running process and returns its output."""
    command = [REPOSITORY / "scripts" / "observe", *arguments]
    watched = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert watched.returncode == 0, watched.stdout + watched.stderr
    return watched.stderr


def test_every_query_has_an_answer_where_its_metrics_are_recorded(start_gateway, topics, start_answerer):
    gateway = start_gateway(topics, RUST_LOG="info").wait_ready()
    start_answerer()
    with (
        LoadClients([gateway], sessions=20, pause=0.05).running() as clients,
        ResumingClients([gateway.port], sessions=20, pause=0.05).running(),
    ):
        clients.wait_all_sessions("answered")
        seen = run_observe("--live", f"127.0.0.1:{gateway.admin_port}")
    assert "alerts that fire: none" in seen, seen


def test_the_dashboard_of_traces_shows_what_the_collector_makes_of_spans(
    start_gateway, topics, start_answerer, tmp_path
):
    with Collector(tmp_path).running() as collector:
        gateway = start_gateway(topics, **collector.exporter_settings("grpc")).wait_ready()
        tracing = AnswererTracing(collector.http)
        start_answerer(headers_of=tracing.trace_question)
        with closing(tracing), LoadClients([gateway], sessions=20, pause=0.05).running() as clients:
            clients.wait_all_sessions("answered")
            for edge in (
                f'client="answer-gateway",.*server="{ANSWERER_SERVICE_NAME}"',
                f'client="{ANSWERER_SERVICE_NAME}",.*server="answer-gateway"',
            ):
                eventually(lambda edge=edge: re.search(edge, collector.span_metrics()), f"{edge} is counted")
            seen = run_observe(
                "--live", f"127.0.0.1:{gateway.admin_port}", "--spans", f"127.0.0.1:{collector.prometheus}"
            )
    empty = [line for line in seen.splitlines() if line.strip().startswith("tracing.json")]
    # Queries for failed spans are empty: no span failed.
    assert empty, "the list of what is empty has another form"
    assert not [line for line in empty if "STATUS_CODE_ERROR" not in line], seen
