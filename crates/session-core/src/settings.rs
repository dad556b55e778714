//! What the core can be told. Inequalities between these are checked where configuration is read.

use std::time::Duration;

/// The core's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What stands as `session_id` in Kafka for sessions of version 1.
    pub wire_id: WireIdMode,
    /// The same for sessions of version 2.
    pub wire_id_v2: WireIdMode,
    /// How long an asked question waits for its answer.
    pub answer_timeout: Duration,
    /// How long a question whose answer comes in parts waits for the next one.
    pub part_timeout: Duration,
    /// How long such a question waits in all.
    pub max_answer_time: Duration,
    /// How many bytes an answer may have, all its parts together. Version 2 gets longer ones in
    /// parts; there it bounds what waits for an earlier part.
    pub max_answer_bytes: usize,
    /// Longest part that version 2 is sent, in bytes.
    pub part_bytes: usize,
    /// How long a resumed session waits to learn what was written of its answer before. Longer than
    /// whoever looks takes at the most.
    pub recovery_timeout: Duration,
    /// How long after an ambiguity (timeout, lost socket, takeover, an answer before its delivery
    /// report) the session may still be owed an answer, and after a publish that may have persisted
    /// every session.
    pub answer_ttl: Duration,
    /// How many departed sessions that may still be owed an answer are remembered. When they are
    /// that many nothing is evicted: every further question takes a suffix until there is room.
    /// Also how many ended questions are remembered until their delivery report comes.
    pub max_owed: usize,
}

/// The product's defaults.
impl Default for Settings {
    fn default() -> Self {
        Self {
            wire_id: WireIdMode::Plain,
            wire_id_v2: WireIdMode::Question,
            answer_timeout: Duration::from_secs(120),
            part_timeout: Duration::from_secs(30),
            max_answer_time: Duration::from_secs(600),
            max_answer_bytes: 1024 * 1024,
            part_bytes: 64 * 1024,
            recovery_timeout: Duration::from_secs(15),
            answer_ttl: Duration::from_secs(240),
            max_owed: 100_000,
        }
    }
}

/// What a question carries as `session_id` (protocol, "Wire id").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireIdMode {
    /// The session's own id, with a suffix only after an ambiguity.
    Plain,
    /// `id~suffix`, always.
    Question,
}
