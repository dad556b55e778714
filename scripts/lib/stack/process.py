"""Starts processes that outlive the script; recognises and stops them by recorded identity, never by name."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from common import Failure

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def spawn(command: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path) -> str:
    """Starts a process in a session of its own, writing to `log`, and returns its identity."""
    with log.open("ab") as out:
        try:
            child = subprocess.Popen(
                command, cwd=cwd, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError as missing:
            raise Failure(f"`{command[0]}` is not installed; run scripts/setup --for stack") from missing
    return identity_of(child.pid) or f"{child.pid}:gone"


def identity_of(pid: int) -> str | None:
    """Returns pid, start time and boot, which no other process with that pid shares; None if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may contain anything; state is field 3 of stat, the start time field 22.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{pid}:{fields[19]}:{_BOOT.read_text().strip()}"


def pid_of(identity: str) -> int:
    """Returns the pid inside an identity."""
    return int(identity.partition(":")[0])


def is_alive(identity: str | None) -> bool:
    """Whether exactly that process still runs."""
    return identity is not None and identity_of(pid_of(identity)) == identity


def send(identity: str, sent: signal.Signals) -> None:
    """Sends a signal to that process."""
    os.kill(pid_of(identity), sent)


def stop(identity: str, patience: float, first: signal.Signals = signal.SIGTERM) -> None:
    """Sends `first`, after `patience` seconds SIGKILL, and returns when the process has ended."""
    if not is_alive(identity):
        return
    # A frozen process would not react.
    for sent, seconds in ((signal.SIGCONT, 0), (first, patience), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            send(identity, sent)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid_of(identity), os.WNOHANG)
            if not is_alive(identity):
                return
            time.sleep(0.05)
    raise Failure(f"process {pid_of(identity)} does not end; look at it with: ps -fp {pid_of(identity)}")
