"""Draws the dashboards as SVG pictures without Grafana, from what a Prometheus has recorded."""

import html
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dashboards
import observability
import prometheus
from common import say
from prometheus import Prometheus
from promql import RATE_SECONDS, Query

_COLUMN, _ROW, _GAP, _HEAD = 58, 27, 8, 40
_COLOURS = ("#3274d9", "#e0752d", "#299c46", "#ad46c1", "#e02f44", "#16a3a3")
_POINTS = 120


@dataclass(frozen=True)
class _Series:
    """A name for the legend, and values by time."""

    name: str
    points: list[tuple[float, float]]


def draw(scraped: Sequence[str], seconds: float, folder: Path) -> None:
    """Scrapes for that long, then draws each dashboard of which anything is recorded."""
    folder.mkdir(parents=True, exist_ok=True)
    with prometheus.running(observability.RULES, *scraped) as server:
        start = time.time()
        say(f"  scraping {' and '.join(scraped)} for {seconds:.0f} s")
        time.sleep(seconds)
        # The first rates are those of a window that is not full yet.
        span = (start + min(RATE_SECONDS, seconds / 2), time.time())
        for file, page in dashboards.pages():
            panels = [(panel, _recorded(server, panel, span)) for panel in page["panels"]]
            if any(series for _, series in panels):
                target = folder / f"{Path(file).stem}.svg"
                target.write_text(_picture(page["title"], panels, span))
                say(f"  {target}")


def _recorded(server: Prometheus, panel: dict[str, Any], span: tuple[float, float]) -> list[_Series]:
    """Returns the series of a panel, those with the highest values first."""
    step = max(1.0, (span[1] - span[0]) / _POINTS)
    found = []
    for target in panel.get("targets", ()):
        for one in server.query_range(Query("", target["expr"]).now(), *span, step):
            points = [(at, float(value)) for at, value in one["values"] if math.isfinite(float(value))]
            if points:
                found.append(_Series(_legend(target["legendFormat"], one["metric"]), points))
    return sorted(found, key=lambda series: -max(value for _, value in series.points))


def _legend(legend: str, labels: dict[str, str]) -> str:
    if legend == dashboards.LEGEND_OF_LABELS:
        return ", ".join(value for label, value in labels.items() if label != "__name__")
    return re.sub(r"\{\{(\w+)\}\}", lambda label: labels.get(label[1], ""), legend)


def _text(x: float, y: float, words: str, size: int = 11, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" {style}>{html.escape(words)}</text>'


def _picture(title: str, panels: list[tuple[dict[str, Any], list[_Series]]], span: tuple[float, float]) -> str:
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel, _ in panels)
    width, height = dashboards.COLUMNS * _COLUMN + 2 * _GAP, rows * _ROW + _HEAD
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#f4f5f5"/>',
        _text(_GAP, 26, title, 18, 'font-weight="bold"'),
    ]
    for panel, series in panels:
        lines += _panel(panel, series, span)
    return "\n".join([*lines, "</svg>\n"])


def _panel(panel: dict[str, Any], series: list[_Series], span: tuple[float, float]) -> Iterator[str]:
    at = panel["gridPos"]
    x, y = at["x"] * _COLUMN + _GAP, at["y"] * _ROW + _HEAD
    width, height = at["w"] * _COLUMN - _GAP, at["h"] * _ROW - _GAP
    if panel["type"] == "row":
        yield _text(x, y + 17, panel["title"], 14, 'font-weight="bold"')
        return
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="#fff" stroke="#ddd"/>'
    yield _text(x + 8, y + 17, panel["title"], 12, 'font-weight="bold"')
    if not series:
        yield _text(x + 8, y + 40, "nothing recorded", style='fill="#999"')
    elif panel["type"] in ("stat", "gauge", "bargauge", "table"):
        for number, one in enumerate(series[: max(1, (height - 26) // 16)]):
            yield _text(x + 8, y + 38 + 16 * number, f"{one.name[:34]}  {one.points[-1][1]:.3g}", 12)
    else:
        yield from _curves(series[: len(_COLOURS)], span, (x + 46, y + 26, width - 54, height - 62))
        for number, (one, colour) in enumerate(zip(series[: width // 86], _COLOURS, strict=False)):
            yield _text(x + 8 + 86 * number, y + height - 17, one.name[:14], 10, f'fill="{colour}"')


def _curves(series: list[_Series], span: tuple[float, float], box: tuple[float, float, float, float]) -> Iterator[str]:
    left, top, width, height = box
    values = [value for one in series for _, value in one.points]
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1
    for share in (0, 0.5, 1):
        level = top + height * (1 - share)
        yield f'<path d="M{left} {level:.1f}h{width}" stroke="#eee"/>'
        yield _text(left - 5, level + 4, f"{low + (high - low) * share:.3g}", 10, 'fill="#777" text-anchor="end"')
    for one, colour in zip(series, _COLOURS, strict=False):
        points = " ".join(
            f"{left + width * (at - span[0]) / (span[1] - span[0]):.1f},"
            f"{top + height * (high - value) / (high - low):.1f}"
            for at, value in one.points
        )
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
