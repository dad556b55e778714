"""A question that timed out is explained, and a fault of the answering side is no loss. Needs no stack."""

from chaos.answering_log import AnsweringLog, RecordPosition
from chaos.lost_questions import LossEvidence
from chaos.reconnecting_clients import TimedOutQuestion
from chaos.run_clock import RunClock
from chaos.topic_scan import FoundRecord, TopicScan

QUESTION = "where? 90343ba2bba14a69a62e0a2db0f81dea"


def evidence(log: AnsweringLog | None = None, found: FoundRecord | None = None, **changes) -> LossEvidence:
    scan = TopicScan(ends={0: 7})
    if found:
        scan.found[QUESTION].append(found)
    asked = TimedOutQuestion("a-session", 2, 10.0, 70.0, (("before?", "not sent"),))
    parts = {"log": log or AnsweringLog(), "timeouts": {QUESTION: asked}, "scan": scan} | changes
    return LossEvidence(RunClock(), **parts)


def log_of(*answered_at: float, due: int = 1, in_parts: bool = False) -> AnsweringLog:
    log = AnsweringLog()
    log.questions[QUESTION].append(RecordPosition(0, 5, 12.0))
    log.due[QUESTION] = due
    log.answers[QUESTION] += [RecordPosition(1, 3, at) for at in answered_at]
    if in_parts:
        log.in_parts.add(QUESTION)
    return log


def test_a_question_that_is_not_in_the_topic_is_no_fault_of_the_suite():
    lost = evidence()
    assert lost.find_harness_fault(QUESTION) is None
    said = lost.describe(QUESTION)
    assert "not in the topic, neither committed nor uncommitted (partitions end at 0/7)" in said
    assert "at replica 2 in session a-session" in said
    assert "asked before it (not sent): before?: never read" in said


def test_a_question_in_the_topic_that_was_never_read_is_a_fault_of_the_suite():
    there = evidence(found=FoundRecord(0, 5, 0.0, committed=True))
    assert there.find_harness_fault(QUESTION)
    assert "in the topic at 0/5, written at 00:00:00.000 UTC" in there.describe(QUESTION)
    hidden = evidence(found=FoundRecord(0, 5, 0.0, committed=False))
    assert hidden.find_harness_fault(QUESTION) is None
    assert "not committed" in hidden.describe(QUESTION)


def test_a_topic_that_could_not_be_read_excuses_nothing():
    unknown = evidence(scan=None, scan_failure="no broker")
    assert unknown.find_harness_fault(QUESTION) is None
    assert "not read again: no broker" in unknown.describe(QUESTION)


def test_an_answer_in_time_makes_it_a_loss_and_none_or_a_late_one_does_not():
    assert evidence(log_of(12.5)).find_harness_fault(QUESTION) is None
    assert evidence(log_of()).find_harness_fault(QUESTION)
    assert evidence(log_of(70.5)).find_harness_fault(QUESTION)
    assert evidence(log_of(12.5, 70.5, due=2)).find_harness_fault(QUESTION) is None, "one of two answers is enough"
    assert evidence(log_of(12.5, 70.5, due=2, in_parts=True)).find_harness_fault(QUESTION), "the last part was late"
    assert evidence(log_of(12.5, due=2, in_parts=True)).find_harness_fault(QUESTION), "a part was not written"


def test_offsets_that_are_skipped_or_read_again_are_noted():
    log = AnsweringLog()
    for offset in (0, 1, 4, 3):
        log.on_read(RecordPosition(0, offset, 1.0))
    log.on_read(RecordPosition(1, 2, 2.0))
    assert log.skipped == ["0/2 to 0/3, seen at 1.0 s", "1/0 to 1/1, seen at 2.0 s"]
    assert log.reread == ["0/3 to 0/4, seen at 1.0 s"]
