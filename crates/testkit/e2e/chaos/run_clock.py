"""The clock of a run, shared by every part of it so that their times can be compared."""

import time
from datetime import UTC, datetime


class RunClock:
    """Counts seconds since the run began on the monotonic clock, and converts them to UTC for the gateways' logs."""

    def __init__(self):
        self._began = time.monotonic()
        self.began_at = time.time()

    def elapsed(self) -> float:
        """Returns the seconds since the run began."""
        return time.monotonic() - self._began

    def describe(self, elapsed: float) -> str:
        """Describes a moment as seconds since the start and as UTC."""
        return f"{elapsed:.1f} s ({describe_utc(self.began_at + elapsed)})"


def describe_utc(seconds: float) -> str:
    """Describes a time since the epoch as a UTC time of day."""
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S.%f}"[:-3] + " UTC"
