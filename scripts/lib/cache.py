"""Installs tools once per version under the user's cache folder, for every checkout; several runs at once are safe."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from common import Failure, say

_COMPLETE = ".complete"


def root() -> Path:
    """Returns the folder of everything downloaded or built: `$XDG_CACHE_HOME/answer-gateway`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "answer-gateway"


def is_installed(name: str) -> bool:
    """Whether that tool, version included, was installed completely."""
    return (root() / name / _COMPLETE).exists()


def install(name: str, build: Callable[[Path], None], expected: str = "") -> Path:
    """Returns the folder of a tool, built first if it is missing or its last installation was interrupted.

    `name` includes the version.
    """
    folder = root() / name
    if is_installed(name):
        return folder
    with locked(root() / "locks" / f"{name}.lock", f"another run that installs {name}"):
        if is_installed(name):
            return folder
        started = time.monotonic()
        say(f"  installing {name}{f' ({expected})' if expected else ''} into {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        build(folder)
        (folder / _COMPLETE).touch()
        say(f"  installed {name} in {time.monotonic() - started:.0f} s")
    return folder


@contextlib.contextmanager
def locked(path: Path, holder: str, patience: float = 1200) -> Iterator[None]:
    """Holds a lock file while the block runs; the kernel releases it however the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    is_reported = False
    with path.open("w") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Failure(f"waited {patience:.0f} s for {holder} (lock {path}); look at that run") from None
                if not is_reported:
                    say(f"  waiting for {holder}")
                    is_reported = True
                time.sleep(0.2)
        yield
