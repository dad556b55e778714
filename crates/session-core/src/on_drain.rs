//! The process is asked to end: idle sessions are closed a few at a time, waiting ones get their
//! answer first, and at the end of the budget the rest is told.

use std::collections::BTreeSet;
use std::time::Instant;

use types::SessionId;

use crate::session::Session;
use crate::state::State;
use crate::{CloseReason, Registry, Timer, Version};

impl Registry {
    pub(crate) fn on_drain(&mut self, closes: usize) {
        self.begin_drain();
        for _ in 0..closes {
            let Some(id) = self.draining.as_mut().and_then(BTreeSet::pop_first) else {
                return;
            };
            self.close(&id, CloseReason::Draining);
        }
    }

    pub(crate) fn on_drain_expired(&mut self, now: Instant) {
        self.begin_drain();
        let waiting: Vec<SessionId> = self
            .deadlines
            .iter()
            .filter(|(_, timer, _)| *timer == Timer::AnswerDeadline)
            .map(|(_, _, id)| id.clone())
            .collect();
        for id in &waiting {
            match self.version(id) {
                Version::V1 => self.expire(now, id),
                Version::V2 => self.hand_off(now, id),
            }
        }
        self.on_drain(usize::MAX);
    }

    /// Closes a session of version 2 that waits: its client has a token to go on with elsewhere.
    fn hand_off(&mut self, now: Instant, id: &SessionId) {
        let resume = self.point_of(id);
        self.lose_socket(now, id);
        self.close_with(id, CloseReason::Draining, resume);
    }

    /// Closes a session that has just become idle, if the process drains.
    pub(crate) fn close_if_draining(&mut self, id: &SessionId) {
        if self.draining.is_some() {
            self.close(id, CloseReason::Draining);
        }
    }

    fn begin_drain(&mut self) {
        if self.draining.is_none() {
            self.draining = Some(self.idle_sessions());
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "collected into an ordered set before anything is done in its order"
    )]
    fn idle_sessions(&self) -> BTreeSet<SessionId> {
        let idle = |(_, session): &(&SessionId, &Session)| session.state == State::Idle;
        self.sessions
            .iter()
            .filter(idle)
            .map(|(id, _)| id.clone())
            .collect()
    }
}
