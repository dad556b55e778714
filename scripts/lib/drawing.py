"""Dashboards drawn as pictures, without Grafana: its panels, on what a Prometheus has recorded."""

import html
import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dashboards
import grafana
import observing
import prometheus
from common import say
from expressions import WINDOW, Query
from prometheus import Prometheus

_COLUMN, _ROW, _GAP = 58, 27, 8
_COLOURS = ("#3274d9", "#e0752d", "#299c46", "#ad46c1", "#e02f44", "#16a3a3", "#b8860b", "#6b7280")
_LINES = 6
_POINTS = 120

Series = tuple[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class _Span:
    """The time that is drawn."""

    start: float
    end: float

    @property
    def step(self) -> float:
        return max(1.0, (self.end - self.start) / _POINTS)


def draw(scraped: Sequence[str], seconds: float, folder: Path) -> list[Path]:
    """Scrapes for that long, then draws each dashboard of which anything is recorded. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with prometheus.running(observing.RULES, *scraped) as server:
        start = time.time()
        say(f"  scraping {' and '.join(scraped)} for {seconds:.0f} s")
        time.sleep(seconds)
        # The first rates are those of a window that is not full yet.
        span = _Span(start + min(WINDOW, seconds / 2), time.time())
        for file in sorted(dashboards.FOLDER.glob("*.json")):
            page = json.loads(file.read_text())
            picture = _picture(server, page, span)
            if picture:
                target = folder / f"{file.stem}.svg"
                target.write_text(picture)
                files.append(target)
    return files


def _picture(server: Prometheus, page: dict, span: _Span) -> str:
    panels = [(panel, _series(server, panel, span)) for panel in page["panels"]]
    if not any(series for _, series in panels):
        return ""
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel, _ in panels) * _ROW + 40
    width = 24 * _COLUMN + 2 * _GAP
    body = "\n".join(line for panel, series in panels for line in _panel(panel, series, span))
    title = html.escape(page["title"])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">\n'
        f'<rect width="{width}" height="{height}" fill="#f4f5f5"/>\n'
        f'<text x="{_GAP}" y="26" font-size="18" font-weight="bold">{title}</text>\n{body}\n</svg>\n'
    )


def _series(server: Prometheus, panel: dict, span: _Span) -> list[Series]:
    found: list[Series] = []
    for target in panel.get("targets", ()):
        expression = Query("", target["expr"]).now()
        for one in server.over(expression, span.start, span.end, span.step):
            points = [(at, float(value)) for at, value in one["values"]]
            points = [(at, value) for at, value in points if math.isfinite(value)]
            name = _name(target.get("legendFormat", ""), one["metric"])
            if points:
                found.append((name, points))
    # What moves most is drawn; the rest would be a tangle.
    found.sort(key=lambda series: -max(value for _, value in series[1]))
    return found


def _name(legend: str, labels: Mapping[str, str]) -> str:
    if legend == grafana.BY_LABELS:
        return ", ".join(value for label, value in labels.items() if label != "__name__")
    return re.sub(r"\{\{(\w+)\}\}", lambda label: labels.get(label[1], ""), legend)


def _panel(panel: dict, series: list[Series], span: _Span) -> Iterator[str]:
    at = panel["gridPos"]
    x, y = at["x"] * _COLUMN + _GAP, at["y"] * _ROW + 40
    wide, high = at["w"] * _COLUMN - _GAP, at["h"] * _ROW - _GAP
    title = html.escape(panel.get("title", ""))
    if panel["type"] == "row":
        yield f'<text x="{x}" y="{y + 17}" font-size="14" font-weight="bold" fill="#333">{title}</text>'
        return
    yield f'<rect x="{x}" y="{y}" width="{wide}" height="{high}" fill="#fff" stroke="#ddd"/>'
    yield f'<text x="{x + 8}" y="{y + 17}" font-size="12" font-weight="bold">{title}</text>'
    if not series:
        yield f'<text x="{x + 8}" y="{y + 40}" font-size="11" fill="#999">nothing recorded</text>'
        return
    if panel["type"] in ("stat", "gauge", "bargauge", "table"):
        yield from _figures(series, x, y, high)
        return
    yield from _lines(series, span, (x + 46, y + 26, wide - 54, high - 62))
    yield from _legend(series, x + 8, y + high - 22, wide)


def _figures(series: list[Series], x: float, y: float, high: float) -> Iterator[str]:
    shown = series[: max(1, int((high - 26) // 16))]
    for number, (name, points) in enumerate(shown):
        text = f"{html.escape(name[:34])}  {_short(points[-1][1])}"
        yield f'<text x="{x + 8}" y="{y + 38 + 16 * number}" font-size="12">{text}</text>'


def _lines(series: list[Series], span: _Span, box: tuple[float, float, float, float]) -> Iterator[str]:
    left, top, wide, high = box
    values = [value for _, points in series[:_LINES] for _, value in points]
    low, most = min(0.0, *values), max(values)
    most = most if most > low else low + 1
    for share in (0, 0.5, 1):
        level = top + high * (1 - share)
        yield f'<path d="M{left} {level:.1f}h{wide}" stroke="#eee"/>'
        text = _short(low + (most - low) * share)
        yield f'<text x="{left - 5}" y="{level + 4:.1f}" font-size="10" fill="#777" text-anchor="end">{text}</text>'
    for (_, points), colour in zip(series[:_LINES], _COLOURS, strict=False):
        drawn = " ".join(
            f"{left + wide * (at - span.start) / (span.end - span.start):.1f},"
            f"{top + high * (1 - (value - low) / (most - low)):.1f}"
            for at, value in points
        )
        yield f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _legend(series: list[Series], x: float, y: float, wide: float) -> Iterator[str]:
    place = x
    for (name, _), colour in zip(series[:_LINES], _COLOURS, strict=False):
        text = html.escape(name[:24])
        needed = 6.2 * len(text) + 22
        if place + needed > x + wide:
            return
        yield f'<rect x="{place}" y="{y}" width="9" height="3" fill="{colour}"/>'
        yield f'<text x="{place + 13}" y="{y + 5}" font-size="10" fill="#444">{text}</text>'
        place += needed


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    if value and abs(value) < 0.01:
        return f"{value * 1e3:.3g}m"
    return f"{value:.3g}"
