"""Sends HTTP requests to loopback, without proxies, redirects or retries."""

import http.client
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HttpReply:
    """Status, headers and body of an HTTP response."""

    status: int
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        """Parses the body as JSON."""
        return json.loads(self.body)


def get(port: int, path: str, headers: dict[str, str] | None = None) -> HttpReply:
    """Sends a GET request to a port on loopback."""
    return request(port, "GET", path, headers=headers)


def request(
    port: int,
    method: str,
    path: str,
    body: str = "",
    headers: dict[str, str] | None = None,
    timeout: float = 10,
) -> HttpReply:
    """Sends any request to a port on loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        body = answer.read().decode()
        return HttpReply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, body)
    finally:
        connection.close()
