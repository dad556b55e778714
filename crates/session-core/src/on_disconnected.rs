//! A socket is gone. A stale close never evicts its successor.

use std::time::Instant;

use types::{SessionId, SessionKey};

use crate::session_state::SessionState;
use crate::{SessionRegistry, SessionTimer};

impl SessionRegistry {
    pub(crate) fn on_disconnected(&mut self, now: Instant, key: SessionKey) {
        if self.current_state(&key).is_none() {
            return;
        }
        self.end_question_of_lost_socket(now, &key.id);
        self.detach_connection(now, key);
    }

    /// An idle session's connection is gone.
    pub(crate) fn detach_connection(&mut self, now: Instant, key: SessionKey) {
        if let Some(idle) = &mut self.sessions_to_drain {
            idle.remove(&key.id);
        }
        self.remember_or_forget_session(now, key.id);
    }

    /// Remembers the session if it may be owed an answer and there is room, else forgets it.
    fn remember_or_forget_session(&mut self, now: Instant, id: SessionId) {
        let full = self.is_departed_table_full();
        self.connected_count -= 1;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        match session.pending_answers.pending_until(now) {
            Some(until) if !full => {
                session.state = SessionState::Departed { until };
                self.deadlines
                    .insert((until, SessionTimer::DepartedSessionExpiry, id));
            }
            Some(_) => {
                self.sessions.remove(&id);
                self.on_pending_answers_dropped(now);
            }
            None => {
                self.sessions.remove(&id);
            }
        }
    }
}
