//! Tracks the answers that may still come for questions that a session no longer waits for.

use std::time::Instant;

use types::{AnswerOutcome, WireId};

/// Nothing, or an ambiguity that lasts until a known moment.
#[derive(Debug, Default)]
pub(crate) struct PendingAnswers {
    expires_at: Option<Instant>,
    /// An answer under the plain id is owed and has not come; how it counts when it does. One at
    /// most: while anything is owed, questions take a suffix.
    plain_outcome: Option<AnswerOutcome>,
    /// An answer under a suffix is owed.
    suffixed_pending: bool,
}

impl PendingAnswers {
    /// An answer to `wire_id` may come until `until` although nobody waits for it, and is then
    /// `outcome`.
    pub(crate) fn expect_late(
        &mut self,
        now: Instant,
        expires_at: Instant,
        wire_id: &WireId,
        outcome: AnswerOutcome,
    ) {
        self.expect_duplicate(now, expires_at);
        self.plain_outcome = self
            .plain_outcome
            .or_else(|| wire_id.is_plain().then_some(outcome));
        self.suffixed_pending |= !wire_id.is_plain();
    }

    /// An answer that was given may come again until `until`. It explains nothing: a second answer is one.
    pub(crate) fn expect_duplicate(&mut self, now: Instant, until: Instant) {
        if self.pending_until(now).is_none() {
            (self.plain_outcome, self.suffixed_pending) = (None, false);
        }
        self.expires_at = Some(until);
    }

    /// Until when something may still come; `None` when nothing can. Lasts its whole time even when
    /// what was owed has come.
    pub(crate) fn pending_until(&self, now: Instant) -> Option<Instant> {
        self.expires_at.filter(|until| now < *until)
    }

    /// Tells whether an answer under a suffix may still come.
    pub(crate) fn is_suffixed_pending(&self, now: Instant) -> bool {
        self.suffixed_pending && self.pending_until(now).is_some()
    }

    /// Takes an answer under the plain id as the one that is owed; `None` when none is. After a part
    /// that is not the `last` the rest is still owed.
    pub(crate) fn take_plain_outcome(&mut self, now: Instant, last: bool) -> Option<AnswerOutcome> {
        self.pending_until(now)?;
        if last {
            self.plain_outcome.take()
        } else {
            self.plain_outcome
        }
    }
}
