"""HTTP requests without proxies, redirects or retries."""

import http.client
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HttpReply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def get(port: int, path: str, headers: dict[str, str] | None = None) -> HttpReply:
    """GET on loopback."""
    return request(port, "GET", path, headers=headers)


def request(
    port: int,
    method: str,
    path: str,
    body: str = "",
    headers: dict[str, str] | None = None,
    timeout: float = 10,
) -> HttpReply:
    """Any request on loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        body = answer.read().decode()
        return HttpReply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, body)
    finally:
        connection.close()
