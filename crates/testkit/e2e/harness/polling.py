"""Waits for a condition by polling it until a deadline. Tests never sleep for a fixed time."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Seconds within which a condition has to hold. Raise AG_TEST_PATIENCE on slow machines.
WAIT_TIMEOUT = float(os.environ.get("AG_TEST_PATIENCE", "30"))


def eventually(check: Callable[[], T], description: str, timeout: float = WAIT_TIMEOUT) -> T:
    """Polls `check` until it returns something true, and returns that.

    An AssertionError or OSError inside `check` means "not yet"; the last one is shown when the time is over.
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
