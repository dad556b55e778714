"""Runs of the fault suite: a cluster of their own, and the suite in the outside tests' Python."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import outside
import tools
from common import E2E, Failure, say, tail_of
from requirements import faketime
from stack import control


@dataclass(frozen=True)
class Length:
    """How long a run is."""

    rounds: int
    # Seconds between two faults.
    gap: float
    # Answers that it goes on for.
    questions: int
    sessions: int
    # Seconds.
    answer_timeout: int


SHORT = Length(rounds=1, gap=0.5, questions=0, sessions=60, answer_timeout=45)
LONG = Length(rounds=6, gap=3.0, questions=100_000, sessions=240, answer_timeout=60)


def faults() -> list[str]:
    """Their names."""
    sys.path.insert(0, str(E2E))
    from chaos.schedule import FAULTS

    return list(FAULTS)


def run_once(binary: Path, stack: Path, folder: Path, seed: int, length: Length, chosen: Sequence[str] = ()) -> int:
    """One run; its exit code is 0 when nothing was lost or misplaced. What is in `folder` afterwards is its report."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    own = folder / "answer-gateway"
    shutil.copy2(binary, own)
    try:
        state = control.up(stack, {}, cluster=True)
        environment = outside.with_binary(own, {**state.environment(), "AG_FAKETIME": str(faketime())})
        words = ["--seed", seed, "--rounds", length.rounds, "--gap", length.gap, "--questions", length.questions]
        words += ["--sessions", length.sessions, "--answer-timeout", length.answer_timeout, "--folder", folder]
        for one in chosen:
            words += ["--fault", one]
        command = [str(word) for word in (tools.e2e_python(), "-m", "chaos", *words)]
        return subprocess.run(command, cwd=E2E, env=_with(environment), check=False).returncode
    except Failure:
        for log in sorted(stack.glob("*.log")):
            say(tail_of(log, 15))
        raise
    finally:
        with contextlib.suppress(Failure):
            control.down(stack)
        own.unlink(missing_ok=True)


def test(binary: Path, stack: Path, folder: Path, seed: int, length: Length) -> None:
    """One run as a test: when it fails, its report is shown."""
    if run_once(binary, stack, folder, seed, length) != 0:
        report = folder / "report.md"
        say(report.read_text() if report.is_file() else tail_of(next(iter(sorted(folder.glob("*.log")))), 40))
        raise Failure(f"something was lost or misplaced; again: scripts/chaos --seed {seed}")


def _with(environment: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **environment}
