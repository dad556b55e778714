"""Runs named steps one after the other, and prints a table of their times, budgets and outcomes."""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common import EXIT_FAILED, Failure, say


@dataclass(frozen=True)
class Step:
    """A named action, with its budget in seconds and the steps that must succeed before it."""

    name: str
    purpose: str
    action: Callable[[], None]
    budget: float
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The result of a step; `problem` is empty when it succeeded."""

    step: Step
    seconds: float
    problem: str


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that `run_chosen` reads."""
    parser.add_argument("--only", action="append", default=[], metavar="STEP", help="run this step; may be repeated")
    parser.add_argument("--list", action="store_true", help="print the steps and exit")


def run_chosen(steps: Sequence[Step], options: argparse.Namespace) -> int:
    """Runs or lists the steps as the command line says, and returns the exit code."""
    if options.list:
        for step in steps:
            print(f"{step.name:8} {step.purpose} (budget {step.budget:.0f} s)")
        return 0
    outcomes: list[Outcome] = []
    for step in chosen(steps, options.only):
        outcomes.append(_run(step, {outcome.step.name for outcome in outcomes if outcome.problem}))
    say("")
    for step, seconds, problem in ((one.step, one.seconds, one.problem) for one in outcomes):
        over = f", over its budget of {step.budget:.0f} s" if seconds > step.budget else ""
        say(f"{step.name:8} {'FAILED' if problem else 'ok':7} {seconds:7.1f} s of {step.budget:5.0f} s{over}")
    failed = [outcome for outcome in outcomes if outcome.problem]
    for outcome in failed:
        say(f"{outcome.step.name}: {outcome.problem}")
    say(f"{len(outcomes) - len(failed)} of {len(outcomes)} steps ok, {sum(one.seconds for one in outcomes):.0f} s")
    return EXIT_FAILED if failed else 0


def chosen(steps: Sequence[Step], only: Sequence[str]) -> list[Step]:
    """Returns the named steps and those they need, in order; all steps when none is named."""
    names = [step.name for step in steps]
    wanted = set(only or names)
    if unknown := sorted(wanted - set(names)):
        raise Failure(f"no step {', '.join(unknown)}; there are {', '.join(names)}")
    for step in reversed(steps):
        if step.name in wanted:
            wanted.update(step.needs)
    return [step for step in steps if step.name in wanted]


def _run(step: Step, failed: set[str]) -> Outcome:
    if missing := [need for need in step.needs if need in failed]:
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
    return Outcome(step, seconds, problem.partition("\n")[0])
