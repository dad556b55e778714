"""What `scripts/observe` checks: that rules and dashboards ask for what the process records, and lead somewhere."""

import re
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import dashboards
import grafana
import instruments
import prometheus
from common import REPOSITORY, Failure, run, say
from prometheus import Prometheus

RULES = REPOSITORY / "deploy" / "alerts" / "answer-gateway.yaml"
TESTS = REPOSITORY / "deploy" / "alerts" / "tests"
RUNBOOKS = REPOSITORY / "docs" / "runbooks.md"
_HEALTHY = TESTS / "healthy.yaml"

# What the Collector's connectors record, and what Prometheus does itself.
_OTHERS = {
    "ALERTS",
    "up",
    "traces_span_metrics_calls_total",
    "traces_span_metrics_duration_milliseconds_bucket",
    "traces_service_graph_request_total",
}
_METRIC = re.compile(r"(?<![\w:])(answer_gateway_\w+|traces_\w+|ALERTS|up)(?![\w:(])(\{[^}]*\})?")
_RECORDED = re.compile(r"(?<![\w:])((?:replica|service):(answer_gateway_\w+):\w+)(\{[^}]*\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
_EVERYWHERE = {"job", "instance", "namespace", "le"}
_COMPARES = re.compile(r"[<>]|==|!=(?!\")|absent\(|resets\(")
_PATIENCE = 30.0


@dataclass(frozen=True)
class Query:
    """An expression and where it stands."""

    where: str
    expression: str

    def now(self) -> str:
        """As Grafana would send it: everything chosen, a window that two scrapes fill."""
        chosen = self.expression.replace("$__rate_interval", "1m").replace("$__range", "1h")
        return re.sub(r'"\$\w+"', '".*"', chosen)


def rules_below(url: str) -> str:
    """The rules, with their links to the runbooks below a URL."""
    return RULES.read_text().replace("runbook_url: docs/", f"runbook_url: {url.rstrip('/')}/docs/")


def check(page: str | None, *, partial: bool) -> str:
    """Everything that needs no process; `page` is what one shows at /metrics. Returns what was found in order."""
    run(["promtool", "check", "rules", RULES])
    tests = sorted(TESTS.glob("*.yaml"))
    run(["promtool", "test", "rules", *tests], cwd=TESTS)
    with prometheus.running(RULES) as empty:
        rules = empty.rules()
        queries = [*_rule_queries(rules), *_panel_queries()]
        problems = [
            *_stale_dashboards(),
            *_careless_alerts(rules),
            *_untested_alerts(rules, "\n".join(test.read_text() for test in tests)),
            *_unknown_names(queries),
            *(_off_the_page(queries, page, partial=partial) if page is not None else ()),
            *_not_empty(empty, queries),
        ]
    _refuse(problems)
    alerts = sum(rule["type"] == "alerting" for rule in rules)
    return f"{alerts} alerts with tests and runbooks, {len(queries)} queries of rules and dashboards: all in order"


def live(address: str) -> str:
    """Every query on a Prometheus that scrapes the address. Returns how many gave series."""
    _refuse(_strangers(_page_at(address)))
    with prometheus.running(RULES, address) as server:
        _await_scrapes(server, address)
        rules = server.rules()
        _await_recordings(server, rules)
        queries = [*_rule_queries(rules), *_panel_queries()]
        problems, silent, filled = [], [], 0
        for query in queries:
            try:
                series = server.query(query.now())
            except Failure as failure:
                problems.append(f"{query.where}: {failure}")
                continue
            missing = _unrecorded(server, query.now())
            if series:
                filled += 1
            elif missing:
                silent.append(f"  {query.where}: never recorded: {', '.join(missing)}")
            elif not _COMPARES.search(query.expression):
                problems.append(f"{query.where} gives no series, though all it asks for is recorded: {query.now()}")
        firing = server.query('ALERTS{alertstate="firing"}')
    _refuse(problems)
    say("\n".join(["without series, for want of what they ask for:", *silent]))
    names = ", ".join(sorted({alert["metric"]["alertname"] for alert in firing})) or "none"
    silence = f"{len(silent)} ask for what was never recorded"
    return f"{len(queries)} queries ran, {filled} gave series, {silence}; firing: {names}"


def _refuse(problems: Iterable[str]) -> None:
    found = list(problems)
    if found:
        raise Failure("\n".join([f"{len(found)} against the rules", *found]))


# === where queries stand ===


def _rule_queries(rules: Iterable[Mapping[str, object]]) -> Iterator[Query]:
    for rule in rules:
        yield Query(f"{RULES.name}: {rule['name']}", str(rule["query"]))


def _panel_queries() -> Iterator[Query]:
    for file in sorted(dashboards.FOLDER.glob("*.json")):
        for where, expression in grafana.queries(file.read_text()):
            yield Query(f"{file.name}: {where}", expression)


# === what is wrong with them ===


def _stale_dashboards() -> Iterator[str]:
    for file in dashboards.stale():
        yield f"{file.relative_to(REPOSITORY)} is not what scripts/lib/dashboards.py makes; run scripts/observe --write"


def _careless_alerts(rules: Iterable[Mapping[str, object]]) -> Iterator[str]:
    runbooks = RUNBOOKS.read_text()
    anchors = {_anchor(title) for title in re.findall(r"^#+ (.+)$", runbooks, re.MULTILINE)}
    alerts = [rule for rule in rules if rule["type"] == "alerting"]
    for alert in alerts:
        name, labels, annotations = alert["name"], alert["labels"], alert["annotations"]
        if labels.get("severity") not in ("page", "ticket"):
            yield f"{name} has no severity, page or ticket"
        for wanted in ("summary", "description"):
            if not annotations.get(wanted):
                yield f"{name} has no {wanted}"
        file, _, anchor = annotations.get("runbook_url", "").partition("#")
        if file != str(RUNBOOKS.relative_to(REPOSITORY)) or anchor not in anchors:
            yield f"{name} leads to {file}#{anchor}, which is not there"
        if f"](#{anchor})" not in runbooks:
            yield f"{name} is not in the index of {RUNBOOKS.name}"
    names = {_anchor(alert["name"]) for alert in alerts}
    for title in re.findall(r"^### (.+)$", runbooks, re.MULTILINE):
        if _anchor(title) not in names:
            yield f"{RUNBOOKS.name} has a section {title} and no alert has that name"


def _untested_alerts(rules: Iterable[Mapping[str, object]], tests: str) -> Iterator[str]:
    healthy = _HEALTHY.read_text()
    recorded = {rule["name"]: str(rule["query"]) for rule in rules if rule["type"] == "recording"}
    for alert in (rule for rule in rules if rule["type"] == "alerting"):
        if not re.search(rf'exp_samples:[^\n]*(?:\n\s+- [^\n]*)*alertname="{alert["name"]}"', tests):
            yield f"{alert['name']} never fires in a test"
        for metric in sorted(_metrics_below(str(alert["query"]), recorded)):
            if f"{metric}{{" not in healthy:
                yield f"{alert['name']} asks for {metric}, which {_HEALTHY.name} lacks: its silence there says nothing"


def _metrics_below(expression: str, recorded: Mapping[str, str]) -> set[str]:
    found = {name for name, _ in _METRIC.findall(expression)}
    for name, _, _ in _RECORDED.findall(expression):
        found |= _metrics_below(recorded[name], recorded)
    return found


def _unknown_names(queries: Iterable[Query]) -> Iterator[str]:
    known, literals = instruments.defined(), instruments.label_values()
    by_stem = {name.removesuffix("_total"): metric for name, metric in known.items()}
    by_stem |= {metric.name: metric for metric in known.values()}
    for query in queries:
        for name, selector in _METRIC.findall(query.expression):
            if name in known:
                yield from _unknown_labels(query, known[name], selector, literals)
            elif name not in _OTHERS:
                yield f"{query.where} asks for {name}, which nothing records"
        for name, stem, selector in _RECORDED.findall(query.expression):
            if selector and stem in by_stem:
                yield from _unknown_labels(query, by_stem[stem], selector, literals)
            elif selector:
                yield f"{query.where} selects from {name}, whose name names no metric"


def _unknown_labels(query: Query, metric: instruments.Metric, selector: str, literals: set[str]) -> Iterator[str]:
    for label, values in _MATCHER.findall(selector):
        if label != metric.label and label not in _EVERYWHERE:
            yield f"{query.where}: {metric.name} has the label {metric.label} and not {label}"
        for value in values.split("|") if label == metric.label else ():
            if value not in literals:
                yield f"{query.where}: {metric.name} never has {label}={value}"


def _off_the_page(queries: Iterable[Query], page: str, *, partial: bool) -> Iterator[str]:
    there = _series_on(page)
    yield from _strangers(page)
    asked = {name for query in queries for name, _ in _METRIC.findall(query.expression) if name not in _OTHERS}
    for name in sorted(asked - there):
        if partial:
            say(f"  not on the page: {name}")
        else:
            yield f"{name} is asked for and not on the page: nothing records it, or nothing has yet (--partial)"


def _strangers(page: str) -> Iterator[str]:
    known = instruments.defined()
    for name in sorted(_series_on(page) - set(known)):
        yield f"the process records {name}, which scripts/lib/instruments.py does not expect by that name"


def _not_empty(empty: Prometheus, queries: Iterable[Query]) -> Iterator[str]:
    """What nobody records gives no series: no query makes up a value."""
    for query in queries:
        try:
            series = empty.query(query.now())
        except Failure as failure:
            yield f"{query.where}: {failure}"
            continue
        if series and not query.expression.startswith("absent("):
            yield f"{query.where} gives series though nothing was ever recorded: {query.now()}"


# === pages and scrapes ===


def _series_on(page: str) -> set[str]:
    return set(re.findall(r"^(answer_gateway_\w+)", page, re.MULTILINE))


def _page_at(address: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}/metrics", timeout=10) as answer:
            return answer.read().decode()
    except OSError as problem:
        raise Failure(f"no metrics at {address}: {problem}; give the admin port of a running process") from problem


def _await_scrapes(server: Prometheus, address: str) -> None:
    _await(lambda: bool(server.query("sum_over_time(up[1m]) >= 2")), f"Prometheus could not scrape {address} twice")


def _await_recordings(server: Prometheus, rules: Iterable[Mapping[str, object]]) -> None:
    """Waits until each rule whose expression gives series has recorded them."""
    recordings = [rule for rule in rules if rule["type"] == "recording"]

    def done() -> bool:
        return all(server.query(str(rule["name"])) or not server.query(str(rule["query"])) for rule in recordings)

    _await(done, "Prometheus does not evaluate the rules")


def _await(done: object, problem: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise Failure(f"{problem} within {_PATIENCE:.0f} s")
        time.sleep(0.5)


def _unrecorded(server: Prometheus, expression: str) -> list[str]:
    selectors = [name + selector for name, selector in _METRIC.findall(expression)]
    selectors += [name + selector for name, _, selector in _RECORDED.findall(expression)]
    return [selector for selector in dict.fromkeys(selectors) if not server.query(selector)]


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
