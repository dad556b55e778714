"""Holds what clients saw against what was promised. Pure."""

from collections.abc import Iterator, Mapping

from chaos.answering import other_answer
from chaos.modes import Mode, is_exact
from chaos.old_clients import OldVerdict, Shown
from chaos.replicas import Life
from harness.texts import answer_to
from harness.wanderers import Verdict

# A process may have so much more memory at its end than after its first third, beside what is measured in noise.
GROWTH = 1.5
NOISE_KIB = 32 * 1024


def answers_to(question: str) -> set[str]:
    """Every right answer to a question."""
    return {answer_to(question), other_answer(question)}


def judge_new(verdict: Verdict, silent: set[str]) -> Iterator[str]:
    """Version 2: right always, and nothing that was answered is missing."""
    yield from (f"version 2: {what}" for what in verdict.wrong)
    yield from (f"version 2, lost: {what}" for what in verdict.lost)
    answered = [question for question in verdict.timed_out if question not in silent]
    yield from (f"version 2, lost: a question timed out though it was answered: {one[-32:]}" for one in answered)


def judge_old(verdict: OldVerdict, modes: Mapping[str, Mode], silent: set[str], wire_id: str) -> Iterator[str]:
    """Version 1: the right session always; the right question as far as the answering side allows."""
    yield from (f"version 1: {what}" for what in verdict.wrong)
    for one in verdict.shown:
        if one.data not in answers_to(one.question):
            yield from _misplaced(one, modes, wire_id)
    answered = [question for question in verdict.timed_out if question not in silent]
    yield from (f"version 1, lost: a question timed out though it was answered: {one[-32:]}" for one in answered)


def _misplaced(one: Shown, modes: Mapping[str, Mode], wire_id: str) -> Iterator[str]:
    owners = [earlier for earlier in one.earlier if one.data in answers_to(earlier)]
    if not owners:
        yield f"version 1: session {one.session} was shown an answer that is not its own"
    # One answer too many puts every later one under the next question, until one comes to a session that waits for
    # none: what was answered twice may be any of the questions before.
    elif all(is_exact(modes[earlier], wire_id) for earlier in one.earlier if earlier in modes):
        yield f"version 1: session {one.session} was shown the answer to another question"


def slipped(verdict: OldVerdict) -> int:
    """How many answers stood under another question of their session, whether that was promised not to be or not."""
    return sum(one.data not in answers_to(one.question) for one in verdict.shown)


def judge_account(life: Life) -> Iterator[str]:
    """Every accepted question is accounted for once."""
    account = dict(life.account)
    came = account.pop("accepted", 0) + account.pop("adopted", 0)
    if life.end == "ended" and came != sum(account.values()):
        yield f"replica {life.number}: its account does not balance: {life.account}"


def judge_memory(life: Life) -> Iterator[str]:
    """Memory is flat."""
    settled = [used for _, used in life.memory[len(life.memory) // 3 :]]
    if len(settled) > 5 and settled[-1] > GROWTH * settled[0] + NOISE_KIB:
        yield f"replica {life.number}: memory grew from {settled[0]} to {settled[-1]} KiB"
