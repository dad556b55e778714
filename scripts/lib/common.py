"""Shared by every script: paths, messages, failures with an exit code, and running of commands."""

import argparse
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

if sys.version_info < (3, 11):  # noqa: UP036 -- an older Python ends here with a message
    sys.exit("these scripts need Python 3.11 or newer: on Debian 12 or later, apt-get install python3")

import tomllib

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = REPOSITORY / "scripts"
E2E = REPOSITORY / "crates" / "testkit" / "e2e"

# Opens URLs on loopback without the proxy that the environment may name.
LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))

EXIT_FAILED = 1
EXIT_SETUP = 3


class Failure(Exception):
    """An error for a person: what is wrong, and in the next sentence what to do about it."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class CommandFailed(Failure):
    """A command ended with the exit code `code`, which is not 0."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def say(message: str) -> None:
    """Prints a progress message on standard error, so that output can be evaluated or piped."""
    print(message, file=sys.stderr, flush=True)


def fail_with(problems: Sequence[str], headline: str = "{} problems") -> None:
    """Raises a `Failure` that lists the problems, if there are any."""
    if problems:
        raise Failure("\n".join([headline.format(len(problems)), *problems]))


def parser(description: str | None, examples: str, **options: Any) -> argparse.ArgumentParser:
    """Creates the argument parser of a script, with examples at the end of its help."""
    return argparse.ArgumentParser(
        prog=f"scripts/{Path(sys.argv[0]).name}",
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **options,
    )


def main_of(main: Callable[[Sequence[str]], int]) -> NoReturn:
    """Runs a script's `main` and turns failures and interrupts into one message and an exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    name = Path(sys.argv[0]).name
    try:
        code = main(sys.argv[1:])
    except Failure as failure:
        say(f"{name}: {failure}")
        code = failure.exit_code
    except KeyboardInterrupt:
        say(f"{name}: interrupted; it can be started again at any time")
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

    An interrupt, or a run longer than `limit` seconds, ends the command's whole process group.
    """
    words = [str(word) for word in command]
    shown = shlex.join(words)
    shown = shown if len(shown) < 160 else f"{shown[:150]} …"
    with contextlib.ExitStack() as files:
        out = files.enter_context(log.open("ab")) if log else None
        try:
            child = subprocess.Popen(
                words, cwd=cwd, env={**os.environ, **(env or {})}, process_group=0,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip
        except FileNotFoundError as missing:
            raise Failure(f"`{words[0]}` is not installed; run scripts/setup", EXIT_SETUP) from missing
        try:
            code = child.wait(limit)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"`{shown}` was stopped after {limit:.0f} s") from late
        finally:
            _end_process_group(child)
    if code != 0:
        tail = f"\n{tail_of(log)}" if log else ""
        raise CommandFailed(f"`{shown}` failed with exit code {code}. {hint}".rstrip() + tail, code)


def _end_process_group(leader: subprocess.Popen) -> None:
    """Ends the processes of a command's group that are left; after a normal end there are none."""
    for signal_sent, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        try:
            os.killpg(leader.pid, signal_sent if leader.poll() is None else signal.SIGKILL)
            leader.wait(patience)
        except (ProcessLookupError, PermissionError):
            return
        except subprocess.TimeoutExpired:
            continue


def output_of(
    command: Sequence[str | Path], *, cwd: Path = REPOSITORY, env: Mapping[str, str] | None = None
) -> str | None:
    """Returns the standard output of a command, or None when it is not installed or fails."""
    words, variables = [str(word) for word in command], {**os.environ, **(env or {})}
    try:
        done = subprocess.run(
            words, cwd=cwd, env=variables, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    except (FileNotFoundError, PermissionError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def free_port() -> int:
    """Returns a TCP port of loopback on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def toml(file: Path) -> dict[str, Any]:
    """Reads a TOML file."""
    return tomllib.loads(file.read_text())


def tail_of(log: Path, lines: int = 25) -> str:
    """Returns the last lines of a log, headed by its name."""
    text = log.read_text(errors="replace").splitlines()[-lines:] if log.is_file() else ["(not written)"]
    return "\n".join([f"--- the end of {log}", *text, "---"])
