"""The outside tests: real processes on the real stack, driven by clients nobody here wrote."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import requirements
import tools
from common import REPOSITORY, Failure, run, say, tail_of
from stack import control
from stack.state import State


@contextlib.contextmanager
def fresh_stack(folder: Path) -> Iterator[Mapping[str, str]]:
    """A stack of its own for as long as the block runs: the variables that lead to it. A failure shows its logs."""
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
    """The variables that lead to the stack of this shell or this repository, which stays as it is."""
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
    """Runs outside tests of a tree against a binary; its own closing line stays the last thing seen."""
    environment = {
        **env,
        "AG_FAKETIME": str(requirements.faketime()),
        "AG_COLLECTOR": str(tools.collector()),
    }
    pytest_in(tree / "crates" / "testkit" / "e2e", binary, arguments, environment, limit)


def pytest_in(
    folder: Path, binary: Path, arguments: Sequence[str], env: Mapping[str, str], limit: float | None
) -> None:
    """Runs a folder's tests by the outside tests' Python, against a binary."""
    command = [tools.e2e_python(), "-m", "pytest", "-p", "no:cacheprovider", "--quiet", *arguments]
    environment = {**env, "AG_GATEWAY_BIN": str(binary), "PYTHONDONTWRITEBYTECODE": "1"}
    run(command, cwd=folder, env=environment, limit=limit)
