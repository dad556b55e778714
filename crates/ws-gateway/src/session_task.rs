//! One WebSocket: frames in, what the core decided out, a pulse. Every decision is made elsewhere:
//! the core's in `session-core`, the frames' in `frame_v1` and `frame_v2`, the pulse's in `pulse`.
//! How each version is spoken stands in `talk_v1` and `talk_v2`.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Instant;

use session_core::Version;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use types::{SessionId, TraceContext};

use crate::clock;
use crate::close::Close;
use crate::events::{Ended, Events};
use crate::outbox::{Outgoing, Pushed, Taken};
use crate::presence::{OpenSocket, Presence, Unwritten};
use crate::pulse::{Beat, Pulse, Rhythm};
use crate::rate::Rate;
use crate::sessions::{Connection, WebSocketSessionManager};
use crate::settings::SessionSettings;
use crate::socket::{Failure, Flushed, Socket, SocketEvent};
use crate::talk_v2::TalkV2;

impl WebSocketSessionManager {
    /// Runs one session until either side closes it. Dropped, or once `stop` is cancelled, it ends
    /// without a closing handshake.
    pub async fn serve<S>(&self, client: Client<S>, stop: &CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let _guard = self.shared().panics.guard();
        let max_frame_bytes = self.shared().settings.max_frame_bytes;
        let socket = Socket::new(client.stream, client.already_read, max_frame_bytes).await;
        let open = OpenSocket::new(&self.shared().events, client.version);
        let session = async {
            match client.version {
                Version::V1 => self.serve_v1(socket, open, client.id, client.trace).await,
                Version::V2 => self.serve_v2(socket, open, client.id, client.trace).await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = session => {}
        }
    }

    /// Opens a socket only to say that its client speaks a version that nobody here does.
    pub(crate) async fn turn_away<S>(&self, stream: S, already_read: Vec<u8>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let max_frame_bytes = self.shared().settings.max_frame_bytes;
        let socket = Socket::new(stream, already_read, max_frame_bytes).await;
        let events = &self.shared().events;
        events.upgrade_refused("version");
        events.socket_closed(Ended::ByServer(Close::UnknownVersion));
        socket.finish(Some(Close::UnknownVersion)).await;
    }

    async fn serve_v1<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: Socket<S>,
        open: OpenSocket<'_>,
        id: SessionId,
        trace: Option<TraceContext>,
    ) {
        match self.connect(id, trace) {
            Some(connection) => {
                let task = SessionTask::new(self, connection, socket, Talk::V1);
                task.serve(open).await;
            }
            None => refuse(socket, open, Close::Internal).await,
        }
    }

    async fn serve_v2<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut socket: Socket<S>,
        open: OpenSocket<'_>,
        id: SessionId,
        trace: Option<TraceContext>,
    ) {
        let opening = match self.await_start(&mut socket, id).await {
            Ok(opening) => opening,
            Err(Ended::ByServer(close)) => return refuse(socket, open, close).await,
            Err(ended) => {
                open.end(ended);
                socket.finish(None).await;
                return;
            }
        };
        match self.start(opening.id, opening.start, trace) {
            Some(connection) => {
                let talk = Talk::V2(Box::new(TalkV2::new(&self.shared().settings, clock::now())));
                let task = SessionTask::new(self, connection, socket, talk);
                task.serve(open).await;
            }
            None => refuse(socket, open, Close::Internal).await,
        }
    }
}

/// Closes a socket that has no session.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    socket: Socket<S>,
    open: OpenSocket<'_>,
    close: Close,
) {
    open.end(Ended::ByServer(close));
    socket.finish(Some(close)).await;
}

/// Who connected, and over what.
#[derive(Debug)]
pub struct Client<S> {
    /// The session it asks for; version 2 may ask for another by its `start`.
    pub id: SessionId,
    /// What it speaks.
    pub version: Version,
    /// Speaks WebSocket from here on.
    pub stream: S,
    /// What was read of the stream already.
    pub already_read: Vec<u8>,
    /// The trace that its questions belong to, if the client has one.
    pub trace: Option<TraceContext>,
}

/// One session. Dropping it tells the manager that the socket is gone.
pub(crate) struct SessionTask<'a, S> {
    pub(crate) socket: Socket<S>,
    pub(crate) presence: Presence<'a>,
    pub(crate) unwritten: Unwritten<'a>,
    pulse: Pulse,
    rate: Option<Rate>,
    talk: Talk,
}

/// What is spoken, and what that takes.
enum Talk {
    V1,
    V2(Box<TalkV2>),
}

/// Whether a session goes on.
pub(crate) type Step = Result<(), Ended>;

impl<'a, S: AsyncRead + AsyncWrite + Unpin> SessionTask<'a, S> {
    fn new(
        manager: &'a WebSocketSessionManager,
        connection: Connection,
        socket: Socket<S>,
        talk: Talk,
    ) -> Self {
        let now = clock::now();
        let settings = &manager.shared().settings;
        Self {
            socket,
            unwritten: Unwritten::new(manager, &connection),
            presence: Presence::new(manager, connection),
            pulse: Pulse::new(settings.into(), now),
            rate: settings.frames_per_second.map(|rate| Rate::new(rate, now)),
            talk,
        }
    }

    /// Runs the session to its end, which the manager learns at once, then its connection to the
    /// end of the closing handshake.
    async fn serve(mut self, open: OpenSocket<'a>) {
        let ended = self.run().await;
        let Self {
            socket,
            presence,
            mut unwritten,
            ..
        } = self;
        drop(presence);
        open.end(ended);
        let close = match ended {
            Ended::ByServer(close) => Some(close),
            Ended::ByClient(_) | Ended::Lost => None,
        };
        match socket.finish(close).await {
            Flushed::Yes => unwritten.on_written(),
            Flushed::No => drop(unwritten),
        }
    }

    async fn run(&mut self) -> Ended {
        let mut timer = std::pin::pin!(sleep_until(self.due().into()));
        loop {
            let step = tokio::select! {
                biased;
                taken = poll_fn(|cx| self.presence.connection.outbox.poll_take(cx)) => self.on_taken(taken),
                event = poll_fn(|cx| self.socket.poll_event(cx)) => self.on_event(event),
                () = timer.as_mut() => self.on_time(),
            };
            if let Err(ended) = step {
                return ended;
            }
            self.rearm(timer.as_mut());
        }
    }

    // === what happens ===

    fn on_event(&mut self, event: SocketEvent) -> Step {
        match event {
            SocketEvent::Text(text) => match self.on_frame()? {
                Heard::InTime => {
                    self.on_text(&text);
                    Ok(())
                }
                Heard::TooMany => Ok(()),
            },
            SocketEvent::Alive => self.on_frame().map(|_| ()),
            SocketEvent::Binary => Err(Ended::ByServer(Close::Binary)),
            SocketEvent::Written => {
                self.unwritten.on_written();
                Ok(())
            }
            SocketEvent::Closed(code) => Err(Ended::ByClient(code)),
            SocketEvent::Failed(Failure::Gone) => Err(Ended::Lost),
            SocketEvent::Failed(Failure::Rule(close)) => Err(Ended::ByServer(close)),
        }
    }

    fn on_frame(&mut self) -> Result<Heard, Ended> {
        let now = clock::now();
        self.pulse.on_heard(now);
        let Some(Err(wait)) = self.rate.as_mut().map(|rate| rate.take(now)) else {
            return Ok(Heard::InTime);
        };
        match self.talk_v2().map(|talk| talk.bears_excess(now)) {
            Some(true) => {
                self.refuse_rate(wait);
                Ok(Heard::TooMany)
            }
            Some(false) | None => Err(Ended::ByServer(Close::RateLimited)),
        }
    }

    fn on_text(&mut self, text: &str) {
        match &self.talk {
            Talk::V1 => self.on_text_v1(text),
            Talk::V2(talk) => self.on_text_v2(text, talk.is_open()),
        }
    }

    fn on_taken(&mut self, taken: Taken) -> Step {
        let Taken::Items(items) = taken else {
            return Err(Ended::ByServer(Close::SlowConsumer));
        };
        for item in items {
            match item {
                Outgoing::Reply(queued) => self.send_v1(queued),
                Outgoing::Told(queued) => self.tell(queued)?,
                Outgoing::Refusal(frame) => self.send(frame),
                Outgoing::Close { why, resume } => {
                    if let Talk::V2(_) = self.talk {
                        self.announce(why, resume.as_deref());
                    }
                    return Err(Ended::ByServer(why));
                }
            }
        }
        Ok(())
    }

    fn on_time(&mut self) -> Step {
        let now = clock::now();
        match self.pulse.on_time(now, self.socket.waiting_since()) {
            Beat::Wait => {}
            Beat::Ping => self.socket.ping(),
            Beat::NoPong => return Err(Ended::ByServer(Close::NoPong)),
            Beat::Stalled => return Err(Ended::ByServer(Close::SlowConsumer)),
        }
        if self.talk_v2().is_some_and(|talk| talk.is_silent(now)) {
            self.send_heartbeat(now);
        }
        Ok(())
    }

    // === what is done about it ===

    /// Writes a frame behind those before it.
    pub(crate) fn send(&mut self, frame: bytes::Bytes) {
        self.socket.send(frame);
        if let Some(talk) = self.talk_v2() {
            talk.on_sent(clock::now());
        }
    }

    /// Says no to a frame, behind everything that waits already and within the same bound.
    pub(crate) fn refuse(&self, frame: bytes::Bytes) {
        let connection = &self.presence.connection;
        match connection.outbox.push(Outgoing::Refusal(frame)) {
            Pushed::Queued => {}
            Pushed::Overflowed { answers } => {
                self.events().outbox_overflowed(&connection.key, answers);
            }
        }
    }

    /// The session begins anew, as another one.
    pub(crate) fn move_to(&mut self, connection: Connection) {
        let manager = self.presence.manager;
        self.unwritten = Unwritten::new(manager, &connection);
        self.presence = Presence::new(manager, connection);
    }

    pub(crate) fn talk_v2(&mut self) -> Option<&mut TalkV2> {
        match &mut self.talk {
            Talk::V1 => None,
            Talk::V2(talk) => Some(talk),
        }
    }

    fn due(&self) -> Instant {
        let pulse = self.pulse.due(self.socket.waiting_since());
        match &self.talk {
            Talk::V1 => pulse,
            Talk::V2(talk) => pulse.min(talk.due()),
        }
    }

    /// Moves the timer forward, or past a moment that has passed; a later deadline is seen when the
    /// timer fires, so that a frame costs no timer operation.
    fn rearm(&self, timer: Pin<&mut Sleep>) {
        let due = self.due().into();
        if due < timer.deadline() || timer.is_elapsed() {
            timer.reset(due);
        }
    }

    pub(crate) fn events(&self) -> &'a Events {
        &self.presence.manager.shared().events
    }
}

/// A frame came.
enum Heard {
    /// It may be served.
    InTime,
    /// It is one too many, and refused.
    TooMany,
}

impl From<&SessionSettings> for Rhythm {
    fn from(settings: &SessionSettings) -> Self {
        Self {
            ping_interval: settings.ping_interval,
            pong_timeout: settings.pong_timeout,
            write_timeout: settings.write_timeout,
        }
    }
}
