//! A session's presence in the manager, and its answers on their way into the socket. Both settle
//! their accounts when dropped, so that no way out of a session forgets to.

use std::time::{Duration, Instant};

use tracing::Span;

use crate::WebSocketSessionManager;
use crate::clock;
use crate::events::Ended;
use crate::sessions::Connection;

/// A socket that the manager knows. Dropped: the socket is gone, its session cleared.
#[derive(Debug)]
pub(crate) struct Presence<'a> {
    pub(crate) manager: &'a WebSocketSessionManager,
    pub(crate) connection: &'a Connection,
    ended: Ended,
}

/// Answers handed to the socket and not written yet. Those left when it is dropped are lost.
#[derive(Debug)]
pub(crate) struct Unwritten<'a> {
    manager: &'a WebSocketSessionManager,
    connection: &'a Connection,
    answers: Vec<Answer>,
}

#[derive(Debug)]
struct Answer {
    decided_at: Instant,
    /// From the question to the decision.
    total: Duration,
    _span: Span,
}

impl<'a> Presence<'a> {
    pub(crate) fn new(manager: &'a WebSocketSessionManager, connection: &'a Connection) -> Self {
        manager.shared().events.socket_opened(&connection.key);
        Self {
            manager,
            connection,
            ended: Ended::Lost,
        }
    }

    /// The socket is gone for the manager, for this reason. Its closing handshake may go on.
    pub(crate) fn end(mut self, ended: Ended) {
        self.ended = ended;
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        let Connection { key, outbox } = self.connection;
        self.manager.disconnect(key);
        let events = &self.manager.shared().events;
        // Nothing is put in any more.
        events.answers_lost(key, outbox.close());
        events.socket_closed(key, self.ended);
    }
}

impl<'a> Unwritten<'a> {
    pub(crate) fn new(manager: &'a WebSocketSessionManager, connection: &'a Connection) -> Self {
        Self {
            manager,
            connection,
            answers: Vec::new(),
        }
    }

    /// An answer, decided then, `total` after its question, was handed to the socket.
    pub(crate) fn push(&mut self, decided_at: Instant, total: Duration, span: Span) {
        self.answers.push(Answer {
            decided_at,
            total,
            _span: span,
        });
    }

    /// Everything handed to the socket is written.
    pub(crate) fn on_written(&mut self) {
        self.connection.outbox.settle();
        let now = clock::now();
        let events = &self.manager.shared().events;
        for answer in std::mem::take(&mut self.answers) {
            let deliver = now - answer.decided_at;
            events.answer_written(deliver, answer.total + deliver);
        }
    }
}

impl Drop for Unwritten<'_> {
    fn drop(&mut self) {
        let events = &self.manager.shared().events;
        events.answers_lost(&self.connection.key, self.answers.len());
    }
}
