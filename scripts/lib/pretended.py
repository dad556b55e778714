"""A page of metrics on which everything has been recorded, served on loopback: no process gets that far at will."""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import expressions
import instruments
from expressions import Query
from instruments import Metric

_SPAN_NAMES = ("ask", "publish perguntas", "process respostas", "deliver")
_FURTHER = "any"


@contextlib.contextmanager
def serving(queries: Iterable[Query]) -> Iterator[str]:
    """The address of such a page for as long as the block runs: every metric, under every value that queries choose."""
    values = expressions.chosen_values(queries)

    class Page(BaseHTTPRequestHandler):
        scrapes = 0

        def do_GET(self) -> None:
            Page.scrapes += 1
            body = "".join(f"{line}\n" for line in _lines(values, Page.scrapes)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def _lines(values: Mapping[Metric, set[str]], scrape: int) -> Iterator[str]:
    for metric in dict.fromkeys(instruments.defined().values()):
        if not metric.label:
            yield f"{metric.name} {1 if metric.kind == 'gauge' else 9 * scrape}"
            continue
        for value in sorted(metric.values or values.get(metric, set()) | {_FURTHER}):
            labels = f'{metric.label}="{value}"'
            if metric.kind == "histogram":
                yield from (f'{metric.name}_bucket{{{labels},le="{le}"}} {9 * scrape}' for le in ("0.1", "+Inf"))
                yield from (f"{metric.name}_{end}{{{labels}}} {9 * scrape}" for end in ("sum", "count"))
            else:
                yield f"{metric.name}{{{labels}}} {1 if metric.kind == 'gauge' else 9 * scrape}"
    calls, times = expressions.SPANS
    for name in _SPAN_NAMES:
        labels = f'service_name="answer-gateway",span_name="{name}",span_kind="SPAN_KIND_SERVER"'
        for status in ("STATUS_CODE_UNSET", "STATUS_CODE_ERROR"):
            yield f'{calls}{{{labels},status_code="{status}"}} {9 * scrape}'
        yield from (f'{times}{{{labels},le="{le}"}} {9 * scrape}' for le in ("10", "+Inf"))
    for edge in expressions.EDGES:
        yield f'{edge}{{client="answer-gateway",server="kafka"}} {9 * scrape}'
