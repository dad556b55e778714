"""Proxies that break, slow down or falsify the connections between the parts of the cluster."""

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Toxiproxy:
    """A client of Toxiproxy's API, which breaks and slows down TCP connections."""

    def __init__(self, port: int):
        self._url = f"http://127.0.0.1:{port}"

    @contextmanager
    def cut(self, *links: str) -> Iterator[None]:
        """Closes all connections of these links and refuses new ones until the block ends."""
        for link in links:
            self._request("POST", f"/proxies/{link}", {"enabled": False})
        try:
            yield
        finally:
            for link in links:
                self._request("POST", f"/proxies/{link}", {"enabled": True})

    @contextmanager
    def throttle(self, *links: str, kilobytes: int, latency: int) -> Iterator[None]:
        """Limits the bandwidth of these links and delays their replies until the block ends.

        `kilobytes` a second pass in each direction; replies are `latency` milliseconds late, give or take half of that.
        """
        for link in links:
            for stream in ("upstream", "downstream"):
                self._add_toxic(link, f"narrow-{stream}", "bandwidth", stream, {"rate": kilobytes})
            self._add_toxic(link, "late", "latency", "downstream", {"latency": latency, "jitter": latency // 2})
        try:
            yield
        finally:
            for link in links:
                for toxic in ("narrow-upstream", "narrow-downstream", "late"):
                    self._request("DELETE", f"/proxies/{link}/toxics/{toxic}", None)

    def _add_toxic(self, link: str, name: str, kind: str, stream: str, attributes: dict[str, int]) -> None:
        toxic = {"name": name, "type": kind, "stream": stream, "toxicity": 1.0, "attributes": attributes}
        self._request("POST", f"/proxies/{link}/toxics", toxic)

    def _request(self, method: str, path: str, body: object) -> None:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        with _OPENER.open(request, timeout=10) as answer:
            answer.read()


class RegistryProxy:
    """An HTTP proxy in front of the schema registry that can delay replies or replace them by an error status."""

    def __init__(self, port: int, registry_port: int):
        self.forced_status: int | None = None
        self.delay = 0.0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy._serve_request(self, registry_port)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Ignores a broken connection: a gateway that timed out or was killed is part of the run."""

        self._server = Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="registry faults", daemon=True)
        self._thread.start()

    @contextmanager
    def reply_with_status(self, status: int) -> Iterator[None]:
        """Replies to every request with this status until the block ends."""
        self.forced_status = status
        try:
            yield
        finally:
            self.forced_status = None

    @contextmanager
    def delay_replies(self, seconds: float) -> Iterator[None]:
        """Delays every reply by so many seconds until the block ends."""
        self.delay = seconds
        try:
            yield
        finally:
            self.delay = 0.0

    def close(self) -> None:
        """Stops the proxy."""
        self._server.shutdown()
        self._server.server_close()

    def _serve_request(self, handler: BaseHTTPRequestHandler, registry_port: int) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        time.sleep(self.delay)
        if self.forced_status is not None:
            status, kind, answer = self.forced_status, "application/json", b'{"error_code":0,"message":"a fault"}'
        else:
            registry = http.client.HTTPConnection("127.0.0.1", registry_port, timeout=30)
            kept = {
                name: value for name, value in handler.headers.items() if name.lower() in ("accept", "content-type")
            }
            registry.request(handler.command, handler.path, body, kept)
            reply = registry.getresponse()
            status, kind, answer = reply.status, reply.headers.get("Content-Type", ""), reply.read()
            registry.close()
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)
