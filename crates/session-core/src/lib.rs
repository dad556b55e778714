//! The rules of answer-gateway, sans-IO: who may ask, whose an answer is, what a timeout owes.
//!
//! One [`SessionRegistry`] holds every session of the process. It reads no clock, draws no randomness and
//! does no I/O. The contract:
//!
//! 1. give it what happened: [`SessionRegistry::handle`] with the time and an [`Input`];
//! 2. drain [`SessionRegistry::poll_effect`] to `None` and carry each [`Effect`] out in order;
//! 3. ask [`SessionRegistry::poll_timeout`] when it next wants an [`Input::Tick`], and why.
//!
//! Getters: [`SessionRegistry::stats`], [`SessionRegistry::is_connected`],
//! [`SessionRegistry::is_session_known`], [`SessionRegistry::is_question_outstanding`],
//! [`SessionRegistry::resume_point`]. Everything else is an input or an effect.

mod answer_assembler;
mod answer_stream;
mod effect;
mod input;
mod ledger;
mod on_answer;
mod on_ask;
mod on_cancel;
mod on_connected;
mod on_disconnected;
mod on_drain;
mod on_publish_failed;
mod on_published;
mod on_recovered;
mod on_start;
mod on_timeout;
mod outstanding_question;
mod pending_answers;
mod registry;
mod server_message;
mod session;
mod session_output;
mod session_state;
mod session_timer;
mod settings;
mod stream_progress;
mod stripped_suffix_detector;
mod text_chunks;
mod wire_id;

pub use effect::{CloseReason, Effect, ProtocolVersion, PublishId, ReplyV1, SessionEvent};
pub use input::{AskIdentity, AskRequest, Input, KeyedAsk, RecoveryResult, SessionStart};
pub use ledger::Ledger;
pub use registry::{SessionRegistry, SessionStats};
pub use server_message::{
    AnswerEnd, Chunk, ChunkedText, MessageV2, QuestionErrorCode, ResumePoint, ResumeQuestion,
};
pub use session_timer::SessionTimer;
pub use settings::{CoreSettings, WireIdMode};
