"""The Helm chart's tests, run by the outside tests' Python with Helm and the custom resources' definitions."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import outside
import tools
from common import REPOSITORY

_HELM = REPOSITORY / "deploy" / "helm"
_FILES = _HELM / "answer-gateway" / "files"


def run_tests(binary: Path, arguments: Sequence[str] = (), *, update: bool = False) -> None:
    """Runs them; `update` takes what is rendered for right, and copies rules and dashboards anew first."""
    if update:
        _copy()
    environment = {"AG_HELM": str(tools.helm()), "AG_CRDS": str(tools.crds())}
    if update:
        environment["AG_UPDATE"] = "1"
    outside.pytest_in(_HELM / "tests", arguments, outside.with_binary(binary, environment), 600)


def _copy() -> None:
    shutil.copy(REPOSITORY / "deploy" / "alerts" / "answer-gateway.yaml", _FILES / "alerts.yaml")
    for dashboard in sorted((REPOSITORY / "deploy" / "dashboards").glob("*.json")):
        shutil.copy(dashboard, _FILES / "dashboards")
