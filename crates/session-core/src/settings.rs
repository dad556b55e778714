//! Settings of the core. Inequalities between these are checked where configuration is read.

use std::time::Duration;

/// The core's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreSettings {
    /// The form of `session_id` in Kafka for sessions of version 1.
    pub wire_id: WireIdMode,
    /// The same for sessions of version 2.
    pub wire_id_v2: WireIdMode,
    /// The time for which an asked question waits for its answer.
    pub answer_timeout: Duration,
    /// The time for which a question whose answer comes in parts waits for the next one.
    pub part_timeout: Duration,
    /// The time for which such a question waits in all.
    pub max_answer_time: Duration,
    /// The most bytes of an answer, all its parts together. Version 2 gets longer ones in
    /// parts; there it bounds what waits for an earlier part.
    pub max_answer_bytes: usize,
    /// Longest part that version 2 is sent, in bytes.
    pub chunk_bytes: usize,
    /// The time for which a resumed session waits for the records written of its answer before. Longer than
    /// a lookup may take.
    pub recovery_timeout: Duration,
    /// The time after an ambiguity (timeout, lost socket, takeover, an answer before its delivery
    /// report) in which the session may still be sent the answer, and after a publish that may have
    /// persisted every session.
    pub answer_ttl: Duration,
    /// The most departed sessions with pending answers that are remembered. When they are
    /// that many nothing is evicted: every further question takes a suffix until there is room.
    /// Also how many ended questions are remembered until their delivery report comes.
    pub max_departed_sessions: usize,
}

/// The product's defaults.
impl Default for CoreSettings {
    fn default() -> Self {
        Self {
            wire_id: WireIdMode::Plain,
            wire_id_v2: WireIdMode::Suffixed,
            answer_timeout: Duration::from_secs(120),
            part_timeout: Duration::from_secs(30),
            max_answer_time: Duration::from_secs(600),
            max_answer_bytes: 1024 * 1024,
            chunk_bytes: 64 * 1024,
            recovery_timeout: Duration::from_secs(15),
            answer_ttl: Duration::from_secs(240),
            max_departed_sessions: 100_000,
        }
    }
}

/// The form of a question's `session_id` (protocol, "Wire id").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireIdMode {
    /// The session's own id, with a suffix only after an ambiguity.
    Plain,
    /// `id~suffix`, always.
    Suffixed,
}
