"""The ways in which the answering side behaves, and the promise that holds under each. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AnswerMode:
    """Describes one behaviour of the answering side.

    The defaults are those of the simplest answering side, which copies `session_id` and nothing else.
    """

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
    # One question in so many is answered with the suffix cut off its wire id; 0: none.
    strips_one_in: int = 0


ANSWER_MODES = (
    AnswerMode("echoes nothing but session_id"),
    AnswerMode("echoes headers", echoes_headers=True),
    AnswerMode("keys are JSON", key="json"),
    AnswerMode("keys by murmur2", key="wire_id", partitioner="murmur2_random"),
    AnswerMode("keys by CRC32", key="wire_id"),
    AnswerMode("late and out of order", longest_delay=5.0),
    AnswerMode("timestamps copied from the question", copies_timestamp=True),
    AnswerMode("answers twice, the same", repeats=True),
    AnswerMode("answers twice, another text", repeats=True, repeats_differ=True),
    AnswerMode("never answers one in a hundred", silent_one_in=100),
    AnswerMode("parts, a crash and a second attempt", parts=True),
    AnswerMode("strips the suffix of one in twenty", strips_one_in=20),
    AnswerMode("exactly once, with open transactions", transactions=True),
)


def promises_the_right_question(mode: AnswerMode, wire_id: str) -> bool:
    """Tells whether version 1 promises that an answer is shown under its own question.

    `wire_id` is the setting: `plain` or `question`.
    """
    return wire_id == "question" or mode.echoes_headers or not mode.repeats
