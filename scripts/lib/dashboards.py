"""Reads the Grafana dashboards of deploy/dashboards, and checks what Grafana does not say when it imports them."""

import json
from collections.abc import Iterator
from typing import Any

from common import REPOSITORY
from promql import Query

FOLDER = REPOSITORY / "deploy" / "dashboards"
COLUMNS = 24
# The legend that Grafana makes of the labels' values.
LEGEND_OF_LABELS = "__auto"


def pages() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the name and the content of each dashboard's file."""
    for file in sorted(FOLDER.glob("*.json")):
        yield file.name, json.loads(file.read_text())


def queries() -> Iterator[Query]:
    """Yields each query, with its file, row and panel."""
    for file, page in pages():
        row = ""
        for panel in page["panels"]:
            row = panel["title"] if panel["type"] == "row" else row
            for target in panel.get("targets", ()):
                yield Query(f"{file}: {row} / {panel['title']}", target["expr"])


def problems() -> Iterator[str]:
    """Yields each panel that has another's id or place, or does not ask the chosen data source."""
    for file, page in pages():
        ids, cells = set(), set()
        for panel in page["panels"]:
            where, at = f"{file}: {panel['title']}", panel["gridPos"]
            taken = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            if panel["id"] in ids:
                yield f"{where} has the id of another panel"
            if cells & taken or max(x for x, _ in taken) >= COLUMNS:
                yield f"{where} overlaps another panel or the edge"
            ids, cells = ids | {panel["id"]}, cells | taken
            for target in panel.get("targets", ()):
                if target["datasource"]["uid"] != "${datasource}":
                    yield f"{where} asks another data source than the one chosen at the top of the page"
