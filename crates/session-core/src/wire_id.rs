//! Chooses a question's `session_id` in Kafka: the session's own id while an answer under it
//! can belong to no other question, else `id~suffix`.

use std::time::Instant;

use types::{SessionId, WireId, WireIdSuffix};

use crate::{ProtocolVersion, SessionEvent, SessionRegistry, WireIdMode};

impl SessionRegistry {
    /// The wire id of a question that this session asks now.
    pub(crate) fn mint_wire_id(
        &self,
        now: Instant,
        id: &SessionId,
        suffix: WireIdSuffix,
    ) -> WireId {
        let suffixed = match self.wire_id_mode(id) {
            WireIdMode::Suffixed => true,
            WireIdMode::Plain => {
                self.has_pending_answers(now, id)
                    || self
                        .suffixes_required_until
                        .is_some_and(|until| now < until)
                    || self.is_departed_table_full()
            }
        };
        if suffixed {
            WireId::suffixed(id, suffix)
        } else {
            WireId::plain(id)
        }
    }

    fn wire_id_mode(&self, id: &SessionId) -> WireIdMode {
        match self.version_of(id) {
            ProtocolVersion::V1 => self.settings.wire_id,
            ProtocolVersion::V2 => self.settings.wire_id_v2,
        }
    }

    /// Tells whether the session has pending answers.
    fn has_pending_answers(&self, now: Instant, id: &SessionId) -> bool {
        let session = self.sessions.get(id);
        session.is_some_and(|session| session.pending_answers.pending_until(now).is_some())
    }

    /// Tells whether no further departed session could be remembered.
    pub(crate) fn is_departed_table_full(&self) -> bool {
        self.departed_count() >= self.settings.max_departed_sessions
    }

    /// The answering side answered twice: no plain id is safe for a while.
    pub(crate) fn on_duplicate_answers(&mut self, now: Instant) {
        match (self.settings.wire_id, self.settings.wire_id_v2) {
            // There are no plain questions whose answers could be confused.
            (WireIdMode::Suffixed, WireIdMode::Suffixed) => {}
            (WireIdMode::Plain, _) | (_, WireIdMode::Plain) => {
                self.require_suffixes(now);
                self.record_event(SessionEvent::DuplicateAnswers);
            }
        }
    }

    /// Tells whether the session asks under suffixes only, waits for an answer under one, or may still be owed one.
    pub(crate) fn has_asked_with_suffix(&self, now: Instant, session: &str) -> bool {
        let waited_for = self.outstanding_question(session);
        let waits = waited_for.is_some_and(|question| !question.wire_id.is_plain());
        let Some((id, session)) = self.sessions.get_key_value(session) else {
            return waits;
        };
        let always = self.wire_id_mode(id) == WireIdMode::Suffixed;
        always || waits || session.pending_answers.is_suffixed_pending(now)
    }

    /// An answer that explains itself by nothing came under the bare id of a session that has asked under a
    /// suffix.
    pub(crate) fn on_unattributed_bare_answer(&mut self, now: Instant, session: &str) {
        let ttl = self.settings.answer_ttl;
        if self.stripped_suffix_detector.on_bare_answer(now, ttl)
            && let Some((session, _)) = self.sessions.get_key_value(session)
        {
            let session = session.clone();
            self.record_event(SessionEvent::SuffixStripped { session });
        }
    }

    /// A debt was not remembered: no plain id is safe for a while.
    pub(crate) fn on_pending_answers_dropped(&mut self, now: Instant) {
        self.require_suffixes(now);
        self.record_event(SessionEvent::DepartedTableFull);
    }

    /// A question was given up in the middle of being written, after which the producer may write those
    /// that were under way with it a second time: no plain id is safe for a while.
    pub(crate) fn on_possible_duplicate_questions(&mut self, now: Instant) {
        self.require_suffixes(now);
    }

    fn require_suffixes(&mut self, now: Instant) {
        self.suffixes_required_until = Some(now + self.settings.answer_ttl);
    }
}
