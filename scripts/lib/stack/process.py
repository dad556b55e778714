"""Processes that outlive the script: started, recognised and stopped by recorded identity, never by name."""

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
                command,
                cwd=cwd,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        except FileNotFoundError as missing:
            raise Failure(f"`{command[0]}` is not there; run scripts/setup --for stack") from missing
    return identity_of(child.pid) or f"{child.pid}:gone"


def identity_of(pid: int) -> str | None:
    """Pid, start time and boot: another process that is given the same pid later has another identity."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may itself hold anything; state is field 3 of stat, the start time field 22.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    return f"{pid}:{fields[19]}:{_BOOT.read_text().strip()}"


def pid_of(identity: str) -> int:
    """The pid inside an identity."""
    return int(identity.partition(":")[0])


def is_alive(identity: str | None) -> bool:
    """Whether exactly that process still runs."""
    return identity is not None and identity_of(pid_of(identity)) == identity


def send(identity: str, what: signal.Signals) -> None:
    """Sends a signal to that process."""
    os.kill(pid_of(identity), what)


def stop(identity: str, patience: float, first: signal.Signals = signal.SIGTERM) -> None:
    """Ends that process and returns when it is gone; after `patience` seconds without mercy."""
    if not is_alive(identity):
        return
    pid = pid_of(identity)
    # One that is frozen would not hear of it.
    with contextlib.suppress(ProcessLookupError):
        send(identity, signal.SIGCONT)
    for what, seconds in ((first, patience), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if not is_alive(identity):
                return
            time.sleep(0.05)
    raise Failure(f"process {pid} does not end; look at it with: ps -fp {pid}")
