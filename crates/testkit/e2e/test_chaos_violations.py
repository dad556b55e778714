"""The fault suite finds every violation and reports no false one. Needs no stack."""

import itertools

import pytest

from chaos import violations
from chaos.answer_modes import ANSWER_MODES
from chaos.answering_side import alternative_answer
from chaos.reconnecting_clients import ShownAnswer, V1Observations
from chaos.replicas import ReplicaProcess
from chaos.schedule import FAULTS, plan_faults
from harness.canaries import answer_to
from harness.resuming_clients import V2Observations

EXACT_MODE = next(mode for mode in ANSWER_MODES if not mode.repeats and not mode.echoes_headers)
REPEATING_MODE = next(mode for mode in ANSWER_MODES if mode.repeats)


def shown(data: str, *earlier: str) -> V1Observations:
    return V1Observations(shown=[ShownAnswer("s", "now?", list(earlier), data)])


def find_violations(
    observations: V1Observations, mode=EXACT_MODE, unanswered=(), read_repeatedly=(), wire_id="plain"
) -> list[str]:
    modes = dict.fromkeys(("now?", "before?"), mode)
    return list(violations.find_v1_violations(observations, modes, set(unanswered), set(read_repeatedly), wire_id))


def modes_of_three_questions() -> dict:
    return {"first?": REPEATING_MODE, "before?": EXACT_MODE, "now?": EXACT_MODE}


def test_an_own_answer_is_right_in_either_text():
    assert not find_violations(shown(answer_to("now?")))
    assert not find_violations(shown(alternative_answer("now?")))


def test_an_answer_of_nobody_here_is_wrong_whatever_was_promised():
    for mode in (EXACT_MODE, REPEATING_MODE):
        assert find_violations(shown(answer_to("of another session?"), "before?"), mode)


def test_an_answer_to_another_question_of_the_session_is_wrong_where_the_right_one_is_promised():
    observations = shown(answer_to("before?"), "before?")
    assert find_violations(observations, EXACT_MODE)
    assert find_violations(observations, REPEATING_MODE, wire_id="question")
    assert not find_violations(observations, EXACT_MODE, read_repeatedly=["before?"]), (
        "read twice, and so answered twice"
    )
    assert not find_violations(observations, REPEATING_MODE), "the first duplicate may slip through under the plain id"
    shifted = list(
        violations.find_v1_violations(
            shown(answer_to("before?"), "first?", "before?"), modes_of_three_questions(), set(), set(), "plain"
        )
    )
    assert not shifted, "and puts the answers after it under the next question"
    assert violations.count_misplaced(observations) == 1


def test_a_timeout_is_a_loss_unless_the_answering_side_was_silent():
    observations = V1Observations(timed_out=["now?"])
    assert find_violations(observations)
    assert not find_violations(observations, unanswered=["now?"])
    assert list(violations.find_v2_violations(V2Observations(timed_out=["now?"]), set()))
    assert not list(violations.find_v2_violations(V2Observations(timed_out=["now?"]), {"now?"}))


def test_whatever_a_client_of_version_2_complains_of_is_a_violation():
    assert list(violations.find_v2_violations(V2Observations(protocol_violations=["seq 3 after 1"]), set()))
    assert list(violations.find_v2_violations(V2Observations(lost=["q-1 has no end"]), set()))
    assert not list(violations.find_v2_violations(V2Observations(answered=7), set()))


@pytest.mark.parametrize(("pending", "guilty"), [(0, True), (1, False)])
def test_an_account_has_to_balance(pending, guilty):
    account = {"accepted": 3, "adopted": 1, "answered": 2, "handed_off": 1, "pending": pending}
    process = ReplicaProcess(1, 1, account=account, end="ended")
    assert bool(list(violations.find_ledger_violations(process))) == guilty


def test_memory_that_grows_is_seen_and_noise_is_not():
    def growing(last: int) -> list[str]:
        steps = [50_000 + (last - 50_000) * step // 20 for step in range(21)]
        return list(violations.find_memory_violations(ReplicaProcess(1, 1, memory=list(enumerate(steps)))))

    assert growing(400_000)
    assert not growing(70_000)


def test_a_seed_decides_the_schedule_and_every_fault_has_its_turn():
    plan = plan_faults(seed=7, rounds=2, gap=1.0)
    assert plan == plan_faults(seed=7, rounds=2, gap=1.0)
    assert plan != plan_faults(seed=8, rounds=2, gap=1.0)
    for fault in FAULTS:
        assert sum(one.fault == fault for one in plan) == 2
    for one, following in itertools.pairwise(plan):
        assert one.at + one.lasts <= following.at, "never two at a time"
