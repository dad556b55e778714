"""Checks alert rules, runbooks and dashboards against the code and a real Prometheus."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dashboards
import fake_metrics
import product_metrics
import prometheus
import runbooks
from common import LOOPBACK, REPOSITORY, Failure, fail_with, run, say
from prometheus import Prometheus, await_true
from promql import Query

RULES = REPOSITORY / "deploy" / "alerts" / "answer-gateway.yaml"
_TESTS = REPOSITORY / "deploy" / "alerts" / "tests"
_HEALTHY = _TESTS / "healthy.yaml"
_HEADLINE = "{} broken rules"


def rules_with_links(url: str) -> str:
    """Returns the alert rules, with their links to the runbooks below a URL."""
    return RULES.read_text().replace("runbook_url: docs/", f"runbook_url: {url.rstrip('/')}/docs/")


def check() -> str:
    """Makes every check that needs no process, and returns a summary."""
    run(["promtool", "check", "rules", RULES])
    problems = list(_failed_tests())
    with prometheus.running(RULES) as empty:
        rules = empty.rules()
        queries = _queries(rules)
        literals = product_metrics.string_literals()
        problems += [
            *dashboards.problems(),
            *runbooks.incomplete_alerts(rules),
            *runbooks.wrong_quotations({rule["name"] for rule in rules if rule["type"] == "recording"}),
            *_untested_alerts(rules),
            *(problem for query in queries for problem in query.unknown_names(literals)),
            *_invented_series(empty, queries),
        ]
    fail_with(problems, _HEADLINE)
    with fake_metrics.serving(queries) as address, prometheus.running(RULES, address) as full:
        results = _run_queries(full, queries, address)
    fail_with([*results.problems, *results.unrecorded, *_empty_panels(results)], _HEADLINE)
    alerts = sum(rule["type"] == "alerting" for rule in rules)
    return f"{alerts} alerts with tests and runbooks, {len(queries)} queries of rules and dashboards: no problem"


def check_process(address: str, *collector: str) -> str:
    """Runs every query on a Prometheus that scrapes a process and a Collector's span metrics; returns a summary."""
    fail_with(list(_undocumented_metrics(address)), _HEADLINE)
    with prometheus.running(RULES, address, *collector) as server:
        queries = _queries(server.rules())
        results = _run_queries(server, queries, address, *collector)
        firing = server.query('ALERTS{alertstate="firing"}')
    say("\n".join(["no series, because nothing was recorded:", *(f"  {one}" for one in results.unrecorded)]))
    fail_with(results.problems, _HEADLINE)
    names = ", ".join(sorted({alert["metric"]["alertname"] for alert in firing})) or "none"
    counts = f"{results.filled} gave series, {len(results.silent)} compare and gave none"
    return (
        f"{len(queries)} queries ran: {counts}, {len(results.unrecorded)} ask for what was never recorded\n"
        f"alerts that fire: {names}"
    )


def _queries(rules: Iterable[Mapping[str, Any]]) -> list[Query]:
    return [*map(_rule_query, rules), *dashboards.queries()]


def _rule_query(rule: Mapping[str, Any]) -> Query:
    return Query(f"{RULES.name}: {rule['name']}", str(rule["query"]))


def _failed_tests() -> Iterator[str]:
    try:
        run(["promtool", "test", "rules", *sorted(_TESTS.glob("*.yaml"))], cwd=_TESTS)
    except Failure as failure:
        yield str(failure)


def _untested_alerts(rules: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    tests = "\n".join(test.read_text() for test in sorted(_TESTS.glob("*.yaml")))
    expected = set(re.findall(r"labels: '\{alertname=\"(\w+)\"", tests))
    healthy = _HEALTHY.read_text()
    recorded = {rule["name"]: _rule_query(rule) for rule in rules if rule["type"] == "recording"}
    for alert in (rule for rule in rules if rule["type"] == "alerting"):
        if alert["name"] not in expected:
            yield f"{alert['name']} never fires in a test"
        for metric in sorted(_rule_query(alert).all_metrics(recorded)):
            if f"'{metric}{{" not in healthy:
                yield f"{alert['name']} asks for {metric}, which {_HEALTHY.name} lacks: silence there proves nothing"


def _undocumented_metrics(address: str) -> Iterator[str]:
    try:
        with LOOPBACK.open(f"http://{address}/metrics", timeout=10) as answer:
            page = answer.read().decode()
    except OSError as problem:
        raise Failure(f"no metrics at {address}: {problem}; give the admin port of a running process") from problem
    series = set(re.findall(r"^(answer_gateway_\w+)", page, re.MULTILINE))
    for name in sorted(series - set(product_metrics.by_series())):
        yield f"the process records {name}, which docs/metrics.md does not have"


def _invented_series(empty: Prometheus, queries: Iterable[Query]) -> Iterator[str]:
    """Yields queries that give series where nothing is recorded."""
    for query in queries:
        try:
            if empty.query(query.now()) and not query.is_absence():
                yield f"{query.where} gives series though nothing was ever recorded: {query.now()}"
        except Failure as failure:
            yield f"{query.where}: {failure}"


@dataclass
class _QueryResults:
    """The outcome of every query on one Prometheus."""

    problems: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)
    filled: int = 0
    silent: list[Query] = field(default_factory=list)


def _run_queries(server: Prometheus, queries: Iterable[Query], *scraped: str) -> _QueryResults:
    """Runs every query once everything was scraped twice and every rule with something to record has done so."""
    twice = f"count(sum_over_time(up[1m]) >= 2) == {len(scraped)}"
    await_true(lambda: bool(server.query(twice)), lambda: f"Prometheus did not scrape {' and '.join(scraped)} twice")
    recordings = [rule for rule in server.rules() if rule["type"] == "recording"]
    await_true(
        lambda: all(server.query(rule["name"]) or not server.query(rule["query"]) for rule in recordings),
        lambda: "Prometheus did not evaluate the rules",
    )
    results = _QueryResults()
    for query in queries:
        try:
            series = server.query(query.now())
        except Failure as failure:
            results.problems.append(f"{query.where}: {failure}")
            continue
        if series:
            results.filled += 1
        elif query.is_comparison():
            results.silent.append(query)
        elif missing := [one for one in query.selectors() if not server.query(one)]:
            results.unrecorded.append(f"{query.where}: {', '.join(missing)}")
        else:
            results.problems.append(f"{query.where} gives no series, though all it asks for is recorded: {query.now()}")
    return results


def _empty_panels(results: _QueryResults) -> Iterator[str]:
    """Yields panels that stay empty where everything is recorded."""
    for query in results.silent:
        if not query.where.startswith(RULES.name) and query.metrics() != {"ALERTS"}:
            yield f"{query.where} gives no series, though everything is recorded: {query.now()}"
