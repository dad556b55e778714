//! The process is asked to end: idle sessions are closed a few at a time, waiting ones get their
//! answer first, and at the end of the budget the rest is told.

use std::collections::VecDeque;
use std::time::Instant;

use types::{SessionId, SessionKey};

use crate::{CloseReason, Registry, Timer};

impl Registry {
    pub(crate) fn on_drain(&mut self, closes: usize) {
        let mut queue = self.drain.take().unwrap_or_else(|| self.everybody());
        let mut left = closes;
        while left > 0 {
            let Some(id) = queue.pop_front() else { break };
            if let Some(key) = self.idle(&id) {
                self.close(key, CloseReason::Draining);
                left -= 1;
            }
            // A waiting session is closed with its answer; a departed one needs nothing.
        }
        self.drain = Some(queue);
    }

    pub(crate) fn on_drain_expired(&mut self, now: Instant) {
        let waiting: Vec<SessionId> = self
            .deadlines
            .iter()
            .filter(|(_, timer, _)| *timer == Timer::AnswerDeadline)
            .map(|(_, _, id)| id.clone())
            .collect();
        self.drain.get_or_insert_with(VecDeque::new);
        for id in &waiting {
            self.expire(now, id);
        }
        self.drain = None;
        self.on_drain(usize::MAX);
    }

    /// Closes a session that has just become idle, if the process drains.
    pub(crate) fn close_if_draining(&mut self, key: SessionKey) {
        if self.drain.is_some() {
            self.close(key, CloseReason::Draining);
        }
    }

    fn idle(&self, id: &SessionId) -> Option<SessionKey> {
        let connection = self.sessions.get(id)?.connection.as_ref()?;
        let idle = connection.question.is_none() && !connection.closing;
        idle.then(|| SessionKey {
            id: id.clone(),
            generation: connection.generation,
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "sorted before anything is done in its order"
    )]
    fn everybody(&self) -> VecDeque<SessionId> {
        let mut ids: Vec<SessionId> = self.sessions.keys().cloned().collect();
        ids.sort_unstable();
        ids.into()
    }
}
