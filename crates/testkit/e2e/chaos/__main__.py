"""One run of the fault suite against a cluster that is up. Started by scripts/chaos."""

import argparse
import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from confluent_kafka.admin import AdminClient

from chaos import violations
from chaos.answer_modes import MODES
from chaos.answering_side import AnsweringSide
from chaos.fault_proxies import Links, RegistryFaults
from chaos.faults import Mishaps
from chaos.reconnecting_clients import OldClients, started
from chaos.replicas import Replicas
from chaos.report import Report
from chaos.schedule import Planned, schedule
from harness import unreadable_batches
from harness.resuming_clients import ResumingClients
from harness.stack import Access
from harness.topics import PARTITIONS, create_topics_with_schema

WATCH = 2.0
# In how many questions clients leave in the middle, and come back elsewhere.
RESTLESS = 0.03


def parse() -> argparse.Namespace:
    """What scripts/chaos says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--gap", type=float, required=True)
    parser.add_argument("--questions", type=int, required=True)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--answer-timeout", type=int, required=True)
    parser.add_argument("--fault", action="append", default=[])
    parser.add_argument("--folder", type=Path, required=True)
    return parser.parse_args()


class Run:
    """Everything of one run."""

    def __init__(self, wanted: argparse.Namespace):
        self.wanted = wanted
        self.ports = json.loads(os.environ["AG_STACK_PORTS"])
        self.bootstrap = os.environ["AG_STACK_BOOTSTRAP"]
        registry_url = os.environ["AG_STACK_REGISTRY_URL"]
        access = Access(self.bootstrap, {"bootstrap.servers": self.bootstrap}, {"url": registry_url}, {})
        self.topics = create_topics_with_schema(access, replication=3)
        chosen = {"faults": tuple(wanted.fault)} if wanted.fault else {}
        self.plan = schedule(wanted.seed, wanted.rounds, wanted.gap, *chosen.values())
        self.report = Report(wanted.seed)
        settings = {
            "GATEWAY__SESSION__ANSWER_TIMEOUT": f"{wanted.answer_timeout}s",
            "GATEWAY__SESSION__PART_TIMEOUT": f"{wanted.answer_timeout}s",
            "GATEWAY__KAFKA__PUBLISH_TIMEOUT": "3s",
            # With the longest freeze it is well below the time an answer may take.
            "GATEWAY__KAFKA__RECONNECT_TIMEOUT": "10s",
            **unreadable_batches.UNPACK_LIMIT_SETTINGS,
        }
        self.replicas = Replicas(self.ports, self.topics.gateway_settings(), wanted.folder, settings)
        # Every mode has its turn a few times.
        turn = min(10.0, max(2.0, self._length() / (3 * len(MODES))))
        self.answering = AnsweringSide(self.bootstrap, registry_url, self.topics, PARTITIONS, wanted.seed, turn)
        sessions = wanted.sessions
        pause = 0.05
        self.new = ResumingClients(
            self.replicas.fronts,
            sessions * 2 // 3,
            pause=pause,
            seed=wanted.seed,
            answer_timeout=wanted.answer_timeout,
            answers_to=violations.answers_to,
            leave_probability=RESTLESS,
        )
        self.old = OldClients(
            self.replicas.fronts,
            sessions - sessions * 2 // 3,
            pause,
            wanted.seed,
            leave_probability=RESTLESS,
            answer_timeout=wanted.answer_timeout,
        )

    def _length(self) -> float:
        return self.plan[-1].at + self.plan[-1].lasts

    def __call__(self) -> int:
        """Runs it; its exit code."""
        began = time.monotonic()
        registry = RegistryFaults(self.ports["registry_faults"], self.ports["registry"])
        mishaps = Mishaps(
            self.replicas,
            Links(self.ports["toxiproxy"]),
            registry,
            AdminClient({"bootstrap.servers": self.bootstrap}),
            {"bootstrap.servers": self.bootstrap},
            self.topics,
        )
        watching = threading.Event()
        try:
            with self.replicas.running(), self.answering.running():
                watch = threading.Thread(target=self._watch, args=(watching,), name="watch")
                watch.start()
                started(self.old)
                with self.new.running():
                    self._suffer(mishaps, began)
                    self.old.ending.set()
                self.old.join()
                watching.set()
                watch.join()
                mishaps.close()
                self.replicas.settle()
        finally:
            # Also when something failed: nobody asks or watches for ever.
            self.old.ending.set()
            watching.set()
            registry.close()
        self.report.seconds = time.monotonic() - began
        return self._conclude()

    def _suffer(self, mishaps: Mishaps, began: float) -> None:
        """The schedule, and then as many questions as were wanted."""
        start = time.monotonic()
        for one in self.plan:
            self._wait(lambda planned=one: time.monotonic() - start >= planned.at, began, one)
            self.report.faults.append(vars(one) | {"at": round(time.monotonic() - began, 1)})
            mishaps.happen(one)
        self._wait(lambda: self._asked() >= self.wanted.questions, began, None)

    def _asked(self) -> int:
        return self.new.observations.answered + len(self.old.observations.shown)

    def _wait(self, is_time, began: float, upcoming: Planned | None) -> None:
        while not is_time():
            self._progress(began, upcoming)
            time.sleep(0.2)

    def _progress(self, began: float, upcoming: Planned | None) -> None:
        done = len(self.report.faults) / max(1, len(self.plan))
        if upcoming is None:
            done = min(1.0, self._asked() / max(1, self.wanted.questions))
        bar = "#" * int(done * 30)
        what = f"next: {upcoming.fault}" if upcoming else "questions"
        line = f"  [{bar:30}] {time.monotonic() - began:5.0f} s  {self._asked():7} answered  {what[:40]:40}"
        if sys.stderr.isatty():
            print(line, end="\r", file=sys.stderr, flush=True)

    def _watch(self, ending: threading.Event) -> None:
        while not ending.wait(WATCH):
            self.replicas.watch()

    def _conclude(self) -> int:
        report, new, old = self.report, self.new.observations, self.old.observations
        silent = self.answering.silent
        report.questions = self._asked()
        report.modes = dict(Counter(mode.name for mode in self.answering.modes.values()))
        again, story = self.answering.again, self.answering.story
        report.modes["read more than once"] = len(again)
        report.violations += violations.judge_new(new, silent, story)
        report.violations += violations.judge_old(old, self.answering.modes, silent, again, "plain", story)
        for life in self.replicas.lives:
            report.violations += violations.judge_account(life)
            report.violations += violations.judge_memory(life)
            used = [kib / 1024 for _, kib in life.memory] or [0.0]
            report.replicas.append(
                {"number": life.number, "end": life.end, "first": used[0], "last": used[-1], "account": life.account}
            )
        report.version_1 = {
            "answered": len(old.shown),
            "under another question of its session": violations.slipped(old),
            "timed out": len(old.timed_out),
            **{f"failed: {what}": count for what, count in old.failed.items()},
            **{f"closed: {what}": count for what, count in old.closed.items()},
        }
        report.version_2 = {
            "answered": new.answered,
            "left in the middle": new.left_midway,
            "reloaded": new.reloaded,
            "resumed": new.resumed,
            "not resumed": new.not_resumed,
            "slowest resumption (s)": round(new.slowest_resume, 2),
            "timed out": len(new.timed_out),
            **{f"error: {what}": count for what, count in new.failed.items()},
            **{f"closed: {what}": count for what, count in new.closed.items()},
        }
        page = report.write(self.wanted.folder)
        print(f"  {report.questions} questions answered in {report.seconds:.0f} s under {len(self.plan)} faults")
        for what in report.violations[:20]:
            print(f"  VIOLATION {what}")
        print(f"  report: {page}")
        return 1 if report.violations else 0


def main() -> int:
    """One run."""
    return Run(parse())()


if __name__ == "__main__":
    sys.exit(main())
