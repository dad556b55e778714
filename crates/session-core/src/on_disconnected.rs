//! A socket is gone. A stale close never evicts its successor.

use std::time::Instant;

use types::{SessionId, SessionKey};

use crate::state::State;
use crate::{Registry, Timer};

impl Registry {
    pub(crate) fn on_disconnected(&mut self, now: Instant, key: SessionKey) {
        if self.current(&key).is_none() {
            return;
        }
        self.lose_socket(now, &key.id);
        self.leave(now, key);
    }

    /// An idle session's connection is gone.
    pub(crate) fn leave(&mut self, now: Instant, key: SessionKey) {
        if let Some(idle) = &mut self.draining {
            idle.remove(&key.id);
        }
        self.depart(now, key.id);
    }

    /// Remembers the session if it may be owed an answer and there is room, else forgets it.
    fn depart(&mut self, now: Instant, id: SessionId) {
        let full = self.owed_table_is_full();
        self.connected -= 1;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        match session.debts.outstanding(now) {
            Some(until) if !full => {
                session.state = State::Departed { until };
                self.deadlines.insert((until, Timer::DebtExpiry, id));
            }
            Some(_) => {
                self.sessions.remove(&id);
                self.debt_forgotten(now);
            }
            None => {
                self.sessions.remove(&id);
            }
        }
    }
}
