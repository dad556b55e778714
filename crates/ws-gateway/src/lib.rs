//! The edge of answer-gateway: HTTP and WebSockets in, questions out through [`QuestionSink`],
//! answers in through [`WebSocketSessionManager::deliver`].
//!
//! [`WebSocketSessionManager`] holds the sessions; [`BoundPublicServer`] accepts sockets and runs one task
//! a session; [`BoundAdminServer`] answers probes and scrapers on a thread of its own. The rules (who may
//! ask, whose an answer is) are `session-core`'s; this crate moves bytes, keeps time, and bounds
//! everything. It knows neither Kafka nor Avro.

mod accept_loop;
mod admin;
mod answer_history;
mod clock;
mod close_code;
mod connection_guards;
mod core_effects;
mod deadline_task;
mod descriptor_budget;
mod drain;
mod event_log_throttle;
mod events;
mod frame_queue_stream;
mod frame_v1;
mod frame_v2;
mod handshake;
mod health;
mod http;
mod keep_alive;
mod listener;
mod outbox;
mod panic_signal;
mod public_routes;
mod public_server;
mod question_sink;
mod rate_limiter;
mod resume_token;
mod session_manager;
mod session_task;
mod settings;
mod start_frame;
mod talk_v1;
mod talk_v2;
mod trace_propagation;
mod upgrade_handler;
mod upgrade_refusal;
mod websocket;
mod websocket_limiter;

pub use admin::{
    AdminChanges, AdminSources, AdminToken, BoundAdminServer, RunningAdminServer, SetLogLevel,
};
pub use answer_history::{AnswerHistory, NoAnswerHistory, RecoveryResponder};
pub use close_code::{CloseCode, ReconnectAdvice};
pub use descriptor_budget::DescriptorBudget;
pub use drain::{DrainPlan, DrainSummary};
pub use health::{Health, Readiness, SocketAdmission};
pub use listener::BindError;
pub use public_server::{BoundPublicServer, RunningPublicServer};
pub use question_sink::QuestionSink;
pub use resume_token::ResumeTokenKeys;
pub use session_manager::WebSocketSessionManager;
pub use session_task::UpgradedClient;
pub use settings::{AdminSettings, ServerSettings, SessionSettings, WebSocketLimits};

/// Re-exports of other types in the signatures here.
pub use session_core::{CoreSettings, ProtocolVersion, RecoveryResult, SessionStats, WireIdMode};
