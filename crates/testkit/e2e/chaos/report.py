"""The report of a run, written as Markdown for people and as JSON for machines."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class RunReport:
    """The contents of the report. Field names are the keys of report.json."""

    seed: int
    seconds: float = 0.0
    questions: int = 0
    faults: list[dict[str, Any]] = field(default_factory=list)
    modes: dict[str, int] = field(default_factory=dict)
    version_1: dict[str, Any] = field(default_factory=dict)
    version_2: dict[str, Any] = field(default_factory=dict)
    replicas: list[dict[str, Any]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    # When the run began, in UTC; what the answering side went through; what the suite itself did wrong.
    began: str = ""
    answering_side: dict[str, Any] = field(default_factory=dict)
    harness_faults: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> Path:
        """Writes report.md and report.json, and returns the path of report.md."""
        (folder / "report.json").write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")
        page = folder / "report.md"
        page.write_text("\n".join(self._lines()) + "\n")
        return page

    def _lines(self) -> list[str]:
        verdict = "nothing lost, nothing misplaced" if not self.violations else f"{len(self.violations)} violations"
        if self.harness_faults:
            verdict += f", {len(self.harness_faults)} faults of the suite itself"
        summary = f"Seed {self.seed}, {self.seconds:.0f} s, {self.questions} questions answered: **{verdict}**."
        lines = ["# Fault suite", "", f"{summary} Began at {self.began}.", ""]
        lines += [f"- {what}" for what in self.violations[:50]]
        if self.harness_faults:
            lines += ["", "## Faults of the suite itself", "", "They say nothing about the gateways.", ""]
            lines += [f"- {what}" for what in self.harness_faults[:50]]
        lines += ["", "## What was done", "", "| at (s) | fault | on | for (s) |", "|---|---|---|---|"]
        lines += [f"| {one['at']} | {one['fault']} | {one['target']} | {one['lasts']} |" for one in self.faults]
        lines += ["", "## What the answering side did", "", "| mode | questions |", "|---|---|"]
        lines += [f"| {mode} | {count} |" for mode, count in self.modes.items()]
        tables = {"Answering side": self.answering_side, "Version 1": self.version_1, "Version 2": self.version_2}
        for name, seen in tables.items():
            lines += ["", f"## {name}", "", "| what | how often |", "|---|---|"]
            lines += [f"| {what} | {count} |" for what, count in seen.items()]
        lines += ["", "## Replicas", ""]
        lines += ["| replica | end | memory (MiB): first, last | account |", "|---|---|---|---|"]
        for one in self.replicas:
            account = ", ".join(f"{name} {count:.0f}" for name, count in one["account"].items())
            lines.append(f"| {one['number']} | {one['end']} | {one['first']:.0f}, {one['last']:.0f} | {account} |")
        return lines
