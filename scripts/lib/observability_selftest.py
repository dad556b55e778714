"""Proves that `scripts/observe` refuses: makes mistakes in a copy of the tree, and expects a message about each."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from checks.selftest import copy_tree
from common import REPOSITORY, Failure, fail_with

_RULES = "deploy/alerts/answer-gateway.yaml"
_HEALTHY = "deploy/alerts/tests/healthy.yaml"
_KAFKA = "deploy/alerts/tests/kafka.yaml"
_RUNBOOKS = "docs/runbooks.md"
_OWNER = "deploy/dashboards/service-owner.json"
_ON_CALL = "deploy/dashboards/on-call.json"


@dataclass(frozen=True)
class Mistake:
    """A replacement of `old` by `new` in a file, and words of the message about it."""

    file: str
    old: str
    new: str
    words: str


MISTAKES = (
    Mistake(_RULES, "answer_gateway_kafka_up == 0", "answer_gateway_kafka_is_up == 0",
            "AnswerGatewayKafkaDown asks for answer_gateway_kafka_is_up, which nothing records"),
    Mistake(_RULES, 'scope="sum"', 'scope="summ"', "answer_gateway_consumer_lag never has scope=summ"),
    Mistake(_RULES, 'kind="accept_failed"', 'result="accept_failed"',
            "answer_gateway_errors_total has the label kind and not result"),
    Mistake(_RULES, "severity: ticket", "severity: warning", "has no severity of page, ticket"),
    Mistake(_RULES, "#answergatewayabsent", "#absent", "AnswerGatewayAbsent lacks the runbook_url"),
    Mistake(_RULES, "answer_gateway_registry_up == 0", "answer_gateway_registry_up == 0 or vector(0)",
            "AnswerGatewayRegistryDown gives series though nothing was ever recorded"),
    Mistake(_RULES, "bound) answer_gateway_sessions_owed", "code) answer_gateway_sessions_owed", "process.yaml"),
    Mistake(_HEALTHY, "'answer_gateway_kafka_reconnects_total{", "'answer_gateway_reconnects_total{",
            "AnswerGatewayKafkaReconnects asks for answer_gateway_kafka_reconnects_total, which healthy.yaml lacks"),
    Mistake(_KAFKA, 'alertname="AnswerGatewayGroupShared"', 'alertname="AnswerGatewayGroups"',
            "AnswerGatewayGroupShared never fires in a test"),
    Mistake(_RUNBOOKS, "### AnswerGatewayPanicked", "### AnswerGatewayPanics",
            "AnswerGatewayPanicked has no section in runbooks.md"),
    Mistake(_RUNBOOKS, "| [AnswerGatewayAcceptFails](#answergatewayacceptfails) | page |",
            "| [AnswerGatewayAcceptFails](#answergatewayacceptfails) | ticket |",
            "AnswerGatewayAcceptFails is not in the index of runbooks.md as a page"),
    Mistake(_RUNBOOKS, "`answer_gateway_sessions_owed`", "`answer_gateway_owed`",
            "asks for answer_gateway_owed, which nothing records"),
    Mistake(_RUNBOOKS, "`registry.request_timeout`", "`registry.timeout`", "names the setting registry.timeout"),
    Mistake(_RUNBOOKS, "`partition paused until", "`partition stops until", "quotes 'partition stops until"),
    Mistake(_OWNER, '"id": 2,', '"id": 3,', "service-owner.json: Error rate has the id of another panel"),
    Mistake(_OWNER, '"x": 6,', '"x": 5,', "service-owner.json: Error rate overlaps another panel"),
    Mistake(_ON_CALL, '"uid": "${datasource}"\n     },\n     "expr"', '"uid": "prometheus"\n     },\n     "expr"',
            "on-call.json: Replicas that serve asks another data source"),
    Mistake(_OWNER, "sum by (kind) (rate(answer_gateway_errors_total{", "sum by (kind) (rate(answer_gateway_errors{",
            "service-owner.json: Do people get their answers? / Error rate asks for answer_gateway_errors,"),
    Mistake(_OWNER, "sum by (state) (answer_gateway_sessions{", "sum by (state (answer_gateway_sessions{",
            "parse error"),
)  # fmt: skip

# Noticed only where everything else is correct, and everything is recorded.
LATE_MISTAKES = (
    Mistake(_ON_CALL, "/ ignoring (bound) answer_gateway_", "/ on (bound) answer_gateway_",
            "gives no series, though all it asks for is recorded"),
)  # fmt: skip


def run() -> str:
    """Makes the mistakes, raises a `Failure` that names those that were not refused, and returns a summary."""
    fail_with([*_missed(MISTAKES), *_missed(LATE_MISTAKES)], "{} mistakes not refused:")
    return f"{len(MISTAKES) + len(LATE_MISTAKES)} mistakes made, all refused"


def _missed(mistakes: Sequence[Mistake]) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="answer-gateway-selftest-") as name:
        tree = Path(name)
        copy_tree(REPOSITORY, tree)
        for mistake in mistakes:
            path = tree / mistake.file
            text = path.read_text()
            if mistake.old not in text:
                raise Failure(f"{mistake.file} has no {mistake.old!r} to replace; correct the self-test")
            path.write_text(text.replace(mistake.old, mistake.new, 1))
        command = [sys.executable, tree / "scripts" / "observe"]
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    for mistake in mistakes:
        if done.returncode == 0 or mistake.words not in output:
            refusals = output[max(0, output.find("broken rules")) :]
            yield f"  {mistake.file}: {mistake.new!r}: {mistake.words!r} is not in\n{refusals}"
