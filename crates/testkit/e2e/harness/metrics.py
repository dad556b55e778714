"""Parses the Prometheus text format of `/metrics`."""

import re
from dataclasses import dataclass

SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>[^}]*)\})?\s+(?P<value>\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Metrics:
    """The samples of one scrape."""

    samples: tuple[tuple[str, dict[str, str], float], ...]

    @classmethod
    def parse(cls, text: str) -> "Metrics":
        """Parses the text format and skips comments."""
        samples = []
        for line in text.splitlines():
            found = SAMPLE.match(line)
            if found:
                labels = dict(LABEL.findall(found["labels"] or ""))
                samples.append((found["name"], labels, float(found["value"])))
        return cls(tuple(samples))

    def has(self, name: str) -> bool:
        """Tells whether there is a sample of that name."""
        return any(sample == name for sample, _, _ in self.samples)

    def value(self, name: str, **labels: str) -> float:
        """Returns the sum of the samples with that name and those labels; 0 without any."""
        return sum(value for sample, own, value in self.samples if sample == name and labels.items() <= own.items())
