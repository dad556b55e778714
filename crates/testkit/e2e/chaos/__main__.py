"""Executes one run of the fault suite against a cluster that is already up. Started by scripts/chaos."""

import argparse
import contextlib
import json
import os
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from chaos import violations
from chaos.answer_modes import ANSWER_MODES
from chaos.answering_side import AnsweringSide
from chaos.fault_proxies import RegistryProxy, Toxiproxy
from chaos.faults import FaultInjector
from chaos.lost_questions import LossEvidence
from chaos.reconnecting_clients import ReconnectingClients, start_clients
from chaos.replicas import Replicas
from chaos.report import RunReport
from chaos.run_clock import RunClock
from chaos.schedule import PlannedFault, plan_faults
from chaos.topic_scan import ScanIncompleteError, scan_topic
from harness import unreadable_batches
from harness.resuming_clients import ResumingClients
from harness.stack import Access
from harness.topics import PARTITIONS, create_topics_with_schema

SAMPLE_INTERVAL = 2.0
# Probability per question that a client disconnects in the middle and connects to another replica.
LEAVE_PROBABILITY = 0.03
# Exit codes: a promise of the product was broken; the suite itself failed, and no promise is known to be broken.
EXIT_VIOLATION = 1
EXIT_HARNESS_FAULT = 2


def parse_arguments() -> argparse.Namespace:
    """Parses the arguments that scripts/chaos passes."""
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


class AnsweringSideEndedError(Exception):
    """The answering side has failed, so the run cannot go on."""


class FaultRun:
    """Holds the parts of one run: schedule, gateways, answering side, clients and report."""

    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        self.ports = json.loads(os.environ["AG_STACK_PORTS"])
        self.bootstrap = os.environ["AG_STACK_BOOTSTRAP"]
        registry_url = os.environ["AG_STACK_REGISTRY_URL"]
        access = Access(self.bootstrap, {"bootstrap.servers": self.bootstrap}, {"url": registry_url}, {})
        self.topics = create_topics_with_schema(access, replication=3)
        chosen = {"faults": tuple(arguments.fault)} if arguments.fault else {}
        self.plan = plan_faults(arguments.seed, arguments.rounds, arguments.gap, *chosen.values())
        self.clock = RunClock()
        began = datetime.fromtimestamp(self.clock.began_at, UTC).isoformat(timespec="milliseconds")
        self.report = RunReport(arguments.seed, began=began)
        settings = {
            "GATEWAY__SESSION__ANSWER_TIMEOUT": f"{arguments.answer_timeout}s",
            "GATEWAY__SESSION__PART_TIMEOUT": f"{arguments.answer_timeout}s",
            "GATEWAY__KAFKA__PUBLISH_TIMEOUT": "3s",
            # Together with the longest freeze this is well below the answer timeout.
            "GATEWAY__KAFKA__RECONNECT_TIMEOUT": "10s",
            **unreadable_batches.UNPACK_LIMIT_SETTINGS,
        }
        self.replicas = Replicas(self.ports, self.topics.gateway_settings(), arguments.folder, settings)
        # Lets every mode be active a few times during the schedule.
        mode_seconds = min(10.0, max(2.0, self._planned_seconds() / (3 * len(ANSWER_MODES))))
        self.answering = AnsweringSide(
            self.bootstrap,
            registry_url,
            self.topics,
            PARTITIONS,
            arguments.seed,
            mode_seconds,
            clock=self.clock,
            folder=arguments.folder,
        )
        sessions = arguments.sessions
        pause = 0.05
        self.v2_clients = ResumingClients(
            self.replicas.client_ports,
            sessions * 2 // 3,
            pause=pause,
            seed=arguments.seed,
            answer_timeout=arguments.answer_timeout,
            answers_to=violations.answers_to,
            leave_probability=LEAVE_PROBABILITY,
        )
        self.v1_clients = ReconnectingClients(
            self.replicas.client_ports,
            sessions - sessions * 2 // 3,
            pause,
            arguments.seed,
            leave_probability=LEAVE_PROBABILITY,
            answer_timeout=arguments.answer_timeout,
            clock=self.clock,
        )

    def _planned_seconds(self) -> float:
        return self.plan[-1].at + self.plan[-1].lasts

    def __call__(self) -> int:
        """Executes the run and returns the exit code: 1 when a promise was broken, 2 when the suite failed, else 0."""
        registry = RegistryProxy(self.ports["registry_faults"], self.ports["registry"])
        injector = FaultInjector(
            self.replicas,
            Toxiproxy(self.ports["toxiproxy"]),
            registry,
            AdminClient({"bootstrap.servers": self.bootstrap}),
            {"bootstrap.servers": self.bootstrap},
            self.topics,
        )
        sampling_ended = threading.Event()
        try:
            with self.replicas.running(), self.answering.running():
                sampler = threading.Thread(target=self._sample_processes, args=(sampling_ended,), name="watch")
                sampler.start()
                start_clients(self.v1_clients)
                with self.v2_clients.running():
                    with contextlib.suppress(AnsweringSideEndedError):
                        self._inject_faults(injector)
                    self.v1_clients.ending.set()
                self.v1_clients.join()
                sampling_ended.set()
                sampler.join()
                injector.close_stalled_clients()
                self.replicas.stop_all()
        finally:
            # Stops clients and sampling also when the run failed; the process could not exit otherwise.
            self.v1_clients.ending.set()
            sampling_ended.set()
            registry.close()
        self.report.seconds = self.clock.elapsed()
        return self._write_report()

    def _inject_faults(self, injector: FaultInjector) -> None:
        """Injects the planned faults, then waits until as many questions are answered as the run asks for."""
        start = time.monotonic()
        for one in self.plan:
            self._wait_until(lambda planned=one: time.monotonic() - start >= planned.at, one)
            self.report.faults.append(vars(one) | {"at": round(self.clock.elapsed(), 1)})
            injector.inject(one)
        self._wait_until(lambda: self._answered_count() >= self.arguments.questions, None)

    def _answered_count(self) -> int:
        return self.v2_clients.observations.answered + len(self.v1_clients.observations.shown)

    def _wait_until(self, is_time, upcoming: PlannedFault | None) -> None:
        while not is_time():
            if self.answering.failure:
                raise AnsweringSideEndedError
            self._show_progress(upcoming)
            time.sleep(0.2)

    def _show_progress(self, upcoming: PlannedFault | None) -> None:
        done = len(self.report.faults) / max(1, len(self.plan))
        if upcoming is None:
            done = min(1.0, self._answered_count() / max(1, self.arguments.questions))
        bar = "#" * int(done * 30)
        what = f"next: {upcoming.fault}" if upcoming else "questions"
        line = f"  [{bar:30}] {self.clock.elapsed():5.0f} s  {self._answered_count():7} answered  {what[:40]:40}"
        if sys.stderr.isatty():
            print(line, end="\r", file=sys.stderr, flush=True)

    def _sample_processes(self, ending: threading.Event) -> None:
        while not ending.wait(SAMPLE_INTERVAL):
            self.replicas.sample_processes()

    def _collect_evidence(self, timed_out: list[str]) -> LossEvidence:
        """Looks in the questions' topic for questions that timed out without a reason."""
        scan, failure = None, "no question counts as lost"
        if timed_out:
            try:
                scan = scan_topic({"bootstrap.servers": self.bootstrap}, self.topics.questions, timed_out)
            except (KafkaException, ScanIncompleteError) as error:
                failure = str(error)
        return LossEvidence(self.clock, self.answering.log, self.v1_clients.observations.timeouts, scan, failure)

    def _report_harness_faults(self, timed_out: list[str], evidence: LossEvidence) -> set[str]:
        """Reports what the answering side failed to do, and returns the questions that it lost."""
        faults = self.report.harness_faults
        if self.answering.failure:
            faults.append(f"the answering side has ended: {self.answering.failure!r}")
        faults += [f"the answering side skipped offsets: {offsets}" for offsets in self.answering.log.skipped]
        lost = {question: fault for question in timed_out if (fault := evidence.find_harness_fault(question))}
        faults += [f"{question[-32:]}: {fault}: {evidence.describe(question)}" for question, fault in lost.items()]
        return set(lost)

    def _write_report(self) -> int:
        report, v2, v1 = self.report, self.v2_clients.observations, self.v1_clients.observations
        unanswered = self.answering.unanswered
        unexplained = [question for question in (*v1.timed_out, *v2.timed_out) if question not in unanswered]
        evidence = self._collect_evidence(unexplained)
        unanswered |= self._report_harness_faults(unexplained, evidence)
        report.answering_side = self.answering.log.summary()
        report.questions = self._answered_count()
        report.modes = dict(Counter(mode.name for mode in self.answering.modes.values()))
        read_repeatedly, describe_question = self.answering.read_repeatedly, evidence.describe
        report.modes["read more than once"] = len(read_repeatedly)
        report.violations += violations.find_v2_violations(v2, unanswered, describe_question)
        report.violations += violations.find_v1_violations(
            v1, self.answering.modes, unanswered, read_repeatedly, "plain", describe_question
        )
        for process in self.replicas.processes:
            report.violations += violations.find_ledger_violations(process)
            report.violations += violations.find_memory_violations(process)
            used = [kib / 1024 for _, kib in process.memory] or [0.0]
            report.replicas.append(
                {
                    "number": process.number,
                    "end": process.end,
                    "first": used[0],
                    "last": used[-1],
                    "account": process.account,
                }
            )
        report.version_1 = {
            "answered": len(v1.shown),
            "under another question of its session": violations.count_misplaced(v1),
            "timed out": len(v1.timed_out),
            **{f"failed: {what}": count for what, count in v1.failed.items()},
            **{f"closed: {what}": count for what, count in v1.closed.items()},
        }
        report.version_2 = {
            "answered": v2.answered,
            "left in the middle": v2.left_midway,
            "reloaded": v2.reloaded,
            "resumed": v2.resumed,
            "not resumed": v2.not_resumed,
            "slowest resumption (s)": round(v2.slowest_resume, 2),
            "timed out": len(v2.timed_out),
            **{f"error: {what}": count for what, count in v2.failed.items()},
            **{f"closed: {what}": count for what, count in v2.closed.items()},
        }
        page = report.write(self.arguments.folder)
        print(f"  {report.questions} questions answered in {report.seconds:.0f} s under {len(self.plan)} faults")
        for what in report.violations[:20]:
            print(f"  VIOLATION {what}")
        for what in report.harness_faults[:20]:
            print(f"  FAULT OF THE SUITE {what}")
        print(f"  report: {page}")
        if report.violations:
            return EXIT_VIOLATION
        return EXIT_HARNESS_FAULT if report.harness_faults else 0


def main() -> int:
    """Executes one run and returns its exit code."""
    return FaultRun(parse_arguments())()


if __name__ == "__main__":
    sys.exit(main())
