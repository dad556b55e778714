//! What a question carries as `session_id` in Kafka: the session's own id while an answer under it
//! can belong to no other question, else `id~suffix`.

use std::time::Instant;

use types::{SessionId, Suffix, WireId};

use crate::{Event, Registry, Version, WireIdMode};

impl Registry {
    /// The wire id of a question that this session asks now.
    pub(crate) fn mint_wire_id(&self, now: Instant, id: &SessionId, suffix: Suffix) -> WireId {
        let suffixed = match self.wire_id_mode(id) {
            WireIdMode::Question => true,
            WireIdMode::Plain => {
                self.is_owed(now, id)
                    || self.suffix_all_until.is_some_and(|until| now < until)
                    || self.owed_table_is_full()
            }
        };
        if suffixed {
            WireId::suffixed(id, suffix)
        } else {
            WireId::plain(id)
        }
    }

    fn wire_id_mode(&self, id: &SessionId) -> WireIdMode {
        match self.version(id) {
            Version::V1 => self.settings.wire_id,
            Version::V2 => self.settings.wire_id_v2,
        }
    }

    /// Whether the session may be owed an answer.
    fn is_owed(&self, now: Instant, id: &SessionId) -> bool {
        let session = self.sessions.get(id);
        session.is_some_and(|session| session.debts.outstanding(now).is_some())
    }

    /// Whether no further departed session could be remembered.
    pub(crate) fn owed_table_is_full(&self) -> bool {
        self.departed() >= self.settings.max_owed
    }

    /// The answering side answered twice: no plain id is safe for a while.
    pub(crate) fn duplicates_seen(&mut self, now: Instant) {
        match (self.settings.wire_id, self.settings.wire_id_v2) {
            // There are no plain questions whose answers could be confused.
            (WireIdMode::Question, WireIdMode::Question) => {}
            (WireIdMode::Plain, _) | (_, WireIdMode::Plain) => {
                self.suffix_all(now);
                self.note(Event::DuplicatesSeen);
            }
        }
    }

    /// Tells whether the session asks under suffixes only, waits for an answer under one, or may still be owed one.
    pub(crate) fn has_asked_with_suffix(&self, now: Instant, session: &str) -> bool {
        let waited_for = self.waited_for(session);
        let waits = waited_for.is_some_and(|question| !question.wire_id.is_plain());
        let Some((id, session)) = self.sessions.get_key_value(session) else {
            return waits;
        };
        let always = self.wire_id_mode(id) == WireIdMode::Question;
        always || waits || session.debts.owes_suffixed(now)
    }

    /// An answer that explains itself by nothing came under the bare id of a session that has asked under a
    /// suffix.
    pub(crate) fn suffix_may_be_stripped(&mut self, now: Instant, session: &str) {
        let ttl = self.settings.answer_ttl;
        if self.stripped_suffix.on_bare_answer(now, ttl)
            && let Some((session, _)) = self.sessions.get_key_value(session)
        {
            let session = session.clone();
            self.note(Event::SuffixStripped { session });
        }
    }

    /// A debt was not remembered: no plain id is safe for a while.
    pub(crate) fn debt_forgotten(&mut self, now: Instant) {
        self.suffix_all(now);
        self.note(Event::OwedTableFull);
    }

    /// A question was given up in the middle of being written, after which the producer may write those
    /// that were under way with it a second time: no plain id is safe for a while.
    pub(crate) fn questions_may_be_doubled(&mut self, now: Instant) {
        self.suffix_all(now);
    }

    fn suffix_all(&mut self, now: Instant) {
        self.suffix_all_until = Some(now + self.settings.answer_ttl);
    }
}
