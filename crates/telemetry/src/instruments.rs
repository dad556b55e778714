//! Every instrument of the process, defined once: name, unit, label and its closed values.
//!
//! The seed's four metrics come first. Prometheus names have `_` for `.`, the unit and `_total`.

use opentelemetry::metrics::Meter;

use crate::kinds::{Count, Gauge, Seconds};

/// All instruments. Made by [`crate::Metrics::new`] and shared behind an `Arc`.
#[derive(Debug)]
pub struct Instruments {
    /// Processing rate: records of the answers' topic by `result` (`ok`, `error`, `skipped`).
    pub records: Count,
    /// Error rate: everything that went wrong, by `kind` (each crate's `events.rs` has the values).
    pub errors: Count,
    /// Delivery success: answers for sessions that are here, by `result` (`success`, `failure`).
    pub deliveries: Count,
    /// Session count by `state` (`idle`, `waiting`).
    pub sessions: Gauge,

    /// Questions taken by Kafka, by `version` of the WebSocket protocol (`1`).
    pub questions_accepted: Count,
    /// Questions that ended, by `outcome` (`types::QuestionOutcome`).
    pub questions: Count,
    /// Records of the answers' topic by `outcome` (`types::AnswerOutcome`).
    pub answers: Count,
    /// Time of a question by `part`: `publish` (ask to delivery report), `wait` (report to the
    /// record being read), `consume` (read to decided), `deliver` (decided to written), `total`.
    pub question_time: Seconds,

    /// Sockets accepted, by `version`.
    pub sockets_opened: Count,
    /// Sockets closed, by `code`.
    pub sockets_closed: Count,
    /// Upgrades refused before a socket existed, by `reason`.
    pub upgrades_refused: Count,
    /// Frames of clients that were refused, by `reason`.
    pub frames_refused: Count,

    /// Departed sessions that may still be owed an answer, by `bound` (`used`, `limit`).
    pub owed_sessions: Gauge,
    /// Accepted questions still waiting, by `version`: the ledger's `pending`.
    pub questions_pending: Gauge,

    /// Records between the consumer's position and the high watermark, by `scope` (`sum`, `max` over partitions).
    pub consumer_lag: Gauge,
    /// Partitions of the answers' topic by `state` (`assigned`, `paused`).
    pub consumer_partitions: Gauge,
    /// Connections to Kafka lost and made again, by `client` (`consumer`, `producer`).
    pub kafka_reconnects: Count,
    /// Whether Kafka answers, by `client`: 1 or 0.
    pub kafka_up: Gauge,
    /// Records parked until the registry answers, by `bound` (`used`, `limit`).
    pub parked_records: Gauge,
    /// Questions handed to the producer that have no delivery report yet, by `bound` (`used`, `limit`).
    pub producer_queue: Gauge,

    /// Look-ups at the schema registry by `result` (`ok`, `not_found`, `unavailable`, `unauthorized`, `invalid`).
    pub registry_lookups: Count,
    /// Whether the schema registry answers, by `client` (`gateway`): 1 or 0.
    pub registry_up: Gauge,

    /// Log lines held back by the rate limits, by `event`.
    pub logs_held_back: Count,
    /// Always 1; the label carries the `version`.
    pub build_info: Gauge,
    /// Whether this process takes traffic, by `state` (`starting`, `serving`, `draining`): 1 or 0.
    pub readiness: Gauge,
}

impl Instruments {
    /// Defines every instrument on `meter`.
    pub(crate) fn new(meter: &Meter) -> Self {
        let count = |name, label, unit, text| Count::new(meter, name, label, unit, text);
        let gauge = |name, label, unit, text| Gauge::new(meter, name, label, unit, text);
        Self {
            records: count(
                "answer_gateway.records",
                "result",
                "{record}",
                "Records of the answers' topic that were processed",
            ),
            errors: count(
                "answer_gateway.errors",
                "kind",
                "{error}",
                "Everything that went wrong",
            ),
            deliveries: count(
                "answer_gateway.deliveries",
                "result",
                "{answer}",
                "Answers for sessions that are here, handed to their socket or not",
            ),
            sessions: gauge(
                "answer_gateway.sessions",
                "state",
                "{session}",
                "Sessions connected",
            ),

            questions_accepted: count(
                "answer_gateway.questions.accepted",
                "version",
                "{question}",
                "Questions that Kafka has taken",
            ),
            questions: count(
                "answer_gateway.questions",
                "outcome",
                "{question}",
                "Questions that ended",
            ),
            answers: count(
                "answer_gateway.answers",
                "outcome",
                "{record}",
                "Records of the answers' topic by what was decided",
            ),
            question_time: Seconds::new(
                meter,
                "answer_gateway.question.duration",
                "part",
                "Time of answered questions and of their parts",
            ),

            sockets_opened: count(
                "answer_gateway.sockets.opened",
                "version",
                "{socket}",
                "WebSockets accepted",
            ),
            sockets_closed: count(
                "answer_gateway.sockets.closed",
                "code",
                "{socket}",
                "WebSockets closed, by close code",
            ),
            upgrades_refused: count(
                "answer_gateway.upgrades.refused",
                "reason",
                "{request}",
                "Upgrades refused with an HTTP status",
            ),
            frames_refused: count(
                "answer_gateway.frames.refused",
                "reason",
                "{frame}",
                "Frames of clients that were refused",
            ),

            owed_sessions: gauge(
                "answer_gateway.sessions.owed",
                "bound",
                "{session}",
                "Departed sessions that may still be owed an answer",
            ),
            questions_pending: gauge(
                "answer_gateway.questions.pending",
                "version",
                "{question}",
                "Accepted questions that wait for their answer",
            ),

            consumer_lag: gauge(
                "answer_gateway.consumer.lag",
                "scope",
                "{record}",
                "Records between the consumer's position and the high watermark",
            ),
            consumer_partitions: gauge(
                "answer_gateway.consumer.partitions",
                "state",
                "{partition}",
                "Partitions of the answers' topic",
            ),
            kafka_reconnects: count(
                "answer_gateway.kafka.reconnects",
                "client",
                "{connection}",
                "Connections to Kafka that were lost and made again",
            ),
            kafka_up: gauge(
                "answer_gateway.kafka.up",
                "client",
                "1",
                "Whether Kafka answers",
            ),
            parked_records: gauge(
                "answer_gateway.parked_records",
                "bound",
                "{record}",
                "Records that wait for their schema",
            ),
            producer_queue: gauge(
                "answer_gateway.producer.queue",
                "bound",
                "{question}",
                "Questions without a delivery report yet",
            ),

            registry_lookups: count(
                "answer_gateway.registry.lookups",
                "result",
                "{request}",
                "Requests to the schema registry",
            ),
            registry_up: gauge(
                "answer_gateway.registry.up",
                "client",
                "1",
                "Whether the schema registry answers",
            ),

            logs_held_back: count(
                "answer_gateway.logs.held_back",
                "event",
                "{line}",
                "Log lines held back by rate limits",
            ),
            build_info: gauge(
                "answer_gateway.build_info",
                "version",
                "1",
                "The running version",
            ),
            readiness: gauge(
                "answer_gateway.readiness",
                "state",
                "1",
                "Which state of readiness this process is in",
            ),
        }
    }
}
