"""The dashboards of deploy/dashboards; `scripts/observe --write` makes the files from here."""

from pathlib import Path

from common import REPOSITORY
from grafana import Dashboard, Panel, Row, rendered

FOLDER = REPOSITORY / "deploy" / "dashboards"

# The replicas chosen at the top of a page, the services chosen there, and the window that Grafana finds right.
_SEL = 'job=~"$job",instance=~"$instance"'
_SPANS = 'service_name=~"$service"'
_RATE = "[$__rate_interval]"


def one(title: str, query: str, legend: str = "", **rest: object) -> Panel:
    """A panel of a single query."""
    return several(title, (query, legend), **rest)


def several(title: str, *queries: tuple[str, str], **rest: object) -> Panel:
    """A panel of several queries, in which `SEL`, `SPANS` and `RATE` stand for what they are above."""
    return Panel(title, tuple((_filled(query), legend) for query, legend in queries), **rest)


def _filled(query: str) -> str:
    return query.replace("SEL", _SEL).replace("SPANS", _SPANS).replace("RATE", _RATE)


def quantile(share: str, by: str, histogram: str, selector: str) -> str:
    """A quantile of a histogram by its labels; `by` begins with a comma, or is empty."""
    return f"histogram_quantile({share}, sum by (le{by}) (rate({histogram}_bucket{{{selector}}}RATE)))"


def quantiles(histogram: str, selector: str) -> list[tuple[str, str]]:
    """The quantiles to look at, and their names."""
    shares = (("0.5", "median"), ("0.95", "95%"), ("0.99", "99%"))
    return [(quantile(share, "", histogram, selector), name) for share, name in shares]


def used(metric: str) -> str:
    """How full something bounded is."""
    return (
        f'answer_gateway_{metric}{{bound="used",SEL}} / ignoring (bound) answer_gateway_{metric}{{bound="limit",SEL}}'
    )


def rate_by(label: str, metric: str) -> str:
    """A counter's rate, by its label."""
    return f"sum by ({label}) (rate(answer_gateway_{metric}_total{{SEL}}RATE))"


_REPLICAS = (
    ("job", "label_values(answer_gateway_build_info, job)"),
    ("instance", 'label_values(answer_gateway_build_info{job=~"$job"}, instance)'),
)
_DURATION = "answer_gateway_question_duration_seconds"
_RECOVERY = "answer_gateway_recovery_duration_seconds"
_DELIVERY_SUCCESS = (
    'sum(rate(answer_gateway_deliveries_total{result="success",SEL}RATE)) '
    "/ sum(rate(answer_gateway_deliveries_total{SEL}RATE))"
)
_LEDGER = (
    "sum by (job, instance) (answer_gateway_questions_accepted_total{SEL} "
    'or label_replace(answer_gateway_questions_adopted_total{SEL}, "version", "$1 adopted", "version", "(.*)")) '
    '- sum by (job, instance) (answer_gateway_questions_total{outcome!="publish_failed",SEL} '
    "or answer_gateway_questions_pending{SEL})"
)

_SERVICE_OWNER = Dashboard(
    "service-owner.json",
    "answer-gateway-owner",
    "answer-gateway: for its owner",
    "Whether people get their answers, and how fast.",
    _REPLICAS,
    (
        Row(
            "Do people get their answers?",
            (
                one("Processing rate", rate_by("result", "records"), "{{result}}", unit="cps",
                    text="Records of the answers' topic. Every replica reads every one of them."),
                one("Error rate", rate_by("kind", "errors") + " > 0", "{{kind}}", unit="cps", stacked=True),
                one("Delivery success", _DELIVERY_SUCCESS, "delivered", unit="percentunit", bounds=(0.99, 0.95),
                    least=None, most=1,
                    text="Answers for sessions that are here: the share their sockets took."),
                one("Session count", "sum by (state) (answer_gateway_sessions{SEL})", "{{state}}", stacked=True),
            ),
        ),
        Row(
            "Questions",
            (
                one("Accepted", rate_by("version", "questions_accepted"), "version {{version}}", unit="cps"),
                one("Ended", rate_by("outcome", "questions"), "{{outcome}}", unit="cps", stacked=True),
                one("Waiting", "sum by (version) (answer_gateway_questions_pending{SEL})", "version {{version}}"),
                one("Records by what was decided", rate_by("outcome", "answers"), "{{outcome}}", unit="cps",
                    text="foreign: for a session of another replica."),
            ),
        ),
        Row(
            "Time",
            (
                several("Time to the answer", *quantiles(_DURATION, 'part="total",SEL'), unit="s"),
                one("Mean by part",
                    f'sum by (part) (rate({_DURATION}_sum{{part!="total",SEL}}RATE)) '
                    f'/ sum by (part) (rate({_DURATION}_count{{part!="total",SEL}}RATE))',
                    "{{part}}", unit="s", stacked=True,
                    text="publish: ask to delivery report. wait: the answering side. consume: read to decided. "
                         "deliver: decided to written."),
                one("99% by part", quantile("0.99", ", part", _DURATION, "SEL"), "{{part}}", unit="s"),
                one("How long answers took", f'sum by (le) (increase({_DURATION}_bucket{{part="total",SEL}}RATE))',
                    "{{le}}", unit="s", kind="heatmap"),
            ),
        ),
        Row(
            "Ledger",
            (
                one("accepted + adopted - ended - pending", _LEDGER, "{{instance}}", least=None,
                    text="0 but for scrapes in the middle of a question. What stays is lost, or counted twice."),
                several("In the chosen time",
                        ("sum(increase(answer_gateway_questions_accepted_total{SEL}[$__range]))", "accepted"),
                        ("sum(increase(answer_gateway_questions_adopted_total{SEL}[$__range]))", "adopted"),
                        ("sum by (outcome) (increase(answer_gateway_questions_total{SEL}[$__range]))", "{{outcome}}"),
                        kind="bargauge"),
            ),
        ),
        Row(
            "Resumption (version 2)",
            (
                one("Tokens shown", rate_by("result", "resumptions"), "{{result}}", unit="cps", stacked=True),
                one("Looks for what was written before", rate_by("result", "recoveries"), "{{result}}", unit="cps"),
                one("99% of their time", quantile("0.99", ", result", _RECOVERY, "SEL"),
                    "{{result}}", unit="s"),
                several("Adopted, acknowledged",
                        (rate_by("version", "questions_adopted"), "adopted"),
                        (rate_by("version", "acknowledgements"), "acknowledgements"), unit="cps"),
            ),
        ),
        Row(
            "Sockets",
            (
                one("Opened", rate_by("version", "sockets_opened"), "version {{version}}", unit="cps"),
                one("Closed by code", rate_by("code", "sockets_closed") + " > 0", "{{code}}", unit="cps", stacked=True,
                    text="1005: no code. 1006: gone without a word. Others: docs/protocol-v2.md."),
                one("Upgrades refused", rate_by("reason", "upgrades_refused"), "{{reason}}", unit="cps"),
                one("Frames refused", rate_by("reason", "frames_refused"), "{{reason}}", unit="cps"),
            ),
        ),
    ),
)  # fmt: skip

_ON_CALL = Dashboard(
    "on-call.json",
    "answer-gateway-on-call",
    "answer-gateway: for who is on call",
    "What is broken, and where. What to do stands in docs/runbooks.md.",
    _REPLICAS,
    (
        Row(
            "Now",
            (
                one("Replicas that serve", 'sum(answer_gateway_readiness{state="serving",SEL})', kind="stat",
                    bounds=(2, 1)),
                one("Delivery success", _DELIVERY_SUCCESS, kind="stat", unit="percentunit", bounds=(0.99, 0.95)),
                one("Questions waiting", "sum(answer_gateway_questions_pending{SEL})", kind="stat"),
                one("Alerts", 'ALERTS{alertname=~"AnswerGateway.+",alertstate="firing"}', kind="table"),
            ),
            6,
        ),
        Row(
            "Readiness",
            (
                one("State of each replica", "answer_gateway_readiness{SEL} == 1", "{{instance}} {{state}}",
                    kind="state-timeline"),
                one("Starts", 'resets(answer_gateway_registry_lookups_total{result="ok",SEL}[30m])', "{{instance}}",
                    text="In half an hour, of one address."),
                one("Versions", "count by (version) (answer_gateway_build_info{SEL})", "{{version}}"),
            ),
        ),
        Row(
            "Kafka",
            (
                one("Kafka answers", "answer_gateway_kafka_up{SEL}", "{{instance}} {{client}}",
                    kind="state-timeline"),
                one("Reconnects", "sum by (instance, client) (rate(answer_gateway_kafka_reconnects_total{SEL}RATE))",
                    "{{instance}} {{client}}", unit="cps"),
                one("Lag", 'answer_gateway_consumer_lag{scope="sum",SEL}', "{{instance}}",
                    text="Records between a replica's position and the high watermark, over all partitions."),
                one("Lag of the worst partition", 'answer_gateway_consumer_lag{scope="max",SEL}', "{{instance}}"),
            ),
        ),
        Row(
            "Answers and questions",
            (
                one("Partitions", "answer_gateway_consumer_partitions{SEL}", "{{instance}} {{state}}"),
                one("Records", rate_by("instance, result", "records"), "{{instance}} {{result}}", unit="cps"),
                one("99% of publishing", quantile("0.99", ", instance", _DURATION, 'part="publish",SEL'),
                    "{{instance}}", unit="s"),
                one("Questions not published",
                    'sum by (instance) (rate(answer_gateway_questions_total{outcome="publish_failed",SEL}RATE))',
                    "{{instance}}", unit="cps"),
            ),
        ),
        Row(
            "Schema registry and what cannot be read",
            (
                one("Registry answers", "answer_gateway_registry_up{SEL}", "{{instance}}", kind="state-timeline"),
                one("Look-ups", rate_by("result", "registry_lookups"), "{{result}}", unit="cps"),
                one("Dead letters", rate_by("result", "dead_letters"), "{{result}}", unit="cps"),
                one("Skipped: undecodable",
                    'sum by (instance) (rate(answer_gateway_records_total{result="error",SEL}RATE))',
                    "{{instance}}", unit="cps"),
            ),
        ),
        Row(
            "Saturation: 100% is the configured bound",
            tuple(
                one(title, used(metric), "{{instance}}", unit="percentunit", bounds=(0.7, 0.9), most=1)
                for title, metric in (
                    ("Producer's queue", "producer_queue"),
                    ("Parked records", "parked_records"),
                    ("Sessions still owed an answer", "sessions_owed"),
                    ("Dead letters held", "dead_letters_held"),
                )
            ),
        ),
        Row(
            "Recent answers",
            (
                one("Recent answers remembered", "answer_gateway_recent_records{SEL}", "{{instance}}"),
                one("Memory of their index", "answer_gateway_recent_records_size_bytes{SEL}", "{{instance}}",
                    unit="bytes"),
            ),
        ),
        Row(
            "Errors, log lines, telemetry",
            (
                one("Errors by replica", rate_by("instance, kind", "errors") + " > 0", "{{instance}} {{kind}}",
                    unit="cps"),
                one("Log lines held back", rate_by("event", "logs_held_back"), "{{event}}", unit="cps"),
                one("Spans", rate_by("result", "traces_spans"), "{{result}}", unit="cps",
                    text="What ended, was neither exported nor failed, found no room in the queue."),
                one("Exports that failed", rate_by("instance, signal", "telemetry_export_failures"),
                    "{{instance}} {{signal}}", unit="cps"),
            ),
        ),
        Row(
            "The process",
            (
                one("CPU", "rate(process_cpu_seconds_total{SEL}RATE)", "{{instance}}",
                    text="Cores in use."),
                one("Memory", "process_resident_memory_bytes{SEL}", "{{instance}}", unit="bytes"),
                one("Open files", "process_open_fds{SEL} / process_max_fds{SEL}", "{{instance}}", unit="percentunit",
                    bounds=(0.7, 0.9), most=1, text="Each socket is one."),
                one("Threads", "process_threads{SEL}", "{{instance}}"),
            ),
        ),
    ),
)  # fmt: skip

_CALLS, _SPAN_TIME = "traces_span_metrics_calls_total", "traces_span_metrics_duration_milliseconds"
# The topics' names are settings, so spans are known by their verbs.
_VERBS = (
    ("ask", "ask", "The frame with the question, until its answer is decided."),
    ("publish", "publish .+", "Hand-over to Kafka, until the delivery report."),
    ("process", "process .+", "A record of the answers' topic, from being read to being decided."),
    ("deliver", "deliver", "The answer's way into its socket."),
)


def _span_row(verb: str, names: str, text: str) -> Row:
    selector = f'span_name=~"{names}",SPANS'
    return Row(
        f"Span: {verb}",
        (
            one("Calls", f"sum by (span_name) (rate({_CALLS}{{{selector}}}RATE))", "{{span_name}}", unit="cps",
                text=text),
            one("Errors",
                f'sum by (span_name) (rate({_CALLS}{{status_code="STATUS_CODE_ERROR",{selector}}}RATE)) '
                f"/ sum by (span_name) (rate({_CALLS}{{{selector}}}RATE))",
                "{{span_name}}", unit="percentunit", text="The share that ended with an error. Empty: none ever did."),
            several("Time", *quantiles(_SPAN_TIME, selector), unit="ms",
                    text="Dots are exemplars: each leads to a trace."),
        ),
    )  # fmt: skip


_EDGE = "client, server"
_TRACING = Dashboard(
    "tracing.json",
    "answer-gateway-tracing",
    "answer-gateway: traces",
    "The Collector's span metrics (spanmetrics and servicegraph connectors). Exemplars lead to traces.",
    (("service", "label_values(traces_span_metrics_calls_total, service_name)"),),
    (
        *(_span_row(*span) for span in _VERBS),
        Row(
            "Service graph",
            (
                one("Who calls whom", f"sum by ({_EDGE}) (rate(traces_service_graph_request_total"
                    '{client=~"$service"}RATE) or rate(traces_service_graph_request_total{server=~"$service"}RATE))',
                    "{{client}} to {{server}}", unit="cps"),
                one("Edges",
                    f"sum by ({_EDGE}) (increase(traces_service_graph_request_total"
                    '{client=~"$service"}[$__range]) '
                    'or increase(traces_service_graph_request_total{server=~"$service"}[$__range]))', kind="table"),
            ),
        ),
        Row(
            "All spans",
            (
                one("Calls", f"sum by (service_name, span_name, span_kind) (rate({_CALLS}{{SPANS}}RATE))",
                    "{{service_name}} {{span_name}} ({{span_kind}})", unit="cps"),
                one("99% of their time", quantile("0.99", ", span_name", _SPAN_TIME, "SPANS"), "{{span_name}}",
                    unit="ms"),
            ),
        ),
    ),
    exemplars=True,
)  # fmt: skip

ALL = (_SERVICE_OWNER, _ON_CALL, _TRACING)


def write() -> None:
    """Writes every file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for dashboard in ALL:
        (FOLDER / dashboard.file).write_text(rendered(dashboard))


def stale() -> list[Path]:
    """Files that are not what this module makes."""
    made = {FOLDER / dashboard.file: rendered(dashboard) for dashboard in ALL}
    strangers = [path for path in FOLDER.glob("*.json") if path not in made]
    return strangers + [path for path, text in made.items() if not path.is_file() or path.read_text() != text]
