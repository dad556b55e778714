//! One WebSocket session: frames in, replies out, a pulse. Every decision is made elsewhere: the
//! core's in `session-core`, the frames' in `frame_v1`, the pulse's in `pulse`.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Instant;

use session_core::Reply;
use telemetry::spans;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use types::{SessionId, TraceContext};

use crate::close::Close;
use crate::events::{Ended, Events};
use crate::frame_v1::{self, Refused, ServerFrame};
use crate::outbox::{Outgoing, Pushed, Queued, Taken};
use crate::presence::{Presence, Unwritten};
use crate::pulse::{Beat, Pulse, Rhythm};
use crate::rate::Rate;
use crate::sessions::{Connection, WebSocketSessionManager};
use crate::settings::SessionSettings;
use crate::socket::{Failure, Flushed, Socket, SocketEvent};
use crate::{clock, trace};

impl WebSocketSessionManager {
    /// Runs one version-1 session until either side closes it. Dropped, or once `stop` is cancelled,
    /// it ends without a closing handshake.
    pub async fn serve<S>(&self, client: Client<S>, stop: &CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let _guard = self.shared().panics.guard();
        let max_frame_bytes = self.shared().settings.max_frame_bytes;
        let socket = Socket::new(client.stream, client.already_read, max_frame_bytes).await;
        let session = async {
            match self.connect(client.id, client.trace) {
                Some(connection) => SessionTask::new(self, &connection, socket).serve().await,
                None => drop(socket.finish(Some(Close::Internal)).await),
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = session => {}
        }
    }
}

/// Who connected, and over what.
#[derive(Debug)]
pub struct Client<S> {
    /// The session it asks for.
    pub id: SessionId,
    /// Speaks WebSocket from here on.
    pub stream: S,
    /// What was read of the stream already.
    pub already_read: Vec<u8>,
    /// The trace that its questions belong to, if the client has one.
    pub trace: Option<TraceContext>,
}

/// One session. Dropping it tells the manager that the socket is gone.
struct SessionTask<'a, S> {
    socket: Socket<S>,
    presence: Presence<'a>,
    unwritten: Unwritten<'a>,
    pulse: Pulse,
    rate: Option<Rate>,
}

/// Whether a session goes on.
type Step = Result<(), Ended>;

impl<'a, S: AsyncRead + AsyncWrite + Unpin> SessionTask<'a, S> {
    fn new(
        manager: &'a WebSocketSessionManager,
        connection: &'a Connection,
        socket: Socket<S>,
    ) -> Self {
        let now = clock::now();
        let settings = &manager.shared().settings;
        Self {
            socket,
            presence: Presence::new(manager, connection),
            unwritten: Unwritten::new(manager, connection),
            pulse: Pulse::new(settings.into(), now),
            rate: settings.frames_per_second.map(|rate| Rate::new(rate, now)),
        }
    }

    /// Runs the session to its end, which the manager learns at once, then its connection to the
    /// end of the closing handshake.
    async fn serve(mut self) {
        let ended = self.run().await;
        let Self {
            socket,
            presence,
            mut unwritten,
            ..
        } = self;
        presence.end(ended);
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
            SocketEvent::Text(text) => self.on_frame().map(|()| self.on_text(&text)),
            SocketEvent::Alive => self.on_frame(),
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

    fn on_frame(&mut self) -> Step {
        let now = clock::now();
        self.pulse.on_heard(now);
        match self.rate.as_mut().map(|rate| rate.take(now)) {
            Some(Err(_)) => Err(Ended::ByServer(Close::RateLimited)),
            Some(Ok(())) | None => Ok(()),
        }
    }

    fn on_text(&mut self, text: &str) {
        let Presence {
            manager,
            connection,
            ..
        } = &self.presence;
        match frame_v1::parse(text, manager.shared().settings.max_question_bytes) {
            Ok(question) => manager.ask(&connection.key, question),
            Err(refused) => self.refuse(refused),
        }
    }

    fn on_taken(&mut self, taken: Taken) -> Step {
        let Taken::Items(items) = taken else {
            return Err(Ended::ByServer(Close::SlowConsumer));
        };
        for item in items {
            match item {
                Outgoing::Reply(queued) => self.send(queued),
                Outgoing::Refusal(frame) => self.socket.send(frame.encode()),
                Outgoing::Close(close) => return Err(Ended::ByServer(close)),
            }
        }
        Ok(())
    }

    fn on_time(&mut self) -> Step {
        match self
            .pulse
            .on_time(clock::now(), self.socket.waiting_since())
        {
            Beat::Wait => Ok(()),
            Beat::Ping => {
                self.socket.ping();
                Ok(())
            }
            Beat::NoPong => Err(Ended::ByServer(Close::NoPong)),
            Beat::Stalled => Err(Ended::ByServer(Close::SlowConsumer)),
        }
    }

    // === what is done about it ===

    /// Says no to a frame, behind everything that waits already and within the same bound.
    fn refuse(&self, refused: Refused) {
        let Presence {
            manager,
            connection,
            ..
        } = &self.presence;
        let key = &connection.key;
        self.events().frame_refused(key, refused);
        let frame = match refused {
            Refused::Malformed => ServerFrame::Invalid,
            // The client must not take it for the end of the question that goes on.
            Refused::QuestionTooLong if manager.is_asking(key) => ServerFrame::Busy,
            Refused::QuestionTooLong => ServerFrame::NotSent,
        };
        match connection.outbox.push(Outgoing::Refusal(frame)) {
            Pushed::Queued => {}
            Pushed::Overflowed { answers } => self.events().outbox_overflowed(key, answers),
        }
    }

    fn send(&mut self, queued: Queued) {
        if let Reply::Answer { total, .. } = queued.reply {
            let parent = queued.trace.map(trace::incoming);
            let span = spans::deliver(&self.presence.connection.key.id, parent);
            self.unwritten.push(queued.decided_at, total, span);
        }
        self.socket.send(ServerFrame::of(&queued.reply).encode());
    }

    fn due(&self) -> Instant {
        self.pulse.due(self.socket.waiting_since())
    }

    /// Moves the timer forward, or past a moment that has passed; a later deadline is seen when the
    /// timer fires, so that a frame costs no timer operation.
    fn rearm(&self, timer: Pin<&mut Sleep>) {
        let due = self.due().into();
        if due < timer.deadline() || timer.is_elapsed() {
            timer.reset(due);
        }
    }

    fn events(&self) -> &Events {
        &self.presence.manager.shared().events
    }
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
