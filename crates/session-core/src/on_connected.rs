//! Handles an accepted version-1 socket. It replaces an older version-1 socket of its session and never inherits
//! that one's question.

use std::cmp::Ordering;
use std::time::Instant;

use types::SessionKey;

use crate::session::Session;
use crate::session_state::SessionState;
use crate::{CloseReason, ProtocolVersion, SessionEvent, SessionRegistry, SessionTimer};

impl SessionRegistry {
    pub(crate) fn on_connected(&mut self, now: Instant, key: &SessionKey) {
        if self.is_connected(key.id.as_str()) && self.version_of(&key.id) == ProtocolVersion::V2 {
            // Only a valid token replaces the socket of a live version-2 session.
            let version = ProtocolVersion::V1;
            self.record_event(SessionEvent::SessionIdInUse {
                key: key.clone(),
                version,
            });
            return self.refuse_connection(key.clone(), CloseReason::Superseded);
        }
        if self.attach_connection(now, key)
            && let Some(session) = self.sessions.get_mut(&key.id)
        {
            session.progress = None;
        }
    }

    /// Makes this socket its session's connection. False when it is not, or was already.
    pub(crate) fn attach_connection(&mut self, now: Instant, key: &SessionKey) -> bool {
        let before = self.sessions.get(&key.id);
        match before.map(|session| (session.state, session.generation)) {
            None => {
                self.connected_count += 1;
                let session = Session::new(key.generation);
                self.sessions.insert(key.id.clone(), session);
            }
            Some((SessionState::Departed { until }, _)) => {
                self.restore_departed_session(key, until)
            }
            Some((
                SessionState::Idle | SessionState::Waiting(_) | SessionState::Closing,
                older,
            )) => {
                match key.generation.cmp(&older) {
                    // Two sockets raced and the newer one was first: this one is the replaced one.
                    Ordering::Less => {
                        self.refuse_connection(key.clone(), CloseReason::Superseded);
                        return false;
                    }
                    Ordering::Equal => return false,
                    Ordering::Greater => self.supersede_connection(now, key),
                }
            }
        }
        if let Some(idle) = &mut self.sessions_to_drain {
            idle.insert(key.id.clone());
        }
        true
    }

    /// A departed session is back, with all that it may be owed.
    fn restore_departed_session(&mut self, key: &SessionKey, until: Instant) {
        self.connected_count += 1;
        self.deadlines
            .remove(&(until, SessionTimer::DepartedSessionExpiry, key.id.clone()));
        self.set_connection(key);
    }

    /// The older socket of a session is told to close, and its question ends.
    fn supersede_connection(&mut self, now: Instant, newer: &SessionKey) {
        self.end_question_of_lost_socket(now, &newer.id);
        self.close_idle(&newer.id, CloseReason::Superseded);
        self.set_connection(newer);
    }

    fn set_connection(&mut self, key: &SessionKey) {
        if let Some(session) = self.sessions.get_mut(&key.id) {
            session.generation = key.generation;
            session.state = SessionState::Idle;
        }
    }
}
