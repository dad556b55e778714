"""Reads metrics, labels and label values from PromQL, as far as that is possible without Prometheus."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import product_metrics
from product_metrics import Metric

# Recorded by the Collector's connectors, and by Prometheus itself.
SPAN_METRICS = ("traces_span_metrics_calls_total", "traces_span_metrics_duration_milliseconds_bucket")
SERVICE_GRAPH_METRICS = ("traces_service_graph_request_total",)
OTHER_METRICS = {"ALERTS", "up", *SPAN_METRICS, *SERVICE_GRAPH_METRICS}
# The window in seconds of a rate in a query that is sent from here.
RATE_SECONDS = 60

_METRIC = re.compile(r"(?<![\w:])(answer_gateway_\w+|process_\w+|traces_\w+|ALERTS|up)(?![\w:(])(\{[^}]*\})?")
_RECORDING = re.compile(r"(?<![\w:])((?:replica|service):(answer_gateway_\w+):\w+)(\{[^}]*\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
_COMPARISON = re.compile(r"[<>]|==|!=(?!\")|absent\(|resets\(")
_COMMON_LABELS = {"job", "instance", "namespace", "le"}


@dataclass(frozen=True)
class Query:
    """An expression, and the place it is from."""

    where: str
    expression: str

    def now(self) -> str:
        """Returns it as Grafana would send it: every choice made, and a window that two scrapes fill."""
        chosen = self.expression.replace("$__rate_interval", f"{RATE_SECONDS}s").replace("$__range", "1h")
        return re.sub(r'"\$\w+"', '".*"', chosen)

    def is_comparison(self) -> bool:
        """Whether it may give no series though everything is recorded."""
        return bool(_COMPARISON.search(self.expression)) or self.metrics() == {"ALERTS"}

    def is_absence(self) -> bool:
        """Whether it gives a series when nothing is recorded."""
        return self.expression.startswith("absent(")

    def metrics(self) -> set[str]:
        """Returns the names of the series it reads, without recordings."""
        return {name for name, _ in _METRIC.findall(self.expression)}

    def recordings(self) -> set[str]:
        """Returns the names of the recordings it reads."""
        return {name for name, _, _ in _RECORDING.findall(self.expression)}

    def all_metrics(self, recorded: Mapping[str, "Query"]) -> set[str]:
        """Returns the names of the series it reads, also through recordings."""
        return self.metrics().union(*(recorded[name].all_metrics(recorded) for name in self.recordings()))

    def selectors(self) -> list[str]:
        """Returns everything it reads, each with its selector."""
        found = [name + selector for name, selector in _METRIC.findall(self.now())]
        found += [name + selector for name, _, selector in _RECORDING.findall(self.now())]
        return list(dict.fromkeys(found))

    def label_values(self) -> Iterator[tuple[Metric, str, str]]:
        """Yields each metric of the process with a label and a value that it is selected by."""
        known = product_metrics.by_series()
        selected = _METRIC.findall(self.expression)
        # replica:answer_gateway_errors:increase10m is of answer_gateway_errors_total.
        for _, stem, selector in _RECORDING.findall(self.expression):
            selected += [(name, selector) for name in (stem, f"{stem}_total", f"{stem}_count")]
        for name, selector in selected:
            for label, values in _MATCHER.findall(selector) if name in known else ():
                for value in values.split("|") if label not in _COMMON_LABELS else ():
                    yield known[name], label, value

    def unknown_names(self, literals: set[str]) -> Iterator[str]:
        """Yields each metric, label and value that nothing in the code records, as a sentence."""
        for name in sorted(self.metrics() - set(product_metrics.by_series()) - OTHER_METRICS):
            yield f"{self.where} asks for {name}, which nothing records"
        for metric, label, value in self.label_values():
            if label != metric.label:
                yield f"{self.where}: {metric.name} has the label {metric.label} and not {label}"
            elif value not in (literals if metric.values is None else metric.values):
                yield f"{self.where}: {metric.name} never has {label}={value}"


def values_by_metric(queries: Iterable[Query]) -> dict[Metric, set[str]]:
    """Returns the label values that queries select by, for each metric of the process."""
    values: dict[Metric, set[str]] = {}
    for query in queries:
        for metric, _, value in query.label_values():
            values.setdefault(metric, set()).add(value)
    return values
