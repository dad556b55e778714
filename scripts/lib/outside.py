"""The outside tests: real processes on the real stack, driven by clients nobody here wrote."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import requirements
import tools
from common import E2E, REPOSITORY, Failure, run, say, tail_of
from stack import control
from stack.state import State

# Seconds that whoever keeps a gateway busy may take to end.
_TO_END = 90


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


@contextlib.contextmanager
def temporary_stack() -> Iterator[Mapping[str, str]]:
    """A stack of its own in a folder that is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="answer-gateway-stack-") as folder,
        fresh_stack(Path(folder) / "stack") as env,
    ):
        yield env


@contextlib.contextmanager
def busy_gateway(binary: Path, env: Mapping[str, str], seconds: float) -> Iterator[Mapping[str, str]]:
    """A gateway that clients keep busy for so long: where its metrics are (`live`) and those of its spans (`spans`)."""
    command = [str(tools.e2e_python()), "-m", "measure", "busy", "--seconds", str(seconds)]
    variables = {**os.environ, **environment(binary, env)}
    # In a session of its own, so that an interrupt of this one reaches it once: it has to end what it has started.
    with subprocess.Popen(
        command, cwd=E2E, env=variables, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            line = running.stdout.readline()
            if not line:
                raise Failure("the gateway that was to be looked at did not come up")
            yield json.loads(line)
            running.send_signal(signal.SIGINT)
            if running.wait(_TO_END) != 0:
                raise Failure("something went wrong with the gateway that was looked at, or with who kept it busy")
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)


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
    pytest_in(tree / "crates" / "testkit" / "e2e", arguments, environment(binary, env), limit)


def pytest_in(folder: Path, arguments: Sequence[str], env: Mapping[str, str], limit: float | None) -> None:
    """Runs a folder's tests by the outside tests' Python."""
    command = [tools.e2e_python(), "-m", "pytest", "-p", "no:cacheprovider", "--quiet", *arguments]
    run(command, cwd=folder, env=env, limit=limit)


def with_binary(binary: Path, env: Mapping[str, str]) -> Mapping[str, str]:
    """The variables, and what is tested."""
    return {**env, "AG_GATEWAY_BIN": str(binary), "PYTHONDONTWRITEBYTECODE": "1"}


def environment(binary: Path, env: Mapping[str, str]) -> Mapping[str, str]:
    """What the outside tests are to know: the binary, the stack, and the programs that they start."""
    return {
        **with_binary(binary, env),
        "AG_FAKETIME": str(requirements.faketime()),
        "AG_COLLECTOR": str(tools.collector()),
        # Everything is on loopback.
        "NO_PROXY": "127.0.0.1,localhost",
    }
