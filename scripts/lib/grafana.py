"""Dashboards as data, and what Grafana reads of them (schema 39)."""

import json
from dataclasses import dataclass

_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH = 24
# A legend of Grafana's making: the labels' values.
BY_LABELS = "__auto"


@dataclass(frozen=True)
class Panel:
    """One picture. `queries` are pairs of PromQL and the legend; `kind` is Grafana's word for the picture."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    text: str = ""
    # Green below the first, orange from it on, red from the second on; the other way round if the second is less.
    bounds: tuple[float, float] | None = None
    stacked: bool = False
    least: float | None = 0
    most: float | None = None


@dataclass(frozen=True)
class Row:
    """Panels side by side, under a headline."""

    title: str
    panels: tuple[Panel, ...]
    height: int = 8


@dataclass(frozen=True)
class Dashboard:
    """A page. `variables` are pairs of a name and the query of its choices."""

    file: str
    uid: str
    title: str
    text: str
    variables: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    exemplars: bool = False


def rendered(dashboard: Dashboard) -> str:
    """The text of the file."""
    return json.dumps(_page(dashboard), indent=1) + "\n"


def queries(text: str) -> list[tuple[str, str]]:
    """Each query in the text of a file, behind `row / panel`."""
    found, row = [], ""
    for panel in json.loads(text)["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
        found += [(f"{row} / {panel['title']}", target["expr"]) for target in panel.get("targets", ())]
    return found


def _page(dashboard: Dashboard) -> dict[str, object]:
    panels: list[dict[str, object]] = []
    top = 0
    for row in dashboard.rows:
        place = {"x": 0, "y": top, "w": _WIDTH, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": row.title, "gridPos": place, "panels": []})
        width = _WIDTH // len(row.panels)
        for number, panel in enumerate(row.panels):
            place = {"x": number * width, "y": top + 1, "w": width, "h": row.height}
            panels.append({"id": len(panels) + 1, "gridPos": place, **_panel(panel, dashboard.exemplars)})
        top += 1 + row.height
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.text,
        "tags": ["answer-gateway"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource(), *(_variable(*variable) for variable in dashboard.variables)]},
        "links": [_links()],
        "annotations": {"list": []},
        "panels": panels,
    }


def _panel(panel: Panel, exemplars: bool) -> dict[str, object]:
    at_once = panel.kind in ("stat", "table", "bargauge")
    targets = [
        {
            "refId": chr(ord("A") + number),
            "datasource": _DATASOURCE,
            "expr": expr,
            "legendFormat": legend or BY_LABELS,
            "range": not at_once,
            "instant": at_once,
            "format": {"table": "table", "heatmap": "heatmap"}.get(panel.kind, "time_series"),
            "exemplar": exemplars and not at_once,
        }
        for number, (expr, legend) in enumerate(panel.queries)
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": _DATASOURCE,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel.kind),
        "targets": targets,
    }


def _defaults(panel: Panel) -> dict[str, object]:
    defaults: dict[str, object] = {"unit": panel.unit}
    if panel.kind == "timeseries":
        stacking = {"mode": "normal", "group": "A"} if panel.stacked else {"mode": "none"}
        defaults["custom"] = {
            "fillOpacity": 20 if panel.stacked else 5,
            "showPoints": "never",
            "stacking": stacking,
            "thresholdsStyle": {"mode": "dashed" if panel.bounds else "off"},
        }
    if panel.kind == "state-timeline":
        words = {"0": {"text": "no", "color": "red"}, "1": {"text": "yes", "color": "green"}}
        defaults["mappings"] = [{"type": "value", "options": words}]
    bounds = {"min": panel.least, "max": panel.most}
    defaults |= {name: value for name, value in bounds.items() if value is not None}
    if panel.bounds:
        first, second = panel.bounds
        colours = ("green", "orange", "red") if first < second else ("red", "orange", "green")
        steps = zip(colours, (None, *sorted(panel.bounds)), strict=True)
        defaults |= {
            "thresholds": {"mode": "absolute", "steps": [{"color": colour, "value": value} for colour, value in steps]}
        }
    return defaults


def _options(kind: str) -> dict[str, object]:
    if kind == "timeseries":
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    if kind in ("stat", "bargauge"):
        return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    if kind == "heatmap":
        return {"calculate": False, "yAxis": {"unit": "s"}, "legend": {"show": False}}
    return {}


def _datasource() -> dict[str, object]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}


def _variable(name: str, query: str) -> dict[str, object]:
    return {
        "name": name,
        "type": "query",
        "datasource": _DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "sort": 1,
    }


def _links() -> dict[str, object]:
    return {
        "type": "dashboards",
        "title": "answer-gateway",
        "tags": ["answer-gateway"],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
    }
