//! Every instrument of the process, defined once: name, label and its closed values, unit, text.
//!
//! The seed's four metrics come first. Prometheus names have `_` for `.`, the unit and `_total`.

use opentelemetry::metrics::Meter;

use crate::metric_definition::MetricDefinition;
use crate::metric_kinds::{DurationHistogram, LabelledCounter, LabelledGauge};

/// Documentation, the field, its kind, its label with everything it can say, and what the meter is told.
macro_rules! instruments {
    ($($(#[doc = $doc:literal])* $field:ident: $kind:ident = $name:literal, $label:literal in [$($value:expr),*], $unit:literal, $text:literal;)*) => {
        /// All instruments. Made by [`crate::Metrics::new`] and shared behind an `Arc`.
        #[derive(Debug)]
        pub struct Instruments {
            $($(#[doc = $doc])* pub $field: $kind,)*
        }

        impl Instruments {
            /// Every instrument, in the order of the fields.
            pub const TABLE: &[MetricDefinition] = &[$(MetricDefinition {
                name: $name,
                kind: $kind::KIND,
                label: $label,
                values: &[$($value),*],
                unit: $unit,
                description: $text,
                doc: concat!($($doc),*),
            },)*];

            /// Defines every instrument on `meter`.
            pub(crate) fn new(meter: &Meter) -> Self {
                let mut rows = Self::TABLE.iter();
                let mut row = || rows.next().expect("a row for each field");
                Self { $($field: $kind::new(meter, row()),)* }
            }
        }
    };
}

instruments! {
    /// Processing rate: records of the answers' topic by `result` (`ok`, `error`, `skipped`).
    records: LabelledCounter = "answer_gateway.records", "result" in ["ok", "error", "skipped"], "{record}",
        "Records of the answers' topic that were processed";

    /// Error rate: everything that went wrong, by `kind` (each crate's `events.rs` has the values).
    errors: LabelledCounter = "answer_gateway.errors", "kind" in ["accept_failed", "answer_lost", "answer_parts", "answer_restarted", "answer_too_large", "client_replaced", "consumer_error", "consumer_failed", "consumer_panicked", "dead_letter_no_room", "dead_letter_refused", "dead_letter_waits", "dead_letters_error", "dead_letters_failed", "duplicates_seen", "group_shared", "kafka_down", "log_went_back", "missing", "owed_table_full", "producer_failed", "publisher_panicked", "question_schema_unusable", "registry_down", "state_lost", "suffix_stripped", "topic_gone", "no_producer", "no_schema", "publish_failed", "publish_timeout", "queue_full", "answer_part", "batch_unreadable", "field_type", "magic", "malformed", "missing_field", "schema_not_avro", "schema_not_found", "schema_references", "schema_too_large", "schema_unusable", "too_large", "trailing", "truncated", "unknown_schema", "utf8"], "{error}",
        "Everything that went wrong";

    /// Delivery success: answers for sessions that are here, by `result` (`success`, `failure`).
    deliveries: LabelledCounter = "answer_gateway.deliveries", "result" in ["success", "failure"], "{answer}",
        "Answers for sessions that are here, handed to their socket or not";

    /// Session count by `state` (`idle`, `waiting`).
    sessions: LabelledGauge = "answer_gateway.sessions", "state" in ["idle", "waiting"], "{session}",
        "Sessions connected";

    /// Questions taken by Kafka, by `version` of the WebSocket protocol (`1`, `2`).
    questions_accepted: LabelledCounter = "answer_gateway.questions.accepted", "version" in ["1", "2"], "{question}",
        "Questions that Kafka has taken";

    /// Questions that came with a resumed session, by `version` (`2`): the ledger's `adopted`.
    questions_adopted: LabelledCounter = "answer_gateway.questions.adopted", "version" in ["1", "2"], "{question}",
        "Accepted questions that came with a resumed session";

    /// Resume tokens shown, by `result` (`resumed`, `not_resumed`, `stale_token`, `invalid_token`,
    /// `foreign_token`).
    resumptions: LabelledCounter = "answer_gateway.resumptions", "result" in ["resumed", "not_resumed", "stale_token", "invalid_token", "foreign_token"], "{session}",
        "Sessions that came with a resume token";

    /// Sockets without a resume token that asked for the id of a live session which they may not replace, by
    /// `version` (`1`: closed, `2`: given another id).
    session_id_conflicts: LabelledCounter = "answer_gateway.sessions.id_conflicts", "version" in ["1", "2"], "{socket}",
        "Sockets without a resume token that asked for the id of a live session";

    /// Acknowledgements of parts by clients, by `version` (`2`).
    acknowledgements: LabelledCounter = "answer_gateway.acknowledgements", "version" in ["1", "2"], "{frame}",
        "Acknowledgements of answer parts by clients";

    /// Questions that ended, by `outcome` (`types::QuestionOutcome`).
    questions: LabelledCounter = "answer_gateway.questions", "outcome" in ["answered", "expired", "cancelled", "failed", "undeliverable", "handed_off", "publish_failed"], "{question}",
        "Questions that ended";

    /// Records of the answers' topic by `outcome` (`types::AnswerOutcome`).
    answers: LabelledCounter = "answer_gateway.answers", "outcome" in ["delivered", "part", "foreign", "late", "duplicate", "undeliverable", "handed_off", "invalid"], "{record}",
        "Records of the answers' topic by what was decided";

    /// Time of a question by `part`: `publish` (ask to delivery report), `wait` (report to the
    /// record being read), `consume` (read to decided), `deliver` (decided to written), `total`.
    question_time: DurationHistogram = "answer_gateway.question.duration", "part" in ["publish", "wait", "consume", "deliver", "total"], "s",
        "Time of answered questions and of their parts";

    /// Sockets accepted, by `version`.
    sockets_opened: LabelledCounter = "answer_gateway.sockets.opened", "version" in ["1", "2"], "{socket}",
        "WebSockets accepted";

    /// Sockets closed, by `code`.
    sockets_closed: LabelledCounter = "answer_gateway.sockets.closed", "code" in ["1000", "1001", "1002", "1003", "1005", "1006", "1007", "1009", "4001", "4004", "4008", "4012", "4013", "4500", "4501", "4502", "4503", "4507", "4509", "4510", "other"], "{socket}",
        "WebSockets closed, by close code";

    /// Upgrades refused before a socket existed, by `reason`.
    upgrades_refused: LabelledCounter = "answer_gateway.upgrades.refused", "reason" in ["session_id", "handshake", "origin", "not_ready", "draining", "connections", "connections_per_address", "connects_per_second", "version"], "{request}",
        "Upgrades refused with an HTTP status";

    /// TCP connections of the public port answered 503 before their request was read, by `reason`:
    /// `max_connections` (`server.max_connections` are WebSockets), `open_files` (the limit of open
    /// files has no room).
    connections_refused: LabelledCounter = "answer_gateway.connections.refused", "reason" in ["max_connections", "open_files"], "{connection}",
        "TCP connections refused for want of room";

    /// Connections without a WebSocket closed to make room for a newer one, by `port` (`public`, `admin`).
    connections_evicted: LabelledCounter = "answer_gateway.connections.evicted", "port" in ["public", "admin"], "{connection}",
        "HTTP connections closed to make room for newer ones";

    /// Requests the admin port refused, by `reason`: `host` (`admin.allowed_hosts`), `origin` (sent by
    /// a page), `changes` (`admin.allow_changes` is off), `token` (`admin.token`).
    admin_refused: LabelledCounter = "answer_gateway.admin.refused", "reason" in ["host", "origin", "changes", "token"], "{request}",
        "Requests refused on the admin port";

    /// Frames of clients that were refused, by `reason`.
    frames_refused: LabelledCounter = "answer_gateway.frames.refused", "reason" in ["malformed", "question_too_long", "rate"], "{frame}",
        "Frames of clients that were refused";

    /// Departed sessions that may still be owed an answer, by `bound` (`used`, `limit`).
    owed_sessions: LabelledGauge = "answer_gateway.sessions.owed", "bound" in ["used", "limit"], "{session}",
        "Departed sessions that may still be owed an answer";

    /// Accepted questions still waiting, by `version`: the ledger's `pending`.
    questions_pending: LabelledGauge = "answer_gateway.questions.pending", "version" in ["1", "2"], "{question}",
        "Accepted questions that wait for their answer";

    /// Records between the consumer's position and the high watermark, by `scope` (`sum`, `max` over partitions).
    consumer_lag: LabelledGauge = "answer_gateway.consumer.lag", "scope" in ["sum", "max"], "{record}",
        "Records between the consumer's position and the high watermark";

    /// Partitions of the answers' topic by `state` (`assigned`, `paused`).
    consumer_partitions: LabelledGauge = "answer_gateway.consumer.partitions", "state" in ["assigned", "paused"], "{partition}",
        "Partitions of the answers' topic";

    /// Connections to Kafka lost and made again, by `client` (`consumer`, `producer`, `dead_letters`,
    /// `recall`).
    kafka_reconnects: LabelledCounter = "answer_gateway.kafka.reconnects", "client" in ["consumer", "producer", "dead_letters", "recall"], "{connection}",
        "Connections to Kafka that were lost and made again";

    /// Kafka clients without a connection to any broker for `kafka.reconnect_timeout` that were
    /// replaced by a new one, by `client` (`consumer`, `producer`, `dead_letters`, `recall`).
    kafka_clients_replaced: LabelledCounter = "answer_gateway.kafka.clients_replaced", "client" in ["consumer", "producer", "dead_letters", "recall"], "{client}",
        "Kafka clients without a broker that were replaced";

    /// State of Kafka's connection, by `client`: 1 or 0.
    kafka_up: LabelledGauge = "answer_gateway.kafka.up", "client" in ["consumer", "producer", "dead_letters", "recall"], "{client}",
        "Whether Kafka answers";

    /// Records parked until the registry answers, by `bound` (`used`, `limit`).
    parked_records: LabelledGauge = "answer_gateway.parked_records", "bound" in ["used", "limit"], "{record}",
        "Records that wait for their schema";

    /// Records of the answers' topic remembered for resumed sessions, by `kind` (`records`).
    recent_records: LabelledGauge = "answer_gateway.recent_records", "kind" in ["records"], "{record}",
        "Records of the answers' topic remembered for resumed sessions";

    /// Memory of what is remembered of them, by `kind` (`index`).
    recent_records_size: LabelledGauge = "answer_gateway.recent_records.size", "kind" in ["index"], "By",
        "Memory of the index of recent records";

    /// Looks for what was written before a session was resumed, by `result` (`found`, `nothing`,
    /// and why nobody can know: `group`, `busy`, `late`, `deleted`, `registry`, `stopped`).
    recoveries: LabelledCounter = "answer_gateway.recoveries", "result" in ["found", "nothing", "group", "busy", "late", "deleted", "registry", "stopped"], "{look}",
        "Looks for what was written before a session was resumed";

    /// Time of such a look, by `result`.
    recovery_time: DurationHistogram = "answer_gateway.recovery.duration", "result" in ["found", "nothing", "group", "busy", "late", "deleted", "registry", "stopped"], "s",
        "Time of looks for what was written before a session was resumed";

    /// Batches of records that cannot be unpacked and were stepped over, by `client` (`consumer`,
    /// `dead_letters`, `recall`).
    unreadable_batches: LabelledCounter = "answer_gateway.unreadable_batches", "client" in ["consumer", "dead_letters", "recall"], "{batch}",
        "Batches of records that cannot be unpacked and were stepped over";

    /// Dead letters by `result`: `written` by this replica, `elsewhere` (by another), `refused` by
    /// Kafka for good, `no_room` (not kept by this replica).
    dead_letters: LabelledCounter = "answer_gateway.dead_letters", "result" in ["written", "elsewhere", "refused", "no_room"], "{record}",
        "Undecodable records by what became of their dead letter";

    /// Dead letters that wait until they are written or their copy is seen, by `bound` (`used`, `limit`).
    dead_letters_held: LabelledGauge = "answer_gateway.dead_letters.held", "bound" in ["used", "limit"], "{record}",
        "Dead letters that are not known to be written yet";

    /// Questions handed to the producer that have no delivery report yet, by `bound` (`used`, `limit`).
    producer_queue: LabelledGauge = "answer_gateway.producer.queue", "bound" in ["used", "limit"], "{question}",
        "Questions without a delivery report yet";

    /// Look-ups at the schema registry by `result` (`ok`, `not_found`, `unavailable`, `unauthorized`, `invalid`).
    registry_lookups: LabelledCounter = "answer_gateway.registry.lookups", "result" in ["ok", "not_found", "unavailable", "unauthorized", "invalid"], "{request}",
        "Requests to the schema registry";

    /// State of the schema registry's connection, by `client` (`gateway`): 1 or 0.
    registry_up: LabelledGauge = "answer_gateway.registry.up", "client" in ["gateway"], "{client}",
        "Whether the schema registry answers";

    /// Sampled spans by `result`: `ended`, then `exported` or `failed`. What neither left nor failed
    /// found no room in the queue.
    spans: LabelledCounter = "answer_gateway.traces.spans", "result" in ["ended", "exported", "failed"], "{span}",
        "Sampled spans by what became of them";

    /// Exports by OTLP that failed, by `signal` (`traces`, `metrics`).
    export_failures: LabelledCounter = "answer_gateway.telemetry.export_failures", "signal" in ["traces", "metrics"], "{export}",
        "Exports of telemetry by OTLP that failed";

    /// Log lines held back by the rate limits, by `event`.
    logs_held_back: LabelledCounter = "answer_gateway.logs.held_back", "event" in ["accept_failed", "connections_refused", "answer_lost", "duplicates_seen", "owed_table_full", "suffix_stripped", "missing", "librdkafka", "consumer_error", "log_went_back", "record_undecodable", "schema_refused", "registry_down", "publish_failed", "dead_letter_no_room", "dead_letter_refused", "dead_letter_waits", "dead_letters_error", "batch_unreadable"], "{line}",
        "Log lines held back by rate limits";

    /// Always 1; the label carries the `version`.
    build_info: LabelledGauge = "answer_gateway.build_info", "version" in [env!("CARGO_PKG_VERSION")], "{build}",
        "The running version";

    /// State of this process, by `state` (`starting`, `serving`,
    /// `not_ready`, `draining`): 1 or 0.
    readiness: LabelledGauge = "answer_gateway.readiness", "state" in ["starting", "serving", "not_ready", "draining"], "{replica}",
        "Which state of readiness this process is in";
}
