//! The process is asked to end: idle sessions are closed a few at a time, waiting ones get their
//! answer first, and at the end of the budget the rest is told.

use std::collections::BTreeSet;
use std::time::Instant;

use types::SessionId;

use crate::session::Session;
use crate::session_state::SessionState;
use crate::{CloseReason, ProtocolVersion, SessionRegistry, SessionTimer};

impl SessionRegistry {
    pub(crate) fn on_drain(&mut self, closes: usize) {
        self.begin_drain();
        for _ in 0..closes {
            let Some(id) = self
                .sessions_to_drain
                .as_mut()
                .and_then(BTreeSet::pop_first)
            else {
                return;
            };
            self.close_idle(&id, CloseReason::Draining);
        }
    }

    pub(crate) fn on_drain_expired(&mut self, now: Instant) {
        self.begin_drain();
        let waiting: Vec<SessionId> = self
            .deadlines
            .iter()
            .filter(|(_, timer, _)| *timer == SessionTimer::AnswerDeadline)
            .map(|(_, _, id)| id.clone())
            .collect();
        for id in &waiting {
            match self.version_of(id) {
                ProtocolVersion::V1 => self.expire_question(now, id),
                ProtocolVersion::V2 => self.hand_off_session(now, id),
            }
        }
        self.on_drain(usize::MAX);
    }

    /// Closes a session of version 2 that waits: its client has a token to go on with elsewhere.
    fn hand_off_session(&mut self, now: Instant, id: &SessionId) {
        let resume = self.build_resume_point(id);
        self.end_question_of_lost_socket(now, id);
        self.close_idle_with_resume(id, CloseReason::Draining, resume);
    }

    /// Closes a session that has just become idle, if the process drains.
    pub(crate) fn close_if_draining(&mut self, id: &SessionId) {
        if self.sessions_to_drain.is_some() {
            self.close_idle(id, CloseReason::Draining);
        }
    }

    fn begin_drain(&mut self) {
        if self.sessions_to_drain.is_none() {
            self.sessions_to_drain = Some(self.idle_sessions());
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "collected into an ordered set before anything is done in its order"
    )]
    fn idle_sessions(&self) -> BTreeSet<SessionId> {
        let idle = |(_, session): &(&SessionId, &Session)| session.state == SessionState::Idle;
        self.sessions
            .iter()
            .filter(idle)
            .map(|(id, _)| id.clone())
            .collect()
    }
}
