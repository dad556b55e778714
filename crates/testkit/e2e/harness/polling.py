"""Waiting for something to become true: polled, with a deadline, never a bare sleep."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# How long a thing that should happen may take, in seconds. Slow machines raise it.
WAIT_TIMEOUT = float(os.environ.get("AG_TEST_PATIENCE", "30"))


def eventually(check: Callable[[], T], description: str, timeout: float = WAIT_TIMEOUT) -> T:
    """Polls `check` until it returns something true, and returns that.

    An AssertionError or OSError inside `check` means "not yet"; the last one is shown when time runs out.
    """
    deadline = time.monotonic() + timeout
    pause = 0.01
    last: object = None
    while True:
        try:
            last = check()
            if last:
                return last
        except (AssertionError, OSError) as problem:
            last = problem
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {description}; last seen: {last!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
