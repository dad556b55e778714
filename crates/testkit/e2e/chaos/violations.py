"""Compares the clients' observations, the ledgers and the memory of a run with what is promised. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from chaos.answer_modes import AnswerMode, promises_the_right_question
from chaos.answering_side import alternative_answer
from chaos.reconnecting_clients import ShownAnswer, V1Observations
from chaos.replicas import ReplicaProcess
from harness.canaries import answer_to
from harness.resuming_clients import V2Observations
from harness.unreadable_batches import MAX_UNPACKED_BYTES

# Memory at the end may be MAX_MEMORY_GROWTH times the memory after the first third, plus noise, plus the buffers that
# an unreadable batch is unpacked into. There are four of these, however many such batches there are: for the consumer,
# for the recovery of older answers, and for the two clients that search for the end of the batch.
MAX_MEMORY_GROWTH = 1.5
MEMORY_NOISE_KIB = 32 * 1024
UNPACK_BUFFERS_KIB = 4 * MAX_UNPACKED_BYTES // 1024


def answers_to(question: str) -> set[str]:
    """Returns every right answer to a question."""
    return {answer_to(question), alternative_answer(question)}


def find_v2_violations(
    observations: V2Observations, unanswered: set[str], describe_question: Callable[[str], str] = str
) -> Iterator[str]:
    """Yields the broken promises of version 2: every answer shown is right, and no answer is lost.

    `describe_question` says what became of a question.
    """
    yield from (f"version 2: {what}" for what in observations.protocol_violations)
    yield from (f"version 2, lost: {what}" for what in observations.lost)
    yield from (f"version 2, {what}" for what in _find_lost(observations.timed_out, unanswered, describe_question))


def find_v1_violations(
    observations: V1Observations,
    modes: Mapping[str, AnswerMode],
    unanswered: set[str],
    read_repeatedly: set[str],
    wire_id: str,
    describe_question: Callable[[str], str] = str,
) -> Iterator[str]:
    """Yields the broken promises of version 1.

    An answer is never shown in another session. It is shown under its own question as far as the answering side allows:
    that is not promised after a question that was answered twice, or one of `read_repeatedly`, which the answering side
    has read more than once.
    """
    yield from (f"version 1: {what}" for what in observations.protocol_violations)
    for one in observations.shown:
        if one.data not in answers_to(one.question):
            for what in _find_misplaced(one, modes, read_repeatedly, wire_id):
                yield f"{what}; {_describe_session(observations, one, modes)}"
    yield from (f"version 1, {what}" for what in _find_lost(observations.timed_out, unanswered, describe_question))


def _find_lost(
    timed_out: Iterable[str], unanswered: set[str], describe_question: Callable[[str], str]
) -> Iterator[str]:
    yield from (
        f"lost: a question timed out: {one[-32:]}: {describe_question(one)}"
        for one in timed_out
        if one not in unanswered
    )


def _find_misplaced(
    one: ShownAnswer, modes: Mapping[str, AnswerMode], read_repeatedly: set[str], wire_id: str
) -> Iterator[str]:
    owners = [earlier for earlier in one.earlier if one.data in answers_to(earlier)]
    if not owners:
        yield f"version 1: session {one.session} was shown an answer that is not its own"
    # One duplicate answer shifts every later answer to the next question, until an answer arrives while the session
    # waits for none. So a duplicate of any earlier question explains this answer.
    elif not read_repeatedly.intersection(one.earlier) and all(
        promises_the_right_question(modes[earlier], wire_id) for earlier in one.earlier if earlier in modes
    ):
        yield f"version 1: session {one.session} was shown the answer to another question"


def _describe_session(observations: V1Observations, one: ShownAnswer, modes: Mapping[str, AnswerMode]) -> str:
    """Describes the session's latest questions: how each was answered, and which answer was shown under it."""
    shown = {other.question: other.data for other in observations.shown if other.session == one.session}
    asked = [*one.earlier, one.question]
    lines = []
    for number, question in enumerate(asked):
        data = shown.get(question)
        owner = next((str(at) for at, other in enumerate(asked) if data in answers_to(other)), "no other")
        seen = "nothing" if data is None else f"the answer to {owner}"
        mode = modes[question].name if question in modes else "not read"
        lines.append(f"question {number} ({mode}) was shown {seen}")
    return f"{one.at:.1f} s after the run began: {', '.join(lines[-8:])}"


def count_misplaced(observations: V1Observations) -> int:
    """Counts answers shown under another question of their session, whether or not that breaks a promise."""
    return sum(one.data not in answers_to(one.question) for one in observations.shown)


def find_ledger_violations(process: ReplicaProcess) -> Iterator[str]:
    """Yields a violation when the ledger of a replica that was stopped cleanly does not balance."""
    account = dict(process.account)
    came = account.pop("accepted", 0) + account.pop("adopted", 0)
    if process.end == "ended" and came != sum(account.values()):
        yield f"replica {process.number}: its account does not balance: {process.account}"


def find_memory_violations(process: ReplicaProcess) -> Iterator[str]:
    """Yields a violation when the memory of a process grew more than is allowed."""
    settled = [used for _, used in process.memory[len(process.memory) // 3 :]]
    if len(settled) > 5 and settled[-1] > MAX_MEMORY_GROWTH * settled[0] + MEMORY_NOISE_KIB + UNPACK_BUFFERS_KIB:
        yield f"replica {process.number}: memory grew from {settled[0]} to {settled[-1]} KiB"
