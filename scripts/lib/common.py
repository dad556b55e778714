"""What every script shares: where things are, how to speak, how to fail."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

if sys.version_info < (3, 11):  # noqa: UP036 -- this is where an older Python is told
    sys.exit("these scripts need Python 3.11 or newer: on Debian 12 or later, apt-get install python3")

import tomllib

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "scripts"
E2E = REPOSITORY / "crates" / "testkit" / "e2e"

# Whatever proxy the shell names: what is asked through this is on loopback.
LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_SETUP = 3


class Failure(Exception):
    """Something a person has to look at: what is wrong, and in the next sentence what to do about it."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class CommandFailed(Failure):
    """A command ran to its end and says that it failed, with that code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def say(message: str) -> None:
    """Progress, for people: on standard error, so that output can be evaluated or piped."""
    print(message, file=sys.stderr, flush=True)


def main_of(main: Callable[[Sequence[str]], int]) -> NoReturn:
    """Runs a script's `main` and turns what went wrong into one clear line and an exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = main(sys.argv[1:])
    except Failure as failure:
        say(f"{Path(sys.argv[0]).name}: {failure}")
        code = failure.exit_code
    except KeyboardInterrupt:
        say(f"{Path(sys.argv[0]).name}: interrupted; it can be started again at any time")
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILED
    sys.exit(code)


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path = REPOSITORY,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    hint: str = "",
    limit: float | None = None,
) -> None:
    """Runs a command to its end; a failure names it, shows the end of its log if it has one, and gives the hint.

    Whatever ends this call early, an interrupt or the limit in seconds, ends the command's whole process group too.
    """
    words = [str(word) for word in command]
    with contextlib.ExitStack() as files:
        out = files.enter_context(log.open("ab")) if log else None
        try:
            child = subprocess.Popen(
                words, cwd=cwd, env={**os.environ, **(env or {})}, process_group=0,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip
        except FileNotFoundError as missing:
            raise Failure(f"`{words[0]}` is not there; run scripts/setup", EXIT_SETUP) from missing
        try:
            code = child.wait(limit)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"`{_short(words)}` was stopped: it took more than {limit:.0f} s") from late
        finally:
            _end_group(child)
    if code != 0:
        tail = f"\n{tail_of(log)}" if log else ""
        raise CommandFailed(f"`{_short(words)}` failed with exit code {code}. {hint}".rstrip() + tail, code)


def _short(words: Sequence[str]) -> str:
    text = shlex.join(words)
    return text if len(text) < 160 else f"{text[:150]} …"


def _end_group(leader: subprocess.Popen) -> None:
    """Ends what is left of a command's process group: nothing after a normal end."""
    for what, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        try:
            os.killpg(leader.pid, what if leader.poll() is None else signal.SIGKILL)
            leader.wait(patience)
        except (ProcessLookupError, PermissionError):
            return
        except subprocess.TimeoutExpired:
            continue


def output_of(
    command: Sequence[str | Path], *, cwd: Path = REPOSITORY, env: Mapping[str, str] | None = None
) -> str | None:
    """What a command prints on standard output, or None when it is not there or fails."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    except (FileNotFoundError, PermissionError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def free_port() -> int:
    """A TCP port of loopback on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def toml(file: Path) -> dict[str, Any]:
    """What a TOML file says."""
    return tomllib.loads(file.read_text())


def tail_of(log: Path, lines: int = 25) -> str:
    """The end of a log, headed by its name."""
    try:
        text = log.read_text(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        text = ["(not written)"]
    return "\n".join([f"--- the end of {log}", *text, "---"])
