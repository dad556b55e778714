"""Named steps run one after the other: each with its time, its budget and its outcome, and a table at the end."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common import EXIT_FAILED, Failure, say


@dataclass(frozen=True)
class Step:
    """Something to do by name. `budget` is what it may take, in seconds; `needs` are steps it cannot do without."""

    name: str
    purpose: str
    action: Callable[[], None]
    budget: float
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a step."""

    step: Step
    seconds: float
    problem: str

    def line(self) -> str:
        """One row of the table."""
        word = "ok" if not self.problem else "FAILED"
        over = f", over its budget of {self.step.budget:.0f} s" if self.seconds > self.step.budget else ""
        return f"{self.step.name:8} {word:7} {self.seconds:7.1f} s of {self.step.budget:5.0f} s{over}"


def run_all(steps: Sequence[Step]) -> int:
    """Runs every step whose needs were met, says which failed and why, and returns the exit code."""
    outcomes: list[Outcome] = []
    for step in steps:
        outcomes.append(_run(step, {outcome.step.name for outcome in outcomes if outcome.problem}))
    say("")
    for outcome in outcomes:
        say(outcome.line())
    failed = [outcome for outcome in outcomes if outcome.problem]
    for outcome in failed:
        say(f"{outcome.step.name}: {outcome.problem}")
    say(f"{len(outcomes) - len(failed)} of {len(outcomes)} steps ok, {sum(one.seconds for one in outcomes):.0f} s")
    return EXIT_FAILED if failed else 0


def chosen(steps: Sequence[Step], only: Sequence[str]) -> list[Step]:
    """The named steps and what they need, in the usual order; all of them when none is named."""
    wanted = set(only or [step.name for step in steps])
    unknown = wanted - {step.name for step in steps}
    if unknown:
        raise Failure(f"no step {', '.join(sorted(unknown))}; there are {', '.join(step.name for step in steps)}")
    for step in reversed(steps):
        if step.name in wanted:
            wanted.update(step.needs)
    return [step for step in steps if step.name in wanted]


def show(steps: Sequence[Step]) -> int:
    """Prints the names, for `--list`."""
    for step in steps:
        print(f"{step.name:8} {step.purpose} (budget {step.budget:.0f} s)")
    return 0


def _run(step: Step, failed: set[str]) -> Outcome:
    missing = [need for need in step.needs if need in failed]
    if missing:
        return Outcome(step, 0, f"not run, it needs {', '.join(missing)}")
    say(f"== {step.name}: {step.purpose}")
    began = time.monotonic()
    problem = ""
    try:
        step.action()
    except Failure as failure:
        problem = str(failure)
        say(problem)
    seconds = time.monotonic() - began
    say(f"== {step.name}: {'FAILED' if problem else 'ok'} after {seconds:.1f} s")
    return Outcome(step, seconds, problem.splitlines()[0] if problem else "")
