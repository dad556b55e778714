"""Reads the metrics that the process defines from docs/metrics.md, which a test compares with the code."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from common import REPOSITORY, Failure

_PAGE = REPOSITORY / "docs" / "metrics.md"
_CELL = re.compile(r"`([^`]+)`")
_LITERAL = re.compile(r'"(\w+)"')


@dataclass(frozen=True)
class Metric:
    """A metric by its Prometheus name, without a histogram's endings.

    `label` is empty where it has none; `values` is None where only the build knows them.
    """

    name: str
    kind: str
    label: str
    values: frozenset[str] | None

    def series(self) -> list[str]:
        """Returns the names of its series."""
        endings = ("_bucket", "_sum", "_count") if self.kind == "histogram" else ("",)
        return [self.name + ending for ending in endings]


@functools.cache
def by_series() -> Mapping[str, Metric]:
    """Returns every metric, by the name of each of its series."""
    metrics = [_metric(line) for line in _PAGE.read_text().splitlines() if line.startswith("| `")]
    if not metrics:
        raise Failure(f"no metric is found in {_PAGE.relative_to(REPOSITORY)}: has its form changed?")
    return {name: metric for metric in metrics for name in metric.series()}


def _metric(row: str) -> Metric:
    name, _, kind, _, label, values = [cell.strip() for cell in row.split("|")[1:7]]
    labels, listed = _CELL.findall(label), frozenset(_CELL.findall(values))
    return Metric(name.strip("`"), kind, labels[0] if labels else "", listed or None)


def string_literals() -> set[str]:
    """Returns every string literal of the code that could be a label's value."""
    sources = REPOSITORY.glob("crates/*/src/**/*.rs")
    return {literal for source in sources for literal in _LITERAL.findall(source.read_text())}
