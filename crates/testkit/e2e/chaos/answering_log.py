"""Records what the answering side read, wrote and failed to do, to tell its faults from those of the product. Pure."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RecordPosition:
    """A record's partition and offset, and the time at which it was read or acknowledged: seconds since the start."""

    partition: int
    offset: int
    at: float

    def __str__(self) -> str:
        """Returns partition, offset and time."""
        return f"{self.partition}/{self.offset} ({self.at:.1f} s)"


@dataclass
class AnsweringLog:
    """Collects the positions of questions and answers, by question text, and the faults of the answering side."""

    questions: defaultdict[str, list[RecordPosition]] = field(default_factory=lambda: defaultdict(list))
    answers: defaultdict[str, list[RecordPosition]] = field(default_factory=lambda: defaultdict(list))
    # Number of answer records that each question was to get, and the errors of those that were not written.
    due: Counter[str] = field(default_factory=Counter)
    write_errors: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    # The questions of which no single record is a whole answer.
    in_parts: set[str] = field(default_factory=set)
    # The offset that follows the last one read, by partition. The topic is new and no transaction writes to it, so its
    # offsets begin at 0 and have no gaps.
    next_offsets: dict[int, int] = field(default_factory=dict)
    # Offsets that the consumer jumped over or went back to, as text.
    skipped: list[str] = field(default_factory=list)
    reread: list[str] = field(default_factory=list)
    consumer_errors: Counter[str] = field(default_factory=Counter)
    # Longest time between two reads, and its end, in seconds.
    longest_pause: tuple[float, float] = (0.0, 0.0)

    def on_read(self, position: RecordPosition) -> str | None:
        """Notes that a record was read; returns a description if its offset is not the expected one."""
        partition, offset = position.partition, position.offset
        expected = self.next_offsets.get(partition, 0)
        self.next_offsets[partition] = offset + 1
        if offset > expected:
            self.skipped.append(f"{partition}/{expected} to {partition}/{offset - 1}, seen at {position.at:.1f} s")
            return f"skipped {self.skipped[-1]}"
        if offset < expected:
            self.reread.append(f"{partition}/{offset} to {partition}/{expected - 1}, seen at {position.at:.1f} s")
            return f"read again {self.reread[-1]}"
        return None

    def on_pause(self, seconds: float, at: float) -> None:
        """Notes the time between two reads."""
        self.longest_pause = max(self.longest_pause, (round(seconds, 1), round(at, 1)))

    def answered_at(self, question: str) -> float | None:
        """Returns the time from which an answer was complete in the topic; None if none ever was."""
        times = [position.at for position in self.answers.get(question, [])]
        if question not in self.in_parts:
            return min(times, default=None)
        return max(times) if times and len(times) >= self.due[question] else None

    def describe(self, question: str) -> str:
        """Describes where a question was read and where its answers were written."""
        read, written = self.questions.get(question, []), self.answers.get(question, [])
        words = [f"read at {', '.join(map(str, read))}" if read else "never read"]
        if read:
            where = f" at {', '.join(map(str, written))}" if written else ""
            words.append(f"{len(written)} of {self.due[question]} answer records written{where}")
        words += [f"answer not written: {error}" for error in self.write_errors.get(question, [])]
        return ", ".join(words)

    def summary(self) -> dict[str, str | int]:
        """Returns the numbers for the report."""
        pause, at = self.longest_pause
        return {
            "longest time between two reads": f"{pause:.1f} s, until {at:.1f} s",
            "offsets skipped": "; ".join(self.skipped) or "none",
            "offsets read again": "; ".join(self.reread) or "none",
            "answers not written": sum(len(errors) for errors in self.write_errors.values()),
            **{f"consumer error: {name}": count for name, count in sorted(self.consumer_errors.items())},
        }
