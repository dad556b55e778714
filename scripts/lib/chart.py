"""The Helm chart's tests, run by the outside tests' Python with Helm and the custom resources' definitions."""

from collections.abc import Sequence
from pathlib import Path

import outside
import tools
from common import REPOSITORY

_HELM = REPOSITORY / "deploy" / "helm"


def run_tests(binary: Path, arguments: Sequence[str] = (), *, update: bool = False) -> None:
    """Runs the tests; `update` writes the golden files from what is rendered now."""
    environment = {"AG_HELM": str(tools.helm()), "AG_CRDS": str(tools.crds())}
    if update:
        environment["AG_UPDATE"] = "1"
    outside.pytest_in(_HELM / "tests", arguments, outside.with_binary(binary, environment), 600)
