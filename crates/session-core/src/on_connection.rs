//! Sockets come and go. A newcomer replaces an older socket and never inherits its question; a stale
//! close never evicts its successor.

use std::collections::hash_map::Entry;
use std::time::Instant;

use types::{QuestionOutcome, SessionId, SessionKey};

use crate::session::{Connection, Session};
use crate::{CloseReason, Event, Registry, Timer};

impl Registry {
    pub(crate) fn on_connected(&mut self, now: Instant, key: SessionKey) {
        if let Some(older) = self.connected_generation(&key.id) {
            if older.generation >= key.generation {
                // Two sockets raced and the newer one was first: this one is the replaced one.
                self.refuse(key, CloseReason::Superseded);
                return;
            }
            self.drop_question(now, &key.id);
            self.close(older, CloseReason::Superseded);
        } else {
            self.recall(&key.id);
            self.connected += 1;
        }
        if let Some(queue) = &mut self.drain {
            queue.push_back(key.id.clone());
        }
        let session = self.sessions.entry(key.id).or_default();
        session.connection = Some(Connection::new(key.generation));
    }

    pub(crate) fn on_disconnected(&mut self, now: Instant, key: &SessionKey) {
        if self.connected_generation(&key.id).as_ref() != Some(key) {
            return;
        }
        self.drop_question(now, &key.id);
        self.connected -= 1;
        let Entry::Occupied(mut session) = self.sessions.entry(key.id.clone()) else {
            return;
        };
        session.get_mut().connection = None;
        let debts = &session.get().debts;
        let until = debts.until().filter(|_| debts.outstanding(now));
        match until {
            Some(until) if self.departed < self.settings.max_owed => {
                self.departed += 1;
                self.deadlines
                    .insert((until, Timer::DebtExpiry, key.id.clone()));
            }
            Some(until) => {
                session.remove();
                self.suffix_all(until);
                self.note(Event::OwedTableFull);
            }
            None => {
                session.remove();
            }
        }
    }

    /// Forgets a departed session: nothing can be owed to it any more.
    pub(crate) fn on_debt_expired(&mut self, id: &SessionId) {
        if self.sessions.remove(id).is_some() {
            self.departed -= 1;
        }
    }

    /// A departed session is back: its debts are its own again.
    fn recall(&mut self, id: &SessionId) {
        let Some(until) = self
            .sessions
            .get(id)
            .and_then(|session| session.debts.until())
        else {
            return;
        };
        self.deadlines
            .remove(&(until, Timer::DebtExpiry, id.clone()));
        self.departed -= 1;
    }

    /// Version 1 clears a session whose socket is gone: its question ends here.
    fn drop_question(&mut self, now: Instant, id: &SessionId) {
        if let Some(question) = self.take_question(id) {
            self.abandon(now, id, &question, QuestionOutcome::Undeliverable);
        }
    }

    fn connected_generation(&self, id: &SessionId) -> Option<SessionKey> {
        let connection = self
            .sessions
            .get(id)
            .and_then(|s: &Session| s.connection.as_ref())?;
        Some(SessionKey {
            id: id.clone(),
            generation: connection.generation,
        })
    }
}
