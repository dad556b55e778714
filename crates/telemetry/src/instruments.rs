//! Every instrument of the process, defined once: name, label and its closed values, unit, text.
//!
//! The seed's four metrics come first. Prometheus names have `_` for `.`, the unit and `_total`.

use opentelemetry::metrics::Meter;

use crate::kinds::{Count, Gauge, Seconds};

/// One line of documentation, the field, its kind, and what the meter is told.
macro_rules! instruments {
    ($($(#[$doc:meta])* $field:ident: $kind:ident = $name:literal, $label:literal, $unit:literal, $text:literal;)*) => {
        /// All instruments. Made by [`crate::Metrics::new`] and shared behind an `Arc`.
        #[derive(Debug)]
        pub struct Instruments {
            $($(#[$doc])* pub $field: $kind,)*
        }

        impl Instruments {
            /// Defines every instrument on `meter`.
            pub(crate) fn new(meter: &Meter) -> Self {
                Self { $($field: $kind::new(meter, $name, $label, $unit, $text),)* }
            }
        }
    };
}

instruments! {
    /// Processing rate: records of the answers' topic by `result` (`ok`, `error`, `skipped`,
    /// `passed_over`).
    records: Count = "answer_gateway.records", "result", "{record}",
        "Records of the answers' topic that were processed";

    /// Error rate: everything that went wrong, by `kind` (each crate's `events.rs` has the values).
    errors: Count = "answer_gateway.errors", "kind", "{error}",
        "Everything that went wrong";

    /// Delivery success: answers for sessions that are here, by `result` (`success`, `failure`).
    deliveries: Count = "answer_gateway.deliveries", "result", "{answer}",
        "Answers for sessions that are here, handed to their socket or not";

    /// Session count by `state` (`idle`, `waiting`).
    sessions: Gauge = "answer_gateway.sessions", "state", "{session}",
        "Sessions connected";

    /// Questions taken by Kafka, by `version` of the WebSocket protocol (`1`, `2`).
    questions_accepted: Count = "answer_gateway.questions.accepted", "version", "{question}",
        "Questions that Kafka has taken";

    /// Questions that came with a resumed session, by `version` (`2`): the ledger's `adopted`.
    questions_adopted: Count = "answer_gateway.questions.adopted", "version", "{question}",
        "Accepted questions that came with a resumed session";

    /// Resume tokens shown, by `result` (`resumed`, `not_resumed`, `stale_token`, `invalid_token`,
    /// `foreign_token`).
    resumptions: Count = "answer_gateway.resumptions", "result", "{session}",
        "Sessions that came with a resume token";

    /// Acknowledgements of parts by clients, by `version` (`2`).
    acknowledgements: Count = "answer_gateway.acknowledgements", "version", "{frame}",
        "Acknowledgements of answer parts by clients";

    /// Questions that ended, by `outcome` (`types::QuestionOutcome`).
    questions: Count = "answer_gateway.questions", "outcome", "{question}",
        "Questions that ended";

    /// Records of the answers' topic by `outcome` (`types::AnswerOutcome`).
    answers: Count = "answer_gateway.answers", "outcome", "{record}",
        "Records of the answers' topic by what was decided";

    /// Time of a question by `part`: `publish` (ask to delivery report), `wait` (report to the
    /// record being read), `consume` (read to decided), `deliver` (decided to written), `total`.
    question_time: Seconds = "answer_gateway.question.duration", "part", "s",
        "Time of answered questions and of their parts";

    /// Sockets accepted, by `version`.
    sockets_opened: Count = "answer_gateway.sockets.opened", "version", "{socket}",
        "WebSockets accepted";

    /// Sockets closed, by `code`.
    sockets_closed: Count = "answer_gateway.sockets.closed", "code", "{socket}",
        "WebSockets closed, by close code";

    /// Upgrades refused before a socket existed, by `reason`.
    upgrades_refused: Count = "answer_gateway.upgrades.refused", "reason", "{request}",
        "Upgrades refused with an HTTP status";

    /// Frames of clients that were refused, by `reason`.
    frames_refused: Count = "answer_gateway.frames.refused", "reason", "{frame}",
        "Frames of clients that were refused";

    /// Departed sessions that may still be owed an answer, by `bound` (`used`, `limit`).
    owed_sessions: Gauge = "answer_gateway.sessions.owed", "bound", "{session}",
        "Departed sessions that may still be owed an answer";

    /// Accepted questions still waiting, by `version`: the ledger's `pending`.
    questions_pending: Gauge = "answer_gateway.questions.pending", "version", "{question}",
        "Accepted questions that wait for their answer";

    /// Records between the consumer's position and the high watermark, by `scope` (`sum`, `max` over partitions).
    consumer_lag: Gauge = "answer_gateway.consumer.lag", "scope", "{record}",
        "Records between the consumer's position and the high watermark";

    /// Partitions of the answers' topic by `state` (`assigned`, `paused`).
    consumer_partitions: Gauge = "answer_gateway.consumer.partitions", "state", "{partition}",
        "Partitions of the answers' topic";

    /// Connections to Kafka lost and made again, by `client` (`consumer`, `producer`, `dead_letters`,
    /// `recall`).
    kafka_reconnects: Count = "answer_gateway.kafka.reconnects", "client", "{connection}",
        "Connections to Kafka that were lost and made again";

    /// Whether Kafka answers, by `client`: 1 or 0.
    kafka_up: Gauge = "answer_gateway.kafka.up", "client", "1",
        "Whether Kafka answers";

    /// Records parked until the registry answers, by `bound` (`used`, `limit`).
    parked_records: Gauge = "answer_gateway.parked_records", "bound", "{record}",
        "Records that wait for their schema";

    /// How far the keys of answers are believed, by `belief` (`unused`, `proving`, `proven`,
    /// `refuted`): 1 or 0.
    key_belief: Gauge = "answer_gateway.keys", "belief", "1",
        "How far a record's key is taken for its session id";

    /// Second looks at records passed over by their keys, by `cause` (`refuted`, `quiet`, `waiting`).
    second_looks: Count = "answer_gateway.second_looks", "cause", "{look}",
        "Times that records passed over by their keys were looked at again";

    /// Records of the answers' topic remembered for resumed sessions, by `kind` (`records`).
    recent_records: Gauge = "answer_gateway.recent_records", "kind", "{record}",
        "Records of the answers' topic remembered for resumed sessions";

    /// Memory of what is remembered of them, by `kind` (`index`).
    recent_records_size: Gauge = "answer_gateway.recent_records.size", "kind", "By",
        "Memory of the index of recent records";

    /// Looks for what was written before a session was resumed, by `result` (`found`, `nothing`,
    /// and why nobody can know: `group`, `busy`, `late`, `deleted`, `registry`, `stopped`).
    recoveries: Count = "answer_gateway.recoveries", "result", "{look}",
        "Looks for what was written before a session was resumed";

    /// Time of such a look, by `result`.
    recovery_time: Seconds = "answer_gateway.recovery.duration", "result", "s",
        "Time of looks for what was written before a session was resumed";

    /// Dead letters by `result`: `written` by this replica, `elsewhere` (by another), `refused` by
    /// Kafka for good, `no_room` (not kept by this replica).
    dead_letters: Count = "answer_gateway.dead_letters", "result", "{record}",
        "Undecodable records by what became of their dead letter";

    /// Dead letters that wait until they are written or their copy is seen, by `bound` (`used`, `limit`).
    dead_letters_held: Gauge = "answer_gateway.dead_letters.held", "bound", "{record}",
        "Dead letters that are not known to be written yet";

    /// Questions handed to the producer that have no delivery report yet, by `bound` (`used`, `limit`).
    producer_queue: Gauge = "answer_gateway.producer.queue", "bound", "{question}",
        "Questions without a delivery report yet";

    /// Look-ups at the schema registry by `result` (`ok`, `not_found`, `unavailable`, `unauthorized`, `invalid`).
    registry_lookups: Count = "answer_gateway.registry.lookups", "result", "{request}",
        "Requests to the schema registry";

    /// Whether the schema registry answers, by `client` (`gateway`): 1 or 0.
    registry_up: Gauge = "answer_gateway.registry.up", "client", "1",
        "Whether the schema registry answers";

    /// Log lines held back by the rate limits, by `event`.
    logs_held_back: Count = "answer_gateway.logs.held_back", "event", "{line}",
        "Log lines held back by rate limits";

    /// Always 1; the label carries the `version`.
    build_info: Gauge = "answer_gateway.build_info", "version", "1",
        "The running version";

    /// Whether this process takes traffic, by `state` (`starting`, `serving`,
    /// `not_ready`, `draining`): 1 or 0.
    readiness: Gauge = "answer_gateway.readiness", "state", "1",
        "Which state of readiness this process is in";
}
