"""A gateway under load, to be looked at: by a Prometheus, by `scripts/observe`, by a person."""

import json
import time
from contextlib import ExitStack, suppress

from harness.answerer import Answerer
from harness.answerer_tracing import AnswererTracing
from harness.collector import Collector
from harness.load_clients import LoadClients
from harness.resuming_clients import ResumingClients
from measure.bench import Bench

# Kafka goes away when this share of the time is over, and comes back after that many seconds.
_OUTAGE_AT = 0.6
_OUTAGE_SECONDS = 5.0


def run_busy_gateway(bench: Bench, seconds: float) -> None:
    """Clients of both versions ask for so long; Kafka is away for a while in the second half.

    First a line of JSON says where metrics are: `live`, the gateway's own, and `spans`, those that a Collector makes of
    its spans and of the answering side's.
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
        # Whoever has seen enough interrupts it.
        with suppress(KeyboardInterrupt):
            time.sleep(seconds * _OUTAGE_AT)
            bench.stack.stop("kafka")
            time.sleep(_OUTAGE_SECONDS)
            bench.stack.start("kafka")
            time.sleep(max(0.0, seconds * (1 - _OUTAGE_AT) - _OUTAGE_SECONDS))
