"""The ways an answering side may behave, and what is promised under each. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """One way. What is not said is as the simplest answerer does it: it copies `session_id` and nothing else."""

    name: str
    echoes_headers: bool = False
    # "wire_id", "json" or None.
    key: str | None = None
    partitioner: str = "consistent_random"
    longest_delay: float = 0.2
    copies_timestamp: bool = False
    repeats: bool = False
    repeats_differ: bool = False
    silent_one_in: int = 0
    parts: bool = False
    transactions: bool = False
    # In how many questions the suffix is cut off the wire id.
    strips_one_in: int = 0


MODES = (
    Mode("echoes nothing but session_id"),
    Mode("echoes headers", echoes_headers=True),
    Mode("keys are JSON", key="json"),
    Mode("keys by murmur2", key="wire_id", partitioner="murmur2_random"),
    Mode("keys by CRC32", key="wire_id"),
    Mode("late and out of order", longest_delay=5.0),
    Mode("timestamps copied from the question", copies_timestamp=True),
    Mode("answers twice, the same", repeats=True),
    Mode("answers twice, another text", repeats=True, repeats_differ=True),
    Mode("never answers one in a hundred", silent_one_in=100),
    Mode("parts, a crash and a second attempt", parts=True),
    Mode("strips the suffix of one in twenty", strips_one_in=20),
    Mode("exactly once, with open transactions", transactions=True),
)


def is_exact(mode: Mode, wire_id: str) -> bool:
    """Whether the right question is promised for a wire id that is `plain` or `question`."""
    return wire_id == "question" or mode.echoes_headers or not mode.repeats
