"""What `scripts/observe` checks: that rules and dashboards ask for what the process records, and lead somewhere."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import dashboards
import expressions
import grafana
import instruments
import pretended
import prometheus
import runbooks
from common import LOOPBACK, REPOSITORY, Failure, run, say
from expressions import OTHERS, Query
from prometheus import Prometheus

RULES = REPOSITORY / "deploy" / "alerts" / "answer-gateway.yaml"
TESTS = REPOSITORY / "deploy" / "alerts" / "tests"
_HEALTHY = TESTS / "healthy.yaml"
_PATIENCE = 30.0


def rules_below(url: str) -> str:
    """The rules, with their links to the runbooks below a URL."""
    return RULES.read_text().replace("runbook_url: docs/", f"runbook_url: {url.rstrip('/')}/docs/")


def check(page: str | None, *, partial: bool) -> str:
    """Everything that needs no process; `page` is what one shows at /metrics. Returns what was found in order."""
    run(["promtool", "check", "rules", RULES])
    problems = list(_failed_tests())
    with prometheus.running(RULES) as empty:
        rules = empty.rules()
        queries = [*_rule_queries(rules), *_panel_queries()]
        problems += [
            *_stale_dashboards(),
            *runbooks.careless(rules),
            *runbooks.outdated({rule["name"] for rule in rules if rule["type"] == "recording"}),
            *_untested_alerts(rules),
            *_unknown_names(queries),
            *(_off_the_page(queries, page, partial=partial) if page is not None else ()),
            *_not_empty(empty, queries),
        ]
    _refuse(problems)
    with pretended.serving(queries) as address, prometheus.running(RULES, address) as full:
        found = _asked(full, queries, address)
    _refuse([*found.problems, *found.unrecorded, *_empty_panels(found)])
    alerts = sum(rule["type"] == "alerting" for rule in rules)
    return f"{alerts} alerts with tests and runbooks, {len(queries)} queries of rules and dashboards: all in order"


def live(address: str, *collector: str) -> str:
    """Every query on a Prometheus that scrapes the address of a process, and one of what a Collector makes of its
    spans. Returns how many gave series."""
    _refuse(_strangers(_page_at(address)))
    with prometheus.running(RULES, address, *collector) as server:
        queries = [*_rule_queries(server.rules()), *_panel_queries()]
        found = _asked(server, queries, address, *collector)
        firing = server.query('ALERTS{alertstate="firing"}')
    say("\n".join(["no series, for want of what was never recorded:", *(f"  {one}" for one in found.unrecorded)]))
    _refuse(found.problems)
    names = ", ".join(sorted({alert["metric"]["alertname"] for alert in firing})) or "none"
    counts = f"{found.filled} gave series, {len(found.silent)} compare and had nothing to say"
    return (
        f"{len(queries)} queries ran: {counts}, {len(found.unrecorded)} want what was never recorded\n"
        f"alerts that fire: {names}"
    )


def _refuse(problems: Iterable[str]) -> None:
    found = list(problems)
    if found:
        raise Failure("\n".join([f"{len(found)} against the rules", *found]))


# === where queries stand ===


def _rule_queries(rules: Iterable[Mapping[str, object]]) -> Iterator[Query]:
    for rule in rules:
        yield _query_of(rule)


def _query_of(rule: Mapping[str, object]) -> Query:
    return Query(f"{RULES.name}: {rule['name']}", str(rule["query"]))


def _panel_queries() -> Iterator[Query]:
    for file in sorted(dashboards.FOLDER.glob("*.json")):
        for where, expression in grafana.queries(file.read_text()):
            yield Query(f"{file.name}: {where}", expression)


# === what can be wrong with them ===


def _failed_tests() -> Iterator[str]:
    try:
        run(["promtool", "test", "rules", *sorted(TESTS.glob("*.yaml"))], cwd=TESTS)
    except Failure as failure:
        yield str(failure)


def _stale_dashboards() -> Iterator[str]:
    for file in dashboards.stale():
        yield f"{file.relative_to(REPOSITORY)} is not what scripts/lib/dashboards.py makes; run scripts/observe --write"


def _untested_alerts(rules: Iterable[Mapping[str, object]]) -> Iterator[str]:
    tests = "\n".join(test.read_text() for test in sorted(TESTS.glob("*.yaml")))
    expected = set(re.findall(r"labels: '\{alertname=\"(\w+)\"", tests))
    healthy = _HEALTHY.read_text()
    recorded = {rule["name"]: _query_of(rule) for rule in rules if rule["type"] == "recording"}
    for alert in (rule for rule in rules if rule["type"] == "alerting"):
        if alert["name"] not in expected:
            yield f"{alert['name']} never fires in a test"
        for metric in sorted(expressions.below(_query_of(alert), recorded)):
            if f"'{metric}{{" not in healthy:
                yield f"{alert['name']} asks for {metric}, which {_HEALTHY.name} lacks: its silence there says nothing"


def _unknown_names(queries: Iterable[Query]) -> Iterator[str]:
    literals = instruments.label_values()
    for query in queries:
        yield from query.unknown(literals)


def _off_the_page(queries: Iterable[Query], page: str, *, partial: bool) -> Iterator[str]:
    yield from _strangers(page)
    asked = set().union(*(query.metrics() for query in queries)) - OTHERS
    for name in sorted(asked - _series_on(page)):
        if partial:
            say(f"  not on the page: {name}")
        else:
            yield f"{name} is asked for and not on the page: nothing records it, or nothing has yet (--partial)"


def _strangers(page: str) -> Iterator[str]:
    known = instruments.defined()
    for name in sorted(_series_on(page) - set(known)):
        yield f"the process records {name}, which docs/metrics.md does not know by that name"


def _not_empty(empty: Prometheus, queries: Iterable[Query]) -> Iterator[str]:
    """What nobody records gives no series: no query makes up a value."""
    for query in queries:
        try:
            series = empty.query(query.now())
        except Failure as failure:
            yield f"{query.where}: {failure}"
            continue
        if series and not query.makes_up():
            yield f"{query.where} gives series though nothing was ever recorded: {query.now()}"


# === a Prometheus that scrapes ===


@dataclass
class _Found:
    """What became of the queries."""

    problems: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)
    filled: int = 0
    silent: list[Query] = field(default_factory=list)


def _asked(server: Prometheus, queries: Iterable[Query], *scraped: str) -> _Found:
    twice = f"count(sum_over_time(up[1m]) >= 2) == {len(scraped)}"
    _await(lambda: bool(server.query(twice)), f"Prometheus could not scrape {' and '.join(scraped)} twice")
    _await_recordings(server)
    found = _Found()
    for query in queries:
        try:
            series = server.query(query.now())
        except Failure as failure:
            found.problems.append(f"{query.where}: {failure}")
            continue
        missing = [one for one in query.selectors() if not series and not server.query(one)]
        if series:
            found.filled += 1
        elif query.may_be_silent() or query.metrics() == {"ALERTS"}:
            found.silent.append(query)
        elif missing:
            found.unrecorded.append(f"{query.where}: {', '.join(missing)}")
        else:
            found.problems.append(f"{query.where} gives no series, though all it asks for is recorded: {query.now()}")
    return found


def _empty_panels(found: _Found) -> Iterator[str]:
    """Panels that stay empty where everything is recorded, though no alert fires there."""
    for query in found.silent:
        if not query.where.startswith(RULES.name) and query.metrics() != {"ALERTS"}:
            yield f"{query.where} gives no series, though everything is recorded: {query.now()}"


def _await_recordings(server: Prometheus) -> None:
    """Waits until every rule that has something to record has done so."""
    recordings = [rule for rule in server.rules() if rule["type"] == "recording"]

    def done() -> bool:
        return all(server.query(str(rule["name"])) or not server.query(str(rule["query"])) for rule in recordings)

    _await(done, "Prometheus does not evaluate the rules")


def _await(done: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise Failure(f"{problem} within {_PATIENCE:.0f} s")
        time.sleep(0.5)


def _page_at(address: str) -> str:
    try:
        with LOOPBACK.open(f"http://{address}/metrics", timeout=10) as answer:
            return answer.read().decode()
    except OSError as problem:
        raise Failure(f"no metrics at {address}: {problem}; give the admin port of a running process") from problem


def _series_on(page: str) -> set[str]:
    return set(re.findall(r"^(answer_gateway_\w+)", page, re.MULTILINE))
