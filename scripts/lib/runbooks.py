"""Checks docs/runbooks.md: a section and an index row for each alert, and quotations that the product has."""

import re
from collections.abc import Iterable, Iterator, Mapping

import product_metrics
from common import REPOSITORY
from promql import Query

PAGE = REPOSITORY / "docs" / "runbooks.md"
_SETTINGS = REPOSITORY / "docs" / "configuration.md"
_SEVERITIES = ("page", "ticket")
_QUOTED = re.compile(r"`([^`]+)`")
# A sentence about log lines: up to a full stop outside of quotes.
_LOG = re.compile(r"\bLog(?: before the end)?: ((?:`[^`]*`|[^`.])+)")
_SETTING = re.compile(r"[a-z]+(?:\.[a-z_]+)+(?:\.\*)?")


def incomplete_alerts(rules: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """Yields each severity, annotation, section and index row that an alert lacks."""
    page = PAGE.read_text()
    sections = {_anchor(title) for title in re.findall(r"^### (.+)$", page, re.MULTILINE)}
    index = dict(re.findall(r"^\| \[\w+\]\(#(\w+)\) \| (\w+) \|", page, re.MULTILINE))
    alerts = [rule for rule in rules if rule["type"] == "alerting"]
    for alert in alerts:
        name, annotations = alert["name"], alert["annotations"]
        severity, anchor = alert["labels"].get("severity"), _anchor(name)
        if severity not in _SEVERITIES:
            yield f"{name} has no severity of {', '.join(_SEVERITIES)}"
        for wanted in ("summary", "description"):
            if not annotations.get(wanted):
                yield f"{name} has no {wanted}"
        link = f"{PAGE.relative_to(REPOSITORY)}#{anchor}"
        if annotations.get("runbook_url") != link:
            yield f"{name} lacks the runbook_url {link}"
        if anchor not in sections:
            yield f"{name} has no section in {PAGE.name}"
        if index.get(anchor) != severity:
            yield f"{name} is not in the index of {PAGE.name} as a {severity}"
    for stranger in sorted((sections | set(index)) - {_anchor(alert["name"]) for alert in alerts}):
        yield f"{PAGE.name} speaks of {stranger}, and no alert has that name"


def wrong_quotations(recordings: set[str]) -> Iterator[str]:
    """Yields each metric, setting and log line that the page quotes and the product does not have."""
    literals, code, settings = product_metrics.string_literals(), _code(), _SETTINGS.read_text()
    histograms = {metric.name for metric in product_metrics.by_series().values()}
    sections = set(re.findall(r"^## (\w+)", settings, re.MULTILINE))
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        where = f"{PAGE.name}:{number}"
        for quoted in _QUOTED.findall(line):
            query = Query(where, quoted)
            # A histogram is spoken of without its endings.
            yield from query.unknown_names(literals) if quoted not in histograms else ()
            yield from (f"{where} names {name}, which no rule records" for name in query.recordings() - recordings)
            known = f"`{quoted}`" in settings or (quoted.endswith("*") and f"`{quoted[:-1]}" in settings)
            if _SETTING.fullmatch(quoted) and quoted.split(".")[0] in sections and not known:
                yield f"{where} names the setting {quoted}, which {_SETTINGS.name} lacks"
        for sentence in _LOG.findall(line):
            for quoted in _QUOTED.findall(sentence):
                if any(fragment.strip() not in code for fragment in quoted.split("…")):
                    yield f"{where} quotes {quoted!r}, which nothing logs"


def _code() -> str:
    sources = (source.read_text() for source in sorted(REPOSITORY.glob("crates/*/src/**/*.rs")))
    # A literal that goes on in the next line.
    return re.sub(r"\\\n\s*", "", "\n".join(sources))


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
