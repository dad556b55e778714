"""Runs the end-to-end tests: real processes on the real stack, driven by third-party clients."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import requirements
import tools
from common import E2E, REPOSITORY, Failure, run, say, tail_of
from stack import control
from stack.state import State


@contextlib.contextmanager
def fresh_stack(folder: Path) -> Iterator[Mapping[str, str]]:
    """Runs a new stack during the block and yields its environment variables; a failure prints its logs."""
    try:
        state = control.up(folder, {})
        try:
            yield state.environment()
        except Failure:
            for log in sorted(folder.glob("*.log")):
                say(tail_of(log, 15))
            raise
    finally:
        control.down(folder)


def running_stack() -> Mapping[str, str]:
    """Returns the environment variables of the stack that `scripts/stack up` started; it keeps running."""
    folder = Path(os.environ.get("AG_STACK_DIR") or REPOSITORY / ".stack")
    state = State.load(folder)
    if state is None:
        raise Failure(f"no stack in {folder}; start one with: scripts/stack up")
    control.start(state, control.NAMES)
    return state.environment()


def pytest(
    binary: Path,
    arguments: Sequence[str],
    env: Mapping[str, str],
    *,
    tree: Path = REPOSITORY,
    limit: float | None = None,
) -> None:
    """Runs end-to-end tests of a tree against a binary."""
    command = [tools.e2e_python(), "-m", "pytest", "-p", "no:cacheprovider", "--quiet", *arguments]
    run(command, cwd=tree / E2E.relative_to(REPOSITORY), env=environment(binary, env), limit=limit)


def with_binary(binary: Path, env: Mapping[str, str]) -> Mapping[str, str]:
    """Returns the variables and that of the binary under test."""
    return {**env, "AG_GATEWAY_BIN": str(binary), "PYTHONDONTWRITEBYTECODE": "1"}


def environment(binary: Path, env: Mapping[str, str]) -> Mapping[str, str]:
    """Returns the variables that the end-to-end tests read: the binary, the stack, and the programs they start."""
    return {
        **with_binary(binary, env),
        "AG_FAKETIME": str(requirements.faketime()),
        "AG_COLLECTOR": str(tools.collector()),
        # Everything is on loopback.
        "NO_PROXY": "127.0.0.1,localhost",
    }
