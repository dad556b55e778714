//! What a session may still be owed: answers to questions it no longer waits for.

use std::time::Instant;

use types::WireId;

/// Nothing, or an ambiguity that lasts until a known moment.
#[derive(Debug, Default)]
pub(crate) struct Debts {
    until: Option<Instant>,
    /// An answer under the plain id is owed and has not come. One at most: while anything is owed,
    /// questions take a suffix.
    plain: bool,
}

impl Debts {
    /// An answer to `wire_id` may come until `until` although nobody waits for it.
    pub(crate) fn incur(&mut self, now: Instant, until: Instant, wire_id: &WireId) {
        let plain_before = self.outstanding(now).is_some() && self.plain;
        self.plain = plain_before || wire_id.is_plain();
        self.until = Some(until);
    }

    /// Until when something may still come; `None` when nothing can. Lasts its whole time even when
    /// what was owed has come.
    pub(crate) fn outstanding(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| now < *until)
    }

    /// Takes an answer under the plain id as the one that is owed; false when none is.
    pub(crate) fn settle_plain(&mut self, now: Instant) -> bool {
        let owed = self.outstanding(now).is_some() && self.plain;
        if owed {
            self.plain = false;
        }
        owed
    }
}
