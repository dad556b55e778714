//! One WebSocket: frames in, what the core decided out, a pulse. Every decision is made elsewhere:
//! the core's in `session-core`, the frames' in `frame_v1` and `frame_v2`, the pulse's in `pulse`.
//! How each version is spoken stands in `talk_v1` and `talk_v2`.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Instant;

use session_core::ProtocolVersion;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use types::{SessionId, TraceContext};

use crate::clock;
use crate::close_code::CloseCode;
use crate::connection_guards::{ConnectionGuard, OpenSocketGuard, UnwrittenAnswers};
use crate::events::{ConnectionEnd, WebSocketEvents};
use crate::keep_alive::{KeepAlive, KeepAliveAction, KeepAliveTimeouts};
use crate::outbox::{OutboxBatch, OutboxItem, PushOutcome};
use crate::rate_limiter::RateLimiter;
use crate::session_manager::{SessionConnection, WebSocketSessionManager};
use crate::settings::SessionSettings;
use crate::talk_v2::ProtocolV2State;
use crate::websocket::{FlushOutcome, ServerWebSocket, SocketEvent, SocketFailure};

impl WebSocketSessionManager {
    /// Runs one session until either side closes it. Dropped, or once `stop` is cancelled, it ends
    /// without a closing handshake.
    pub async fn serve<S>(&self, client: UpgradedClient<S>, stop: &CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let _guard = self.shared().panics.new_guard();
        let max_frame_bytes = self.shared().settings.max_frame_bytes;
        let socket =
            ServerWebSocket::new(client.stream, client.already_read, max_frame_bytes).await;
        let open = OpenSocketGuard::new(&self.shared().events, client.version);
        let session = async {
            match client.version {
                ProtocolVersion::V1 => {
                    self.serve_v1(socket, open, client.session_id, client.trace)
                        .await
                }
                ProtocolVersion::V2 => {
                    self.serve_v2(socket, open, client.session_id, client.trace)
                        .await
                }
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = session => {}
        }
    }

    /// Opens a socket only to say that its client speaks a version that nobody here does.
    pub(crate) async fn refuse_unknown_version<S>(&self, stream: S, already_read: Vec<u8>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let max_frame_bytes = self.shared().settings.max_frame_bytes;
        let socket = ServerWebSocket::new(stream, already_read, max_frame_bytes).await;
        let events = &self.shared().events;
        events.upgrade_refused("version");
        events.socket_closed(ConnectionEnd::ByServer(CloseCode::UnknownVersion));
        socket.close(Some(CloseCode::UnknownVersion)).await;
    }

    async fn serve_v1<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: ServerWebSocket<S>,
        open: OpenSocketGuard<'_>,
        id: SessionId,
        trace: Option<TraceContext>,
    ) {
        match self.connect_v1(id, trace) {
            Some(connection) => {
                let task = SessionTask::new(self, connection, socket, ProtocolState::V1);
                task.serve(open).await;
            }
            None => close_without_session(socket, open, CloseCode::InternalError).await,
        }
    }

    async fn serve_v2<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut socket: ServerWebSocket<S>,
        open: OpenSocketGuard<'_>,
        id: SessionId,
        trace: Option<TraceContext>,
    ) {
        let opening = match self.wait_for_start(&mut socket, id).await {
            Ok(opening) => opening,
            Err(ConnectionEnd::ByServer(close)) => {
                return close_without_session(socket, open, close).await;
            }
            Err(ended) => {
                open.record_end(ended);
                socket.close(None).await;
                return;
            }
        };
        match self.connect_v2(opening.id, opening.start, trace) {
            Some(connection) => {
                let talk = ProtocolState::V2(Box::new(ProtocolV2State::new(
                    &self.shared().settings,
                    clock::now(),
                )));
                let task = SessionTask::new(self, connection, socket, talk);
                task.serve(open).await;
            }
            None => close_without_session(socket, open, CloseCode::InternalError).await,
        }
    }
}

/// Closes a socket that has no session.
async fn close_without_session<S: AsyncRead + AsyncWrite + Unpin>(
    socket: ServerWebSocket<S>,
    open: OpenSocketGuard<'_>,
    close: CloseCode,
) {
    open.record_end(ConnectionEnd::ByServer(close));
    socket.close(Some(close)).await;
}

/// A connected client and its stream.
#[derive(Debug)]
pub struct UpgradedClient<S> {
    /// The session it asks for; version 2 may ask for another by its `start`.
    pub session_id: SessionId,
    /// The version it speaks.
    pub version: ProtocolVersion,
    /// Speaks WebSocket from here on.
    pub stream: S,
    /// The bytes of the stream that were read already.
    pub already_read: Vec<u8>,
    /// The trace that its questions belong to, if the client has one.
    pub trace: Option<TraceContext>,
}

/// One session. Dropping it tells the manager that the socket is gone.
pub(crate) struct SessionTask<'a, S> {
    pub(crate) socket: ServerWebSocket<S>,
    pub(crate) connection_guard: ConnectionGuard<'a>,
    pub(crate) unwritten_answers: UnwrittenAnswers<'a>,
    keep_alive: KeepAlive,
    frame_rate_limiter: Option<RateLimiter>,
    protocol: ProtocolState,
}

/// The version spoken, and its state.
enum ProtocolState {
    V1,
    V2(Box<ProtocolV2State>),
}

/// The decision whether a session goes on.
pub(crate) type StepResult = Result<(), ConnectionEnd>;

impl<'a, S: AsyncRead + AsyncWrite + Unpin> SessionTask<'a, S> {
    fn new(
        manager: &'a WebSocketSessionManager,
        connection: SessionConnection,
        socket: ServerWebSocket<S>,
        protocol: ProtocolState,
    ) -> Self {
        let now = clock::now();
        let settings = &manager.shared().settings;
        Self {
            socket,
            unwritten_answers: UnwrittenAnswers::new(manager, &connection),
            connection_guard: ConnectionGuard::new(manager, connection),
            keep_alive: KeepAlive::new(settings.into(), now),
            frame_rate_limiter: settings
                .frames_per_second
                .map(|rate| RateLimiter::new(rate, now)),
            protocol,
        }
    }

    /// Runs the session to its end, which the manager learns at once, then its connection to the
    /// end of the closing handshake.
    async fn serve(mut self, open: OpenSocketGuard<'a>) {
        let ended = self.run().await;
        let Self {
            socket,
            connection_guard: presence,
            unwritten_answers: mut unwritten,
            ..
        } = self;
        drop(presence);
        open.record_end(ended);
        let close = match ended {
            ConnectionEnd::ByServer(close) => Some(close),
            ConnectionEnd::ByClient(_) | ConnectionEnd::Lost => None,
        };
        match socket.close(close).await {
            FlushOutcome::Complete => unwritten.on_written(),
            FlushOutcome::Incomplete => drop(unwritten),
        }
    }

    async fn run(&mut self) -> ConnectionEnd {
        let mut timer = std::pin::pin!(sleep_until(self.next_wakeup_at().into()));
        loop {
            let step = tokio::select! {
                biased;
                taken = poll_fn(|cx| self.connection_guard.connection.outbox.poll_take(cx)) => self.on_outbox_batch(taken),
                event = poll_fn(|cx| self.socket.poll_event(cx)) => self.on_event(event),
                () = timer.as_mut() => self.on_timer(),
            };
            if let Err(ended) = step {
                return ended;
            }
            self.advance_timer(timer.as_mut());
        }
    }

    // === what happens ===

    fn on_event(&mut self, event: SocketEvent) -> StepResult {
        match event {
            SocketEvent::Text(text) => match self.on_frame()? {
                FrameRateVerdict::WithinRate => {
                    self.on_text(&text);
                    Ok(())
                }
                FrameRateVerdict::OverRate => Ok(()),
            },
            SocketEvent::PingOrPong => self.on_frame().map(|_| ()),
            SocketEvent::Binary => Err(ConnectionEnd::ByServer(CloseCode::BinaryFrame)),
            SocketEvent::Written => {
                self.unwritten_answers.on_written();
                Ok(())
            }
            SocketEvent::Closed(code) => Err(ConnectionEnd::ByClient(code)),
            SocketEvent::Failed(SocketFailure::Disconnected) => Err(ConnectionEnd::Lost),
            SocketEvent::Failed(SocketFailure::ProtocolViolation(close)) => {
                Err(ConnectionEnd::ByServer(close))
            }
        }
    }

    fn on_frame(&mut self) -> Result<FrameRateVerdict, ConnectionEnd> {
        let now = clock::now();
        self.keep_alive.on_frame(now);
        let Some(Err(wait)) = self
            .frame_rate_limiter
            .as_mut()
            .map(|rate| rate.try_take(now))
        else {
            return Ok(FrameRateVerdict::WithinRate);
        };
        match self
            .protocol_v2_mut()
            .map(|talk| talk.is_excess_allowed(now))
        {
            Some(true) => {
                self.refuse_over_rate(wait);
                Ok(FrameRateVerdict::OverRate)
            }
            Some(false) | None => Err(ConnectionEnd::ByServer(CloseCode::RateLimited)),
        }
    }

    fn on_text(&mut self, text: &str) {
        match &self.protocol {
            ProtocolState::V1 => self.on_text_v1(text),
            ProtocolState::V2(talk) => self.on_text_v2(text, talk.is_open()),
        }
    }

    fn on_outbox_batch(&mut self, taken: OutboxBatch) -> StepResult {
        let OutboxBatch::Items(items) = taken else {
            return Err(ConnectionEnd::ByServer(CloseCode::SlowConsumer));
        };
        for item in items {
            match item {
                OutboxItem::ReplyV1(queued) => self.send_v1(queued),
                OutboxItem::MessageV2(queued) => self.send_v2(queued)?,
                OutboxItem::RefusalFrame(frame) => self.send_frame(frame),
                OutboxItem::Close { code: why, resume } => {
                    if let ProtocolState::V2(_) = self.protocol {
                        self.send_closing(why, resume.as_deref());
                    }
                    return Err(ConnectionEnd::ByServer(why));
                }
            }
        }
        Ok(())
    }

    fn on_timer(&mut self) -> StepResult {
        let now = clock::now();
        match self.keep_alive.on_time(now, self.socket.waiting_since()) {
            KeepAliveAction::Wait => {}
            KeepAliveAction::Ping => self.socket.send_ping(),
            KeepAliveAction::PongTimeout => return Err(ConnectionEnd::ByServer(CloseCode::NoPong)),
            KeepAliveAction::WriteTimeout => {
                return Err(ConnectionEnd::ByServer(CloseCode::SlowConsumer));
            }
        }
        if self
            .protocol_v2_mut()
            .is_some_and(|talk| talk.is_heartbeat_due(now))
        {
            self.send_heartbeat(now);
        }
        Ok(())
    }

    // === what is done about it ===

    /// Writes a frame behind those before it.
    pub(crate) fn send_frame(&mut self, frame: bytes::Bytes) {
        self.socket.send_frame(frame);
        if let Some(talk) = self.protocol_v2_mut() {
            talk.on_sent(clock::now());
        }
    }

    /// Says no to a frame, behind everything that waits already and within the same bound.
    pub(crate) fn push_refusal(&self, frame: bytes::Bytes) {
        let connection = &self.connection_guard.connection;
        match connection.outbox.push(OutboxItem::RefusalFrame(frame)) {
            PushOutcome::Queued => {}
            PushOutcome::Overflowed { answers } => {
                self.events().outbox_overflowed(&connection.key, answers);
            }
        }
    }

    /// The session begins anew, as another one.
    pub(crate) fn switch_connection(&mut self, connection: SessionConnection) {
        let manager = self.connection_guard.manager;
        self.unwritten_answers = UnwrittenAnswers::new(manager, &connection);
        self.connection_guard = ConnectionGuard::new(manager, connection);
    }

    pub(crate) fn protocol_v2_mut(&mut self) -> Option<&mut ProtocolV2State> {
        match &mut self.protocol {
            ProtocolState::V1 => None,
            ProtocolState::V2(talk) => Some(talk),
        }
    }

    fn next_wakeup_at(&self) -> Instant {
        let pulse = self.keep_alive.next_check_at(self.socket.waiting_since());
        match &self.protocol {
            ProtocolState::V1 => pulse,
            ProtocolState::V2(talk) => pulse.min(talk.heartbeat_due_at()),
        }
    }

    /// Moves the timer forward, or past a moment that has passed; a later deadline is seen when the
    /// timer fires, so that a frame costs no timer operation.
    fn advance_timer(&self, timer: Pin<&mut Sleep>) {
        let due = self.next_wakeup_at().into();
        if due < timer.deadline() || timer.is_elapsed() {
            timer.reset(due);
        }
    }

    pub(crate) fn events(&self) -> &'a WebSocketEvents {
        &self.connection_guard.manager.shared().events
    }
}

/// A frame came.
enum FrameRateVerdict {
    /// It may be served.
    WithinRate,
    /// It is one too many, and refused.
    OverRate,
}

impl From<&SessionSettings> for KeepAliveTimeouts {
    fn from(settings: &SessionSettings) -> Self {
        Self {
            ping_interval: settings.ping_interval,
            pong_timeout: settings.pong_timeout,
            write_timeout: settings.write_timeout,
        }
    }
}
