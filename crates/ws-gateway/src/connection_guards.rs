//! A socket's place in the counts, its session's in the manager, and its answers on their way into
//! the socket. Each settles its account when dropped, so that no way out of a session forgets to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_core::ProtocolVersion;
use telemetry::spans;
use tracing::Span;
use types::SessionKey;

use crate::WebSocketSessionManager;
use crate::clock;
use crate::events::{ConnectionEnd, WebSocketEvents};
use crate::outbox::Outbox;
use crate::session_manager::SessionConnection;

/// A socket that is open. Dropped: it is closed, and counted by its end.
#[derive(Debug)]
pub(crate) struct OpenSocketGuard<'a> {
    events: &'a WebSocketEvents,
    ended: ConnectionEnd,
}

/// A session that the manager knows. Dropped: its socket is gone for the manager.
#[derive(Debug)]
pub(crate) struct ConnectionGuard<'a> {
    pub(crate) manager: &'a WebSocketSessionManager,
    pub(crate) connection: SessionConnection,
}

/// Answers handed to the socket and not written yet. Those left when it is dropped are lost.
#[derive(Debug)]
pub(crate) struct UnwrittenAnswers<'a> {
    events: &'a WebSocketEvents,
    key: SessionKey,
    outbox: Arc<Outbox>,
    answers: Vec<UnwrittenAnswer>,
}

#[derive(Debug)]
struct UnwrittenAnswer {
    decided_at: Instant,
    /// From the question to the decision.
    total: Duration,
    span: Span,
}

impl<'a> OpenSocketGuard<'a> {
    pub(crate) fn new(events: &'a WebSocketEvents, version: ProtocolVersion) -> Self {
        events.socket_opened(version);
        Self {
            events,
            ended: ConnectionEnd::Lost,
        }
    }

    /// It is closed for this reason. Its closing handshake may go on.
    pub(crate) fn record_end(mut self, ended: ConnectionEnd) {
        self.ended = ended;
    }
}

impl Drop for OpenSocketGuard<'_> {
    fn drop(&mut self) {
        self.events.socket_closed(self.ended);
    }
}

impl<'a> ConnectionGuard<'a> {
    pub(crate) fn new(manager: &'a WebSocketSessionManager, connection: SessionConnection) -> Self {
        manager.shared().events.session_entered(&connection.key);
        Self {
            manager,
            connection,
        }
    }
}

impl Drop for ConnectionGuard<'_> {
    fn drop(&mut self) {
        let SessionConnection { key, outbox } = &self.connection;
        drop(self.manager.disconnect(key));
        let events = &self.manager.shared().events;
        // Nothing is put in any more.
        events.answers_lost(key, outbox.close());
        events.session_left(key);
    }
}

impl<'a> UnwrittenAnswers<'a> {
    pub(crate) fn new(
        manager: &'a WebSocketSessionManager,
        connection: &SessionConnection,
    ) -> Self {
        Self {
            events: &manager.shared().events,
            key: connection.key.clone(),
            outbox: Arc::clone(&connection.outbox),
            answers: Vec::new(),
        }
    }

    /// An answer, decided then, `total` after its question, was handed to the socket.
    pub(crate) fn push(&mut self, decided_at: Instant, total: Duration, span: Span) {
        self.answers.push(UnwrittenAnswer {
            decided_at,
            total,
            span,
        });
    }

    /// Everything handed to the socket is written.
    pub(crate) fn on_written(&mut self) {
        self.outbox.on_written();
        let now = clock::now();
        for answer in std::mem::take(&mut self.answers) {
            let deliver = now - answer.decided_at;
            self.events.answer_written(deliver, answer.total + deliver);
        }
    }
}

impl Drop for UnwrittenAnswers<'_> {
    fn drop(&mut self) {
        for answer in &self.answers {
            spans::record_failure(&answer.span, "socket_lost");
        }
        self.events.answers_lost(&self.key, self.answers.len());
    }
}
