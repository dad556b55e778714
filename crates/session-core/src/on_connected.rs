//! Handles an accepted version-1 socket. It replaces an older version-1 socket of its session and never inherits
//! that one's question.

use std::cmp::Ordering;
use std::time::Instant;

use types::SessionKey;

use crate::session::Session;
use crate::state::State;
use crate::{CloseReason, Event, Registry, Timer, Version};

impl Registry {
    pub(crate) fn on_connected(&mut self, now: Instant, key: &SessionKey) {
        if self.is_here(key.id.as_str()) && self.version(&key.id) == Version::V2 {
            // Only a valid token replaces the socket of a live version-2 session.
            let version = Version::V1;
            self.note(Event::SessionIdInUse {
                key: key.clone(),
                version,
            });
            return self.refuse(key.clone(), CloseReason::Superseded);
        }
        if self.enter(now, key)
            && let Some(session) = self.sessions.get_mut(&key.id)
        {
            session.course = None;
        }
    }

    /// Makes this socket its session's connection. False when it is not, or was already.
    pub(crate) fn enter(&mut self, now: Instant, key: &SessionKey) -> bool {
        let before = self.sessions.get(&key.id);
        match before.map(|session| (session.state, session.generation)) {
            None => {
                self.connected += 1;
                let session = Session::new(key.generation);
                self.sessions.insert(key.id.clone(), session);
            }
            Some((State::Departed { until }, _)) => self.recall(key, until),
            Some((State::Idle | State::Waiting(_) | State::Closing, older)) => {
                match key.generation.cmp(&older) {
                    // Two sockets raced and the newer one was first: this one is the replaced one.
                    Ordering::Less => {
                        self.refuse(key.clone(), CloseReason::Superseded);
                        return false;
                    }
                    Ordering::Equal => return false,
                    Ordering::Greater => self.supersede(now, key),
                }
            }
        }
        if let Some(idle) = &mut self.draining {
            idle.insert(key.id.clone());
        }
        true
    }

    /// A departed session is back, with all that it may be owed.
    fn recall(&mut self, key: &SessionKey, until: Instant) {
        self.connected += 1;
        self.deadlines
            .remove(&(until, Timer::DebtExpiry, key.id.clone()));
        self.take_over(key);
    }

    /// The older socket of a session is told to close, and its question ends.
    fn supersede(&mut self, now: Instant, newer: &SessionKey) {
        self.lose_socket(now, &newer.id);
        self.close(&newer.id, CloseReason::Superseded);
        self.take_over(newer);
    }

    fn take_over(&mut self, key: &SessionKey) {
        if let Some(session) = self.sessions.get_mut(&key.id) {
            session.generation = key.generation;
            session.state = State::Idle;
        }
    }
}
