"""Shared by the chart's tests: calls of Helm, and the objects it renders."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
CHART = HERE.parent / "answer-gateway"
REPOSITORY = HERE.parents[2]
VALUES = sorted((HERE / "values").glob("*.yaml"))
MINIMAL = HERE / "values" / "minimal.yaml"
EVERYTHING = HERE / "values" / "everything.yaml"
SECURED = HERE / "values" / "secured.yaml"


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Calls Helm."""
    command = [os.environ["AG_HELM"], *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def template(*arguments: str | Path, chart: Path = CHART) -> subprocess.CompletedProcess[str]:
    """Calls `helm template` for a release `chat` in the namespace `apps`."""
    return helm("template", "chat", chart, "--namespace", "apps", "--kube-version", "1.33.0", *arguments)


def rendered(*arguments: str | Path) -> str:
    """Returns the rendered text; fails with Helm's message when there is none."""
    done = template(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(text: str) -> list[dict[str, Any]]:
    """Parses the objects of a rendered text."""
    return [one for one in yaml.safe_load_all(text) if one]


def of_kind(text: str, kind: str) -> dict[str, Any]:
    """Returns the only object of a kind."""
    found = [one for one in objects(text) if one["kind"] == kind]
    assert len(found) == 1, f"{len(found)} of {kind}"
    return found[0]


@pytest.fixture(params=VALUES, ids=lambda path: path.stem)
def values(request: pytest.FixtureRequest) -> Path:
    """Runs a test with each set of values."""
    return request.param
