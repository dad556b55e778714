"""Moves the wall clock of a running process with libfaketime; its monotonic clock is unaffected."""

import os
from collections.abc import Mapping
from pathlib import Path


class MovableClock:
    """Holds the environment that a process is started with, and the file that moves its wall clock."""

    def __init__(self, file: Path):
        self._file = file
        self.move(0)

    def move(self, seconds: int) -> None:
        """Sets the wall clock wrong by so many seconds from now on; 0 sets it right again."""
        self._file.write_text(f"{seconds:+d}")

    @property
    def environment(self) -> Mapping[str, str]:
        """Returns the environment variables for the process."""
        return {
            "LD_PRELOAD": os.environ["AG_FAKETIME"],
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
