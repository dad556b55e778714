"""Serves a page of metrics on which everything has been recorded, which no process reaches on demand."""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import product_metrics
import promql
from product_metrics import Metric
from promql import Query

_SPAN_NAMES = ("ask", "publish perguntas", "process respostas", "deliver")


@contextlib.contextmanager
def serving(queries: Iterable[Query]) -> Iterator[str]:
    """Serves every metric, with every label value that queries select by, during the block; yields the address."""
    values = promql.values_by_metric(queries)

    class Page(BaseHTTPRequestHandler):
        scrapes = 0

        def do_GET(self) -> None:
            Page.scrapes += 1
            body = "".join(f"{line}\n" for line in _lines(values, 9 * Page.scrapes)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def _lines(values: Mapping[Metric, set[str]], count: int) -> Iterator[str]:
    for metric in dict.fromkeys(product_metrics.by_series().values()):
        number = 1 if metric.kind == "gauge" else count
        if not metric.label:
            yield f"{metric.name} {number}"
            continue
        for value in sorted(metric.values or values.get(metric, set()) | {"any"}):
            labels = f'{metric.label}="{value}"'
            if metric.kind == "histogram":
                yield from (f'{metric.name}_bucket{{{labels},le="{le}"}} {number}' for le in ("0.1", "+Inf"))
                yield from (f"{metric.name}_{end}{{{labels}}} {number}" for end in ("sum", "count"))
            else:
                yield f"{metric.name}{{{labels}}} {number}"
    calls, durations = promql.SPAN_METRICS
    for name in _SPAN_NAMES:
        labels = f'service_name="answer-gateway",span_name="{name}",span_kind="SPAN_KIND_SERVER"'
        for status in ("STATUS_CODE_UNSET", "STATUS_CODE_ERROR"):
            yield f'{calls}{{{labels},status_code="{status}"}} {count}'
        yield from (f'{durations}{{{labels},le="{le}"}} {count}' for le in ("10", "+Inf"))
    for edges in promql.SERVICE_GRAPH_METRICS:
        yield f'{edges}{{client="answer-gateway",server="kafka"}} {count}'
