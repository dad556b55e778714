//! Kafka for answer-gateway: answers in, questions out, and the schemas of both.
//!
//! [`KafkaResponseConsumer`] reads every partition of the answers' topic on a thread of its own and
//! hands each answer to an [`AnswerSink`]. [`QuestionPublisher`] produces questions and reports
//! exactly once what became of each. Both keep a [`status`] that says what is missing. Neither knows
//! WebSockets or sessions; nothing but the types of the crate `types` passes out of here.
//!
//! What is promised of the answers: an answer that is in the topic after the consumer has said that
//! it is positioned is handed to the sink, unless it is undecodable, which is counted and logged. A
//! broker or a registry that is away delays answers and loses none. An answer may be handed over
//! more than once (after a topic came back, for example): the sink tells duplicates apart.
//!
//! What is undecodable can be kept in a topic of its own, the dead letters'; [`Replay`] puts it back
//! once the cause is mended.

mod answer_index;
mod answer_pipeline;
mod answer_record;
mod assignment;
mod backoff;
mod check;
mod client_config;
mod client_context;
mod consumer;
mod consumer_reporting;
mod consumer_supervisor;
mod consumer_worker;
mod dead_letter;
mod dead_letter_queue;
mod events;
mod in_flight;
mod librdkafka;
mod log_throttle;
mod monotonic_consumer;
mod offset_tracker;
mod parked_records;
mod pending_publishes;
mod producer_thread;
mod publisher_reporting;
mod question_publisher;
mod question_schema_refresher;
mod questions_topic_watch;
mod recovery;
mod registry;
mod registry_reply;
mod replacement;
mod replay;
mod schema_fetcher;
mod schema_lookups;
mod start_error;
pub mod status;
mod stop_signal;
mod topic_existence;
mod topic_offsets;
mod trace;
mod unreadable;
mod watermarks;

pub use answer_index::AnswerIndexLimits;
pub use assignment::GroupStart;
pub use avro_codec::{AnswerFieldNames, QuestionFieldNames};
pub use check::{CheckSettings, CheckVerdict, Finding, run_checks};
pub use client_config::{
    ClientCertificate, KafkaSecurity, KafkaSettings, OauthBearerSettings, REFUSED_PROPERTIES,
    SaslCredentials, Secret, TlsSettings,
};
pub use consumer::{
    AnswerDelivery, AnswerSink, ConsumerHandle, ConsumerSettings, KafkaResponseConsumer,
};
pub use dead_letter::DEAD_LETTER_REASONS;
pub use question_publisher::{PublisherSettings, QuestionPublisher};
pub use recovery::{RecoveryOutcome, UnavailableReason};
pub use registry::{RegistryAuth, RegistrySettings};
pub use replay::{
    REPLAY_GROUP, Replay, ReplayError, ReplayMode, ReplayProgress, ReplaySelection, ReplaySettings,
    ReplaySummary,
};
pub use start_error::StartError;
