"""Prometheus text as `/metrics` gives it."""

import re
from dataclasses import dataclass

SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>[^}]*)\})?\s+(?P<value>\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Metrics:
    """One reading."""

    samples: tuple[tuple[str, dict[str, str], float], ...]

    @classmethod
    def parse(cls, text: str) -> "Metrics":
        """Reads the text format; comments are left aside."""
        samples = []
        for line in text.splitlines():
            found = SAMPLE.match(line)
            if found:
                labels = dict(LABEL.findall(found["labels"] or ""))
                samples.append((found["name"], labels, float(found["value"])))
        return cls(tuple(samples))

    def has(self, name: str) -> bool:
        """Whether there is a sample of that name at all."""
        return any(sample == name for sample, _, _ in self.samples)

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples with that name and those labels; 0 when there is none."""
        return sum(value for sample, own, value in self.samples if sample == name and labels.items() <= own.items())
