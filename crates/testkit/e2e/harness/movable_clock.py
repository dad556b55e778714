"""A wall clock that can be moved while a process runs; its monotonic clock goes on as ever."""

import os
from collections.abc import Mapping
from pathlib import Path


class MovableClock:
    """What a process is started with, and the file that moves its clock."""

    def __init__(self, file: Path):
        self._file = file
        self.move(0)

    def move(self, seconds: int) -> None:
        """Lets the clock be wrong by that much from now on; 0: right again."""
        self._file.write_text(f"{seconds:+d}")

    @property
    def environment(self) -> Mapping[str, str]:
        """For the process."""
        return {
            "LD_PRELOAD": os.environ["AG_FAKETIME"],
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
