"""Which metrics the code defines, by the names Prometheus gives them, and which label values stand in it."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from common import REPOSITORY, Failure

_SOURCE = REPOSITORY / "crates" / "telemetry" / "src" / "instruments.rs"
_LINE = re.compile(
    r'^\s*\w+: (Count|Gauge|Seconds) = "([a-z_.]+)", "([a-z_]+)"(?: in \[([^\]]*)\])?, "([^"]+)",$', re.MULTILINE
)
# What the exporter makes of a unit; `{…}` is a remark and adds nothing.
_UNITS = {"s": "_seconds", "By": "_bytes", "1": "_ratio"}
_LITERAL = re.compile(r'"(\w+)"')
HISTOGRAM_ENDS = ("_bucket", "_sum", "_count")


@dataclass(frozen=True)
class Metric:
    """A metric by its Prometheus name, without a histogram's endings."""

    name: str
    label: str
    kind: str
    # None where the definition does not list them, or only the build knows them.
    values: frozenset[str] | None

    def series(self) -> list[str]:
        """The names of its series."""
        return [self.name + end for end in HISTOGRAM_ENDS] if self.kind == "Seconds" else [self.name]


@functools.cache
def defined() -> Mapping[str, Metric]:
    """Every metric, by the name of each of its series."""
    found = {}
    for kind, name, label, listed, unit in _LINE.findall(_SOURCE.read_text()):
        end = _UNITS.get(unit, "") if not unit.startswith("{") else ""
        if not unit.startswith("{") and not end:
            raise Failure(f"{name} has the unit {unit}, whose ending is not known to scripts/lib/instruments.py")
        values = frozenset(_LITERAL.findall(listed)) if listed and "env!" not in listed else None
        metric = Metric(name.replace(".", "_") + end + ("_total" if kind == "Count" else ""), label, kind, values)
        found |= dict.fromkeys(metric.series(), metric)
    if not found:
        raise Failure(f"no instrument is found in {_SOURCE.relative_to(REPOSITORY)}: has its form changed?")
    return found


def label_values() -> set[str]:
    """Every literal that could be a label's value: all that stand in the code."""
    sources = REPOSITORY.glob("crates/*/src/**/*.rs")
    return {literal for source in sources for literal in _LITERAL.findall(source.read_text())}
