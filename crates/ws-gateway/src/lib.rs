//! The edge of answer-gateway: HTTP and WebSockets in, questions out through [`QuestionSink`],
//! answers in through [`WebSocketSessionManager::deliver`].
//!
//! [`WebSocketSessionManager`] holds the sessions; [`BoundServer`] accepts sockets and runs one task
//! a session; [`BoundAdmin`] answers probes and scrapers on a thread of its own. The rules (who may
//! ask, whose an answer is) are `session-core`'s; this crate moves bytes, keeps time, and bounds
//! everything. It knows neither Kafka nor Avro.

mod accept;
mod admin;
mod answer_history;
mod bind;
mod clock;
mod close;
mod deadlines;
mod descriptors;
mod drain;
mod effects;
mod events;
mod frame_v1;
mod frame_v2;
mod handshake;
mod health;
mod http;
mod limits;
mod opening;
mod outbox;
mod panics;
mod presence;
mod pulse;
mod question_sink;
mod rate;
mod refusal;
mod routes;
mod server;
mod session_task;
mod sessions;
mod settings;
mod socket;
mod socket_io;
mod talk_v1;
mod talk_v2;
mod throttled;
mod token;
mod trace;
mod upgrade;

pub use admin::{AdminChanges, AdminSources, AdminToken, BoundAdmin, RunningAdmin, SetLogLevel};
pub use answer_history::{AnswerHistory, NoHistory, RecoveryReport, WantedAnswer};
pub use bind::BindError;
pub use close::{Close, Reconnect};
pub use descriptors::DescriptorBudget;
pub use drain::{DrainPlan, Drained};
pub use health::{Admission, Health, Readiness};
pub use question_sink::{PublishFailure, PublishReport, QuestionSink};
pub use server::{BoundServer, RunningServer};
pub use session_task::Client;
pub use sessions::WebSocketSessionManager;
pub use settings::{AdminSettings, Limits, ServerSettings, SessionSettings};
pub use token::TokenKeys;

/// What else the signatures here use.
pub use session_core::{Persisted, Recovery, Settings as CoreSettings, Stats, Version, WireIdMode};
