"""Explains questions that timed out: tells what the product lost from what the answering side failed to do. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from chaos.answering_log import AnsweringLog
from chaos.reconnecting_clients import TimedOutQuestion
from chaos.run_clock import RunClock, describe_utc
from chaos.topic_scan import TopicScan


@dataclass
class LossEvidence:
    """Holds what is known of the questions that timed out.

    `scan` is what a new consumer found in the questions' topic after the run; `scan_failure` says why there is none.
    `timeouts` has the questions of version 1, by text.
    """

    clock: RunClock
    log: AnsweringLog
    timeouts: Mapping[str, TimedOutQuestion]
    scan: TopicScan | None
    scan_failure: str = ""

    def find_harness_fault(self, question: str) -> str | None:
        """Returns why the answering side is at fault for a question without an answer; None if it is not known to be.

        A question counts as lost by the product unless this is certain.
        """
        if question not in self.log.questions:
            is_there = self.scan is not None and any(one.committed for one in self.scan.found.get(question, []))
            return "it is in the topic, and the answering side did not read it" if is_there else None
        answered_at = self.log.answered_at(question)
        if answered_at is None:
            return "the answering side read it and did not write all of an answer"
        asked = self.timeouts.get(question)
        if asked and answered_at >= asked.given_up_at:
            late = answered_at - asked.given_up_at
            return f"its answer was written {late:.1f} s after the client was told that none came"
        return None

    def describe(self, question: str) -> str:
        """Describes a question's way: when and where it was asked, whether it is in the topic, how it was answered."""
        words = [self._describe_topic(question), self.log.describe(question)]
        asked = self.timeouts.get(question)
        if asked:
            words.insert(0, self._describe_asking(asked))
            words += [
                f"asked before it ({outcome}): {earlier[-32:]}: {self.log.describe(earlier)}"
                for earlier, outcome in asked.earlier
            ]
        return "; ".join(words)

    def _describe_asking(self, asked: TimedOutQuestion) -> str:
        return (
            f"asked at {self.clock.describe(asked.asked_at)} at replica {asked.replica} in session {asked.session}, "
            f"timed out at {self.clock.describe(asked.given_up_at)}"
        )

    def _describe_topic(self, question: str) -> str:
        if self.scan is None:
            return f"the questions' topic was not read again: {self.scan_failure}"
        found = self.scan.found.get(question, [])
        if not found:
            ends = ", ".join(f"{partition}/{end}" for partition, end in sorted(self.scan.ends.items()))
            return f"not in the topic, neither committed nor uncommitted (partitions end at {ends})"
        return "in the topic at " + ", ".join(
            f"{one.partition}/{one.offset}, written at {describe_utc(one.written_at)} by the gateway's clock"
            + ("" if one.committed else ", not committed")
            + f" (the answering side has read up to {one.partition}/{self.log.next_offsets.get(one.partition, 0)})"
            for one in found
        )
