"""Runs a real OpenTelemetry Collector and reads the files into which it writes what it received."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import http
from harness.gateway import bare_environment, free_port
from harness.polling import eventually

CONFIGURATION = """
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
      http: {{endpoint: "127.0.0.1:{http}"}}
connectors:
  spanmetrics:
    exemplars: {{enabled: true}}
    metrics_flush_interval: 500ms
  servicegraph:
    metrics_flush_interval: 500ms
    store: {{ttl: 10s, max_items: 10000}}
exporters:
  file/traces: {{path: "{folder}/traces.jsonl", flush_interval: 100ms}}
  file/metrics: {{path: "{folder}/metrics.jsonl", flush_interval: 100ms}}
  prometheus: {{endpoint: "127.0.0.1:{prometheus}", enable_open_metrics: true}}
service:
  telemetry:
    metrics: {{level: none}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file/traces, spanmetrics, servicegraph]}}
    metrics: {{receivers: [otlp], exporters: [file/metrics]}}
    metrics/spans: {{receivers: [spanmetrics, servicegraph], exporters: [prometheus]}}
"""


@dataclass(frozen=True)
class Span:
    """One span as the Collector received it."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    status: int
    links: list[tuple[str, str]] = field(default_factory=list)


def collector_binary() -> str:
    """Returns the path of the Collector's binary, from AG_COLLECTOR."""
    return os.environ["AG_COLLECTOR"]


class Collector:
    """One `otelcol` process."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.grpc, self.http, self.prometheus = free_port(), free_port(), free_port()
        configuration = folder / "collector.yaml"
        configuration.write_text(
            CONFIGURATION.format(folder=folder, grpc=self.grpc, http=self.http, prometheus=self.prometheus)
        )
        self.log = folder / "collector.log"
        with self.log.open("wb") as sink:
            self.process = subprocess.Popen(
                [collector_binary(), "--config", str(configuration)],
                env=bare_environment({}),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    @contextmanager
    def running(self) -> Iterator["Collector"]:
        """Waits until the Collector is ready and runs it until the block ends."""
        try:
            eventually(self._is_ready, "the collector is ready")
            yield self
        finally:
            self.process.kill()
            self.process.wait()

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text(errors="replace")
        return "Everything is ready" in self.log.read_text(errors="replace")

    def exporter_settings(self, protocol: str) -> dict[str, str]:
        """Returns the settings that export a gateway's telemetry to this Collector by `grpc` or `http/protobuf`."""
        port = self.grpc if protocol == "grpc" else self.http
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }

    def spans(self) -> list[Span]:
        """Returns every span received so far."""
        return [
            _span(span, _attributes(of_resource["resource"]))
            for received in self._read_exported("traces")
            for of_resource in received["resourceSpans"]
            for of_scope in of_resource["scopeSpans"]
            for span in of_scope["spans"]
        ]

    def metrics(self) -> set[str]:
        """Returns the names of all metrics received so far."""
        return {
            metric["name"]
            for received in self._read_exported("metrics")
            for of_resource in received["resourceMetrics"]
            for of_scope in of_resource["scopeMetrics"]
            for metric in of_scope["metrics"]
        }

    def span_metrics(self) -> str:
        """Returns the page of metrics that the Collector derives from spans."""
        return http.get(self.prometheus, "/metrics", {"Accept": "application/openmetrics-text"}).body

    def _read_exported(self, signal: str) -> Iterator[dict[str, Any]]:
        file = self.folder / f"{signal}.jsonl"
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        # The last line may be incomplete.
        return (json.loads(line) for line in lines if line.endswith("\n"))


def _span(span: dict[str, Any], resource: dict[str, Any]) -> Span:
    return Span(
        name=span["name"],
        trace=span["traceId"],
        id=span["spanId"],
        parent=span.get("parentSpanId", ""),
        kind=span["kind"],
        attributes=_attributes(span),
        resource=resource,
        status=span.get("status", {}).get("code", 0),
        links=[(link["traceId"], link["spanId"]) for link in span.get("links", [])],
    )


def _attributes(of: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in of.get("attributes", [])}
