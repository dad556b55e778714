"""Holds what clients saw against what was promised. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from chaos.answer_modes import AnswerMode, promises_the_right_question
from chaos.answering_side import alternative_answer
from chaos.reconnecting_clients import ShownAnswer, V1Observations
from chaos.replicas import ReplicaProcess
from harness.canaries import answer_to
from harness.resuming_clients import V2Observations
from harness.unreadable_batches import MAX_UNPACKED_BYTES

# A process may have so much more memory at its end than after its first third, beside what is measured in noise and
# the buffers that an unreadable batch is unpacked into: one each for the consumer, for the look into the past and for
# the two clients that search for the batch's end, however many such batches there are.
MAX_MEMORY_GROWTH = 1.5
MEMORY_NOISE_KIB = 32 * 1024
UNPACK_BUFFERS_KIB = 4 * MAX_UNPACKED_BYTES // 1024


def answers_to(question: str) -> set[str]:
    """Every right answer to a question."""
    return {answer_to(question), alternative_answer(question)}


def find_v2_violations(
    observations: V2Observations, unanswered: set[str], describe_question: Callable[[str], str] = str
) -> Iterator[str]:
    """Version 2: right always, and nothing that was answered is missing. `story` tells of a question what the answering
    side did with it."""
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
    """Version 1: the right session always; the right question as far as the answering side allows, which has read the
    questions `again` more than once."""
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
    # One answer too many puts every later one under the next question, until one comes to a session that waits for
    # none: what was answered twice may be any of the questions before.
    elif not read_repeatedly.intersection(one.earlier) and all(
        promises_the_right_question(modes[earlier], wire_id) for earlier in one.earlier if earlier in modes
    ):
        yield f"version 1: session {one.session} was shown the answer to another question"


def _describe_session(observations: V1Observations, one: ShownAnswer, modes: Mapping[str, AnswerMode]) -> str:
    """What the session saw up to then: for each of its latest questions how it was answered, and what was shown."""
    shown = {other.question: other.data for other in observations.shown if other.session == one.session}
    asked = [*one.earlier, one.question]
    lines = []
    for number, question in enumerate(asked):
        data = shown.get(question)
        owner = next((str(at) for at, other in enumerate(asked) if data in answers_to(other)), "no other")
        seen = "nothing" if data is None else f"the answer to {owner}"
        mode = modes[question].name if question in modes else "not read"
        lines.append(f"question {number} ({mode}) was shown {seen}")
    return f"{one.at:.1f} s after the clients began: {', '.join(lines[-8:])}"


def count_misplaced(observations: V1Observations) -> int:
    """How many answers stood under another question of their session, whether that was promised not to be or not."""
    return sum(one.data not in answers_to(one.question) for one in observations.shown)


def find_ledger_violations(process: ReplicaProcess) -> Iterator[str]:
    """Every accepted question is accounted for once."""
    account = dict(process.account)
    came = account.pop("accepted", 0) + account.pop("adopted", 0)
    if process.end == "ended" and came != sum(account.values()):
        yield f"replica {process.number}: its account does not balance: {process.account}"


def find_memory_violations(process: ReplicaProcess) -> Iterator[str]:
    """Memory is flat."""
    settled = [used for _, used in process.memory[len(process.memory) // 3 :]]
    if len(settled) > 5 and settled[-1] > MAX_MEMORY_GROWTH * settled[0] + MEMORY_NOISE_KIB + UNPACK_BUFFERS_KIB:
        yield f"replica {process.number}: memory grew from {settled[0]} to {settled[-1]} KiB"
