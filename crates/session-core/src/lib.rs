//! The rules of answer-gateway, sans-IO: who may ask, whose an answer is, what a timeout owes.
//!
//! One [`Registry`] holds every session of the process. It reads no clock, draws no randomness and
//! does no I/O. The contract:
//!
//! 1. give it what happened: [`Registry::handle`] with the time and an [`Input`];
//! 2. drain [`Registry::poll_effect`] to `None` and carry each [`Effect`] out in order;
//! 3. ask [`Registry::poll_timeout`] when it next wants an [`Input::Tick`], and why.
//!
//! Getters: [`Registry::stats`], [`Registry::is_here`], [`Registry::knows`], [`Registry::awaits`],
//! [`Registry::resume_point`]. Everything else is an input or an effect.

mod course;
mod cut;
mod debts;
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
mod parts;
mod question;
mod registry;
mod session;
mod settings;
mod state;
mod stream;
mod stripped_suffix;
mod telling;
mod timer;
mod told;
mod wire_id;

pub use effect::{CloseReason, Effect, Event, PublishId, Reply, Version};
pub use input::{Ask, AskIdentity, Input, KeyedAsk, Persisted, Recovery, Start};
pub use ledger::Ledger;
pub use registry::{Registry, Stats};
pub use settings::{Settings, WireIdMode};
pub use timer::Timer;
pub use told::{Cut, End, ErrorCode, ResumePoint, ResumeQuestion, Stretch, Told};
