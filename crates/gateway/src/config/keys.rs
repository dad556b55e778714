//! The key table: every setting there is, by section.
//!
//! A setting is added in one place, the section it belongs to; its names, its row in the reference,
//! its tests and its field follow.

mod kafka;
mod network;
mod process;
mod session;

pub use kafka::{AnswerFields, Kafka, QuestionFields, Registry};
pub use network::{Admin, Chat, Limits, Security, Server, WebSocket};
pub use process::{Drain, Log, Readiness};
pub use session::{Auth, Delivery, Resume, Session};

use super::key::{ConfigKey, ConfigSection, SectionTable};

/// Every section, in the order of the reference.
pub static SECTIONS: &[SectionTable] = &[
    Server::TABLE,
    Admin::TABLE,
    Kafka::TABLE,
    Registry::TABLE,
    QuestionFields::TABLE,
    AnswerFields::TABLE,
    Delivery::TABLE,
    Session::TABLE,
    WebSocket::TABLE,
    Limits::TABLE,
    Security::TABLE,
    Chat::TABLE,
    Drain::TABLE,
    Readiness::TABLE,
    Log::TABLE,
    Auth::TABLE,
    Resume::TABLE,
];

/// Every setting, in the order of the reference.
pub fn all_keys() -> impl Iterator<Item = &'static ConfigKey> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// The setting of this name.
pub fn find_key(name: &str) -> Option<&'static ConfigKey> {
    all_keys().find(|key| key.name == name)
}

/// The one of `known` that `name` was probably meant to be; `None` when none is near.
pub(crate) fn nearest_name(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    /// Below this likeness a hint misleads more than it helps.
    const NEAR: f64 = 0.8;
    known
        .map(|known| (strsim::normalized_damerau_levenshtein(name, &known), known))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}
