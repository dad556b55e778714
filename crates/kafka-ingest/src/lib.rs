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

mod assignment;
mod backoff;
mod check;
mod client_config;
mod client_context;
mod consumer;
mod dead_letter;
mod dead_letters;
mod deliveries;
mod error;
mod events;
mod floor;
mod head_of_line;
mod in_flight;
mod lookups;
mod native;
mod parking;
mod pipeline;
mod positions;
mod producer;
mod producer_loop;
mod publish_report;
mod publisher_reporting;
mod question_schema;
mod questions_topic;
mod recall;
mod recent;
mod record;
mod registry;
mod registry_reply;
mod replacement;
mod replay;
mod reporting;
mod schema_fetcher;
pub mod status;
mod steady_consumer;
mod stop;
mod supervisor;
mod throttle;
mod topic_watch;
mod trace;
mod unreadable;
mod worker;

pub use assignment::GroupStart;
pub use avro_codec::{AnswerFields, QuestionFields};
pub use check::{CheckSettings, Finding, Verdict, check};
pub use client_config::{
    ClientCertificate, KafkaSettings, OauthBearer, REFUSED_PROPERTIES, Sasl, Secret, Security, Tls,
};
pub use consumer::{AnswerSink, ConsumerHandle, ConsumerSettings, Delivery, KafkaResponseConsumer};
pub use dead_letter::DEAD_LETTER_REASONS;
pub use error::StartError;
pub use producer::{PublisherSettings, QuestionPublisher};
pub use publish_report::{Persisted, PublishFailure, PublishReport};
pub use recall::{LostCause, Recovered, Wanted};
pub use recent::RecentLimits;
pub use registry::{RegistryAuth, RegistrySettings};
pub use replay::{
    REPLAY_GROUP, Replay, ReplayError, ReplayMode, ReplayProgress, ReplaySettings, ReplaySummary,
    Selection,
};
