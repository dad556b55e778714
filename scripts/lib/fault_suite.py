"""Runs the fault suite on a cluster of its own."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import end_to_end
import tools
from common import E2E, Failure, say, tail_of
from requirements import faketime
from stack import control


@dataclass(frozen=True)
class Length:
    """The length of a run: how often each fault occurs, and how many answers it lasts for."""

    rounds: int
    gap_seconds: float
    questions: int
    sessions: int
    answer_timeout_seconds: int


SHORT = Length(rounds=1, gap_seconds=0.5, questions=0, sessions=60, answer_timeout_seconds=45)
LONG = Length(rounds=6, gap_seconds=3.0, questions=100_000, sessions=240, answer_timeout_seconds=60)


def faults() -> list[str]:
    """Returns the names of the faults."""
    sys.path.insert(0, str(E2E))
    from chaos.schedule import FAULTS

    return list(FAULTS)


def run_once(binary: Path, stack: Path, folder: Path, seed: int, length: Length, chosen: Sequence[str] = ()) -> int:
    """Runs the suite once, with its report in `folder`; the exit code is that of the suite, see docs/chaos.md."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tested = folder / "answer-gateway"
    shutil.copy2(binary, tested)
    sizes = (
        f"--rounds={length.rounds} --gap={length.gap_seconds} --questions={length.questions}"
        f" --sessions={length.sessions} --answer-timeout={length.answer_timeout_seconds}"
    )
    words = [*sizes.split(), f"--seed={seed}", f"--folder={folder}", *(f"--fault={one}" for one in chosen)]
    try:
        state = control.up(stack, {}, cluster=True)
        variables = end_to_end.with_binary(tested, {**state.environment(), "AG_FAKETIME": str(faketime())})
        command = [tools.e2e_python(), "-m", "chaos", *words]
        return subprocess.run(command, cwd=E2E, env={**os.environ, **variables}, check=False).returncode
    except Failure:
        for log in sorted(stack.glob("*.log")):
            say(tail_of(log, 15))
        raise
    finally:
        with contextlib.suppress(Failure):
            control.down(stack)
        tested.unlink(missing_ok=True)


def test(binary: Path, stack: Path, folder: Path, seed: int, length: Length) -> None:
    """Runs the suite once as a test: a failure prints the report."""
    if code := run_once(binary, stack, folder, seed, length):
        report = folder / "report.md"
        say(report.read_text() if report.is_file() else tail_of(next(iter(sorted(folder.glob("*.log")))), 40))
        raise Failure(f"exit code {code} (1: loss or mix-up, 2: the suite failed); again: scripts/chaos --seed {seed}")
