"""Which metrics the process defines, as docs/metrics.md has them: a test holds that page to the code."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from common import REPOSITORY, Failure

_PAGE = REPOSITORY / "docs" / "metrics.md"
_CELL = re.compile(r"`([^`]+)`")
_LITERAL = re.compile(r'"(\w+)"')
_HISTOGRAM_ENDS = ("_bucket", "_sum", "_count")


@dataclass(frozen=True)
class Metric:
    """A metric by its Prometheus name, without a histogram's endings."""

    name: str
    kind: str
    # Empty where it has none.
    label: str
    # None where only the build knows them.
    values: frozenset[str] | None

    def series(self) -> list[str]:
        """The names of its series."""
        return [self.name + end for end in _HISTOGRAM_ENDS] if self.kind == "histogram" else [self.name]


@functools.cache
def defined() -> Mapping[str, Metric]:
    """Every metric, by the name of each of its series."""
    metrics = [_metric(line) for line in _PAGE.read_text().splitlines() if line.startswith("| `")]
    if not metrics:
        raise Failure(f"no metric is found in {_PAGE.relative_to(REPOSITORY)}: has its form changed?")
    return {name: metric for metric in metrics for name in metric.series()}


def _metric(row: str) -> Metric:
    name, _, kind, _, label, values = [cell.strip() for cell in row.split("|")[1:7]]
    labels, listed = _CELL.findall(label), frozenset(_CELL.findall(values))
    return Metric(name.strip("`"), kind, labels[0] if labels else "", listed or None)


def label_values() -> set[str]:
    """Every literal that could be a label's value: all that stand in the code."""
    sources = REPOSITORY.glob("crates/*/src/**/*.rs")
    return {literal for source in sources for literal in _LITERAL.findall(source.read_text())}
