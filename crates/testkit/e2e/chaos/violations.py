"""Holds what clients saw against what was promised. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from chaos.answer_modes import Mode, is_exact
from chaos.answering_side import other_answer
from chaos.reconnecting_clients import OldVerdict, Shown
from chaos.replicas import Life
from harness.canaries import answer_to
from harness.resuming_clients import V2Observations
from harness.unreadable_batches import MAX_UNPACKED_BYTES

# A process may have so much more memory at its end than after its first third, beside what is measured in noise and
# the buffers that an unreadable batch is unpacked into: one each for the consumer, for the look into the past and for
# the two clients that search for the batch's end, however many such batches there are.
GROWTH = 1.5
NOISE_KIB = 32 * 1024
UNPACKING_KIB = 4 * MAX_UNPACKED_BYTES // 1024


def answers_to(question: str) -> set[str]:
    """Every right answer to a question."""
    return {answer_to(question), other_answer(question)}


def judge_new(observations: V2Observations, silent: set[str], story: Callable[[str], str] = str) -> Iterator[str]:
    """Version 2: right always, and nothing that was answered is missing. `story` tells of a question what the answering
    side did with it."""
    yield from (f"version 2: {what}" for what in observations.protocol_violations)
    yield from (f"version 2, lost: {what}" for what in observations.lost)
    yield from (f"version 2, {what}" for what in _lost(observations.timed_out, silent, story))


def judge_old(
    observations: OldVerdict,
    modes: Mapping[str, Mode],
    silent: set[str],
    again: set[str],
    wire_id: str,
    story: Callable[[str], str] = str,
) -> Iterator[str]:
    """Version 1: the right session always; the right question as far as the answering side allows, which has read the
    questions `again` more than once."""
    yield from (f"version 1: {what}" for what in observations.protocol_violations)
    for one in observations.shown:
        if one.data not in answers_to(one.question):
            for what in _misplaced(one, modes, again, wire_id):
                yield f"{what}; {_story(observations, one, modes)}"
    yield from (f"version 1, {what}" for what in _lost(observations.timed_out, silent, story))


def _lost(timed_out: Iterable[str], silent: set[str], story: Callable[[str], str]) -> Iterator[str]:
    yield from (f"lost: a question timed out: {one[-32:]}: {story(one)}" for one in timed_out if one not in silent)


def _misplaced(one: Shown, modes: Mapping[str, Mode], again: set[str], wire_id: str) -> Iterator[str]:
    owners = [earlier for earlier in one.earlier if one.data in answers_to(earlier)]
    if not owners:
        yield f"version 1: session {one.session} was shown an answer that is not its own"
    # One answer too many puts every later one under the next question, until one comes to a session that waits for
    # none: what was answered twice may be any of the questions before.
    elif not again.intersection(one.earlier) and all(
        is_exact(modes[earlier], wire_id) for earlier in one.earlier if earlier in modes
    ):
        yield f"version 1: session {one.session} was shown the answer to another question"


def _story(observations: OldVerdict, one: Shown, modes: Mapping[str, Mode]) -> str:
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


def slipped(observations: OldVerdict) -> int:
    """How many answers stood under another question of their session, whether that was promised not to be or not."""
    return sum(one.data not in answers_to(one.question) for one in observations.shown)


def judge_account(life: Life) -> Iterator[str]:
    """Every accepted question is accounted for once."""
    account = dict(life.account)
    came = account.pop("accepted", 0) + account.pop("adopted", 0)
    if life.end == "ended" and came != sum(account.values()):
        yield f"replica {life.number}: its account does not balance: {life.account}"


def judge_memory(life: Life) -> Iterator[str]:
    """Memory is flat."""
    settled = [used for _, used in life.memory[len(life.memory) // 3 :]]
    if len(settled) > 5 and settled[-1] > GROWTH * settled[0] + NOISE_KIB + UNPACKING_KIB:
        yield f"replica {life.number}: memory grew from {settled[0]} to {settled[-1]} KiB"
