"""The fault suite's judge convicts what it has to, and acquits the rest; needs nothing running."""

import itertools

import pytest

from chaos import violations
from chaos.answer_modes import MODES
from chaos.answering_side import other_answer
from chaos.reconnecting_clients import OldVerdict, Shown
from chaos.replicas import Life
from chaos.schedule import FAULTS, schedule
from harness.canaries import answer_to
from harness.resuming_clients import V2Observations

EXACT = next(mode for mode in MODES if not mode.repeats and not mode.echoes_headers)
TWICE = next(mode for mode in MODES if mode.repeats)


def shown(data: str, *earlier: str) -> OldVerdict:
    return OldVerdict(shown=[Shown("s", "now?", list(earlier), data)])


def old(observations: OldVerdict, mode=EXACT, silent=(), again=(), wire_id="plain") -> list[str]:
    modes = dict.fromkeys(("now?", "before?"), mode)
    return list(violations.judge_old(observations, modes, set(silent), set(again), wire_id))


def modes_of_a_shift() -> dict:
    return {"first?": TWICE, "before?": EXACT, "now?": EXACT}


def test_an_own_answer_is_right_in_either_text():
    assert not old(shown(answer_to("now?")))
    assert not old(shown(other_answer("now?")))


def test_an_answer_of_nobody_here_is_wrong_whatever_was_promised():
    for mode in (EXACT, TWICE):
        assert old(shown(answer_to("of another session?"), "before?"), mode)


def test_an_answer_to_another_question_of_the_session_is_wrong_where_the_right_one_is_promised():
    observations = shown(answer_to("before?"), "before?")
    assert old(observations, EXACT)
    assert old(observations, TWICE, wire_id="question")
    assert not old(observations, EXACT, again=["before?"]), "read twice, and so answered twice"
    assert not old(observations, TWICE), "the first duplicate may slip through under the plain id"
    shifted = list(
        violations.judge_old(
            shown(answer_to("before?"), "first?", "before?"), modes_of_a_shift(), set(), set(), "plain"
        )
    )
    assert not shifted, "and puts the answers after it under the next question"
    assert violations.slipped(observations) == 1


def test_a_timeout_is_a_loss_unless_the_answering_side_was_silent():
    observations = OldVerdict(timed_out=["now?"])
    assert old(observations)
    assert not old(observations, silent=["now?"])
    assert list(violations.judge_new(V2Observations(timed_out=["now?"]), set()))
    assert not list(violations.judge_new(V2Observations(timed_out=["now?"]), {"now?"}))


def test_whatever_a_client_of_version_2_complains_of_is_a_violation():
    assert list(violations.judge_new(V2Observations(protocol_violations=["seq 3 after 1"]), set()))
    assert list(violations.judge_new(V2Observations(lost=["q-1 has no end"]), set()))
    assert not list(violations.judge_new(V2Observations(answered=7), set()))


@pytest.mark.parametrize(("pending", "guilty"), [(0, True), (1, False)])
def test_an_account_has_to_balance(pending, guilty):
    account = {"accepted": 3, "adopted": 1, "answered": 2, "handed_off": 1, "pending": pending}
    life = Life(1, 1, account=account, end="ended")
    assert bool(list(violations.judge_account(life))) == guilty


def test_memory_that_grows_is_seen_and_noise_is_not():
    def growing(last: int) -> list[str]:
        steps = [50_000 + (last - 50_000) * step // 20 for step in range(21)]
        return list(violations.judge_memory(Life(1, 1, memory=list(enumerate(steps)))))

    assert growing(400_000)
    assert not growing(70_000)


def test_a_seed_decides_the_schedule_and_every_fault_has_its_turn():
    plan = schedule(seed=7, rounds=2, gap=1.0)
    assert plan == schedule(seed=7, rounds=2, gap=1.0)
    assert plan != schedule(seed=8, rounds=2, gap=1.0)
    for fault in FAULTS:
        assert sum(one.fault == fault for one in plan) == 2
    for one, following in itertools.pairwise(plan):
        assert one.at + one.lasts <= following.at, "never two at a time"
