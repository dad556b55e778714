"""Proves that `scripts/observe` refuses: mistakes are made in a copy of the tree, and each must be named."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from checks.selftest import copy_tree
from common import REPOSITORY, Failure

_RULES = "deploy/alerts/answer-gateway.yaml"
_HEALTHY = "deploy/alerts/tests/healthy.yaml"
_KAFKA = "deploy/alerts/tests/kafka.yaml"
_RUNBOOKS = "docs/runbooks.md"
_PAGES = "scripts/lib/dashboards.py"
_OWNER = "deploy/dashboards/service-owner.json"


@dataclass(frozen=True)
class Mistake:
    """`old` becomes `new` in a file, and `words` must be said."""

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
    Mistake(_RULES, "#answergatewayabsent", "#absent", "AnswerGatewayAbsent has not the runbook_url"),
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
    Mistake(_OWNER, '"Error rate"', '"Errors"', "service-owner.json is not what scripts/lib/dashboards.py makes"),
    Mistake(_OWNER, "sum by (kind) (rate(answer_gateway_errors_total{", "sum by (kind) (rate(answer_gateway_errors{",
            "service-owner.json: Do people get their answers? / Errors asks for answer_gateway_errors,"),
    Mistake(_OWNER, "sum by (state) (answer_gateway_sessions{", "sum by (state (answer_gateway_sessions{",
            "parse error"),
)  # fmt: skip

# Seen only where everything else is in order, and everything recorded.
LATE_MISTAKE = Mistake(
    _PAGES, "/ ignoring (bound) answer_gateway_", "/ on (bound) answer_gateway_",
    "gives no series, though all it asks for is recorded",
)  # fmt: skip


def run() -> str:
    """Makes the mistakes; a `Failure` names those that were not refused."""
    missed = [*_missed(MISTAKES), *_missed((LATE_MISTAKE,), "--write")]
    if missed:
        raise Failure("\n".join(["not refused:", *missed]))
    return f"{len(MISTAKES) + 1} mistakes made, all refused"


def _missed(mistakes: tuple[Mistake, ...], *before: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="answer-gateway-selftest-") as name:
        tree = Path(name)
        copy_tree(REPOSITORY, tree)
        for mistake in mistakes:
            path = tree / mistake.file
            text = path.read_text()
            if mistake.old not in text:
                raise Failure(f"{mistake.file} has no {mistake.old!r} to make a mistake of; mend the self-test")
            path.write_text(text.replace(mistake.old, mistake.new, 1))
        if before:
            _observe(tree, *before)
        code, said = _observe(tree)
    for mistake in mistakes:
        if code == 0 or mistake.words not in said:
            refusals = said[max(0, said.find("against the rules")) :]
            yield f"  {mistake.file}: {mistake.new!r}: {mistake.words!r} is not in\n{refusals}"


def _observe(tree: Path, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, tree / "scripts" / "observe", *arguments]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr
