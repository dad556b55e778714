"""What a PromQL expression asks for, as far as it can be read without Prometheus: metrics, and their labels' values."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import instruments
from instruments import Metric

# What the Collector's connectors record, and what Prometheus itself does.
SPANS = ("traces_span_metrics_calls_total", "traces_span_metrics_duration_milliseconds_bucket")
EDGES = ("traces_service_graph_request_total",)
OTHERS = {"ALERTS", "up", *SPANS, *EDGES}

_METRIC = re.compile(r"(?<![\w:])(answer_gateway_\w+|process_\w+|traces_\w+|ALERTS|up)(?![\w:(])(\{[^}]*\})?")
_RECORDED = re.compile(r"(?<![\w:])((?:replica|service):(answer_gateway_\w+):\w+)(\{[^}]*\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
_COMPARES = re.compile(r"[<>]|==|!=(?!\")|absent\(|resets\(")
# Seconds that a rate looks back in a query that is sent here.
WINDOW = 60
_EVERYWHERE = {"job", "instance", "namespace", "le"}


@dataclass(frozen=True)
class Query:
    """An expression and where it stands."""

    where: str
    expression: str

    def now(self) -> str:
        """As Grafana would send it: everything chosen, and a window that two scrapes fill."""
        chosen = self.expression.replace("$__rate_interval", f"{WINDOW}s").replace("$__range", "1h")
        return re.sub(r'"\$\w+"', '".*"', chosen)

    def may_be_silent(self) -> bool:
        """Whether it can give nothing though everything is recorded: it compares."""
        return bool(_COMPARES.search(self.expression))

    def makes_up(self) -> bool:
        """Whether it is to give a series when nothing is recorded."""
        return self.expression.startswith("absent(")

    def metrics(self) -> set[str]:
        """The names of the series it reads, recordings left aside."""
        return {name for name, _ in _METRIC.findall(self.expression)}

    def recordings(self) -> set[str]:
        """The names of the recordings it reads."""
        return {name for name, _, _ in _RECORDED.findall(self.expression)}

    def selectors(self) -> list[str]:
        """Everything it reads, each with its selector."""
        found = [name + selector for name, selector in _METRIC.findall(self.now())]
        found += [name + selector for name, _, selector in _RECORDED.findall(self.now())]
        return list(dict.fromkeys(found))

    def matched(self) -> Iterator[tuple[Metric, str, str]]:
        """Each metric of the code, a label it is chosen by, and a value."""
        for metric, selector in self._of_the_code():
            for label, values in _MATCHER.findall(selector):
                for value in values.split("|") if label not in _EVERYWHERE else ():
                    yield metric, label, value

    def unknown(self, literals: set[str]) -> Iterator[str]:
        """What it asks for and nothing in the code records."""
        for name in sorted(self.metrics() - set(instruments.defined()) - OTHERS):
            yield f"{self.where} asks for {name}, which nothing records"
        for metric, label, value in self.matched():
            if label != metric.label:
                yield f"{self.where}: {metric.name} has the label {metric.label} and not {label}"
            elif value not in (literals if metric.values is None else metric.values):
                yield f"{self.where}: {metric.name} never has {label}={value}"

    def _of_the_code(self) -> Iterator[tuple[Metric, str]]:
        known = instruments.defined()
        for name, selector in _METRIC.findall(self.expression):
            if name in known:
                yield known[name], selector
        # replica:answer_gateway_errors:increase10m is of answer_gateway_errors_total.
        for _, stem, selector in _RECORDED.findall(self.expression):
            for name in (stem, f"{stem}_total", f"{stem}_count"):
                if name in known:
                    yield known[name], selector


def below(query: Query, recorded: Mapping[str, Query]) -> set[str]:
    """The metrics that a query reads, those behind recordings too."""
    return query.metrics().union(*(below(recorded[name], recorded) for name in query.recordings()))


def chosen_values(queries: Iterable[Query]) -> dict[Metric, set[str]]:
    """The values by which queries choose series of each metric of the code."""
    values: dict[Metric, set[str]] = {}
    for query in queries:
        for metric, _, value in query.matched():
            values.setdefault(metric, set()).add(value)
    return values
