//! What a session may still be owed: answers to questions it no longer waits for.

use std::time::Instant;

use types::{AnswerOutcome, WireId};

/// Nothing, or an ambiguity that lasts until a known moment.
#[derive(Debug, Default)]
pub(crate) struct Debts {
    until: Option<Instant>,
    /// An answer under the plain id is owed and has not come; how it counts when it does. One at
    /// most: while anything is owed, questions take a suffix.
    plain: Option<AnswerOutcome>,
    /// An answer under a suffix is owed.
    suffixed: bool,
}

impl Debts {
    /// An answer to `wire_id` may come until `until` although nobody waits for it, and is then
    /// `outcome`.
    pub(crate) fn incur(
        &mut self,
        now: Instant,
        until: Instant,
        wire_id: &WireId,
        outcome: AnswerOutcome,
    ) {
        self.doubt(now, until);
        self.plain = self.plain.or_else(|| wire_id.is_plain().then_some(outcome));
        self.suffixed |= !wire_id.is_plain();
    }

    /// An answer that was given may come again until `until`. It explains nothing: a second answer is one.
    pub(crate) fn doubt(&mut self, now: Instant, until: Instant) {
        if self.outstanding(now).is_none() {
            (self.plain, self.suffixed) = (None, false);
        }
        self.until = Some(until);
    }

    /// Until when something may still come; `None` when nothing can. Lasts its whole time even when
    /// what was owed has come.
    pub(crate) fn outstanding(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| now < *until)
    }

    /// Tells whether an answer under a suffix may still come.
    pub(crate) fn owes_suffixed(&self, now: Instant) -> bool {
        self.suffixed && self.outstanding(now).is_some()
    }

    /// Takes an answer under the plain id as the one that is owed; `None` when none is. After a part
    /// that is not the `last` the rest is still owed.
    pub(crate) fn settle_plain(&mut self, now: Instant, last: bool) -> Option<AnswerOutcome> {
        self.outstanding(now)?;
        if last { self.plain.take() } else { self.plain }
    }
}
