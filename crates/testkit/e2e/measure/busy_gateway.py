"""Keeps a gateway under load for an observer: a Prometheus, `scripts/observe` or a person."""

import json
import time
from contextlib import ExitStack, suppress

from harness.answerer import Answerer
from harness.answerer_tracing import AnswererTracing
from harness.collector import Collector
from harness.load_clients import LoadClients
from harness.resuming_clients import ResumingClients
from measure.bench import Bench

# Share of the time after which Kafka is stopped, and seconds until it is started again.
_OUTAGE_AT = 0.6
_OUTAGE_SECONDS = 5.0


def run_busy_gateway(bench: Bench, seconds: float) -> None:
    """Runs clients of both versions for so many seconds; Kafka is stopped for a while in the second half.

    The first line printed is JSON with the addresses of metrics: `live`, the gateway's own, and `spans`, those that a
    Collector derives from the spans of the gateway and of the answering side.
    """
    with ExitStack() as ending:
        collector = ending.enter_context(Collector(bench.folder).running())
        tracing = AnswererTracing(collector.http)
        ending.callback(tracing.close)
        answerer = Answerer(bench.access, bench.topics, headers_of=tracing.trace_question)
        ending.enter_context(answerer.running())
        gateway = bench.start_gateway(**collector.exporter_settings("grpc"))
        ending.enter_context(LoadClients([gateway], sessions=100, pause=0.3).running())
        ending.enter_context(ResumingClients([gateway.port], sessions=80, pause=0.3).running())
        metrics = {"live": gateway.admin_port, "spans": collector.prometheus}
        print(json.dumps({name: f"127.0.0.1:{port}" for name, port in metrics.items()}), flush=True)
        # An observer that has finished interrupts it.
        with suppress(KeyboardInterrupt):
            time.sleep(seconds * _OUTAGE_AT)
            bench.stack.stop("kafka")
            time.sleep(_OUTAGE_SECONDS)
            bench.stack.start("kafka")
            time.sleep(max(0.0, seconds * (1 - _OUTAGE_AT) - _OUTAGE_SECONDS))
