"""Alert rules and dashboards on a real Prometheus that scrapes a real process under load."""

import subprocess

import pytest

from harness.crowd import Crowd
from harness.stack import REPOSITORY
from harness.wanderers import Wanderers

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


def test_every_query_has_an_answer_where_its_metrics_are_recorded(start_gateway, topics, start_answerer):
    gateway = start_gateway(topics, RUST_LOG="info").wait_ready()
    start_answerer()
    with (
        Crowd([gateway], sessions=20, pause=0.05).running() as crowd,
        Wanderers([gateway.port], sessions=20, pause=0.05).running(),
    ):
        crowd.wait_all("answered")
        command = [REPOSITORY / "scripts" / "observe", "--live", f"127.0.0.1:{gateway.admin_port}"]
        watched = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert "alerts that fire: none" in watched.stderr, watched.stderr
