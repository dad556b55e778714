//! One WebSocket, seen from the server: what comes in as events, and a close that the peer gets to
//! see. tungstenite reads frames and speaks the closing handshake; data frames leave through
//! [`FrameQueueStream`].

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Utf8Bytes};

use crate::close_code::CloseCode;
use crate::frame_queue_stream::FrameQueueStream;

/// A server's WebSocket over any byte stream.
#[derive(Debug)]
pub(crate) struct ServerWebSocket<S> {
    ws: WebSocketStream<FrameQueueStream<S>>,
    /// The message before, kept until the next read has made room for itself: tungstenite then takes
    /// a small buffer instead of reusing one that a large frame has grown.
    previous_message: Option<Message>,
}

/// An event of a socket.
#[derive(Debug)]
pub(crate) enum SocketEvent {
    /// A whole text message.
    Text(Utf8Bytes),
    /// A binary message, which nobody reads.
    Binary,
    /// A ping or a pong; pings are answered already.
    PingOrPong,
    /// Everything sent so far is written.
    Written,
    /// The peer sent a close frame, with this code.
    Closed(Option<u16>),
    /// It cannot go on.
    Failed(SocketFailure),
}

/// The reason for which a socket cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketFailure {
    /// The connection is gone, without a closing handshake.
    Disconnected,
    /// The peer broke a rule that has a close code.
    ProtocolViolation(CloseCode),
}

/// Tells whether everything sent was written before the connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlushOutcome {
    /// The peer's system has it.
    Complete,
    /// Some of it is lost.
    Incomplete,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ServerWebSocket<S> {
    /// A question fits; larger frames take a buffer of their own.
    const READ_BUFFER: usize = 1024;
    /// The time for which a peer may see its close frame and answer it.
    const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

    /// A socket after the upgrade; `already_read` came with it.
    pub(crate) async fn new(stream: S, already_read: Vec<u8>, max_frame_bytes: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(Self::READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(512)
            .max_message_size(Some(max_frame_bytes))
            .max_frame_size(Some(max_frame_bytes));
        let io = FrameQueueStream::new(stream);
        let ws = WebSocketStream::from_partially_read(io, already_read, Role::Server, Some(config))
            .await;
        Self {
            ws,
            previous_message: None,
        }
    }

    /// The next event.
    pub(crate) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SocketEvent> {
        if let Poll::Ready(event) = self.poll_written(cx) {
            return Poll::Ready(event);
        }
        let polled = Pin::new(&mut self.ws).poll_next(cx);
        self.previous_message = None;
        match polled {
            Poll::Ready(Some(Ok(message))) => {
                let event = to_socket_event(&message);
                self.previous_message = Some(message);
                Poll::Ready(event)
            }
            Poll::Ready(Some(Err(error))) => {
                Poll::Ready(SocketEvent::Failed(to_socket_failure(&error)))
            }
            Poll::Ready(None) => Poll::Ready(SocketEvent::Failed(SocketFailure::Disconnected)),
            // Reading may have queued a pong.
            Poll::Pending => self.poll_written(cx),
        }
    }

    /// Sends a whole frame, after what was sent before. The caller bounds how much.
    pub(crate) fn send_frame(&mut self, frame: Bytes) {
        self.ws.get_mut().push(frame);
    }

    /// Sends a ping. One that does not fit behind what waits already is not needed: what waits is
    /// judged by its own deadline.
    pub(crate) fn send_ping(&mut self) {
        drop(Pin::new(&mut self.ws).start_send(Message::Ping(Bytes::new())));
    }

    /// Since when bytes wait for the peer without moving.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.ws.get_ref().waiting_since()
    }

    /// Ends the connection so that the peer sees why: what was sent, the close frame (or the reply to
    /// the peer's), end of stream. Takes at most [`Self::CLOSE_TIMEOUT`].
    pub(crate) async fn close(mut self, close: Option<CloseCode>) -> FlushOutcome {
        if let Some(close) = close {
            let frame = CloseFrame {
                code: close.as_u16().into(),
                reason: Utf8Bytes::from_static(close.reason()),
            };
            // Fails after the peer's own close, which is then being answered, and behind control
            // frames that the peer does not read.
            drop(Pin::new(&mut self.ws).start_send(Message::Close(Some(frame))));
        }
        // An error here, or no end in time, ends it all the same.
        drop(timeout(Self::CLOSE_TIMEOUT, self.finish_close_handshake()).await);
        match self.waiting_since() {
            None => FlushOutcome::Complete,
            Some(_) => FlushOutcome::Incomplete,
        }
    }

    async fn finish_close_handshake(&mut self) -> io::Result<()> {
        while !matches!(
            poll_fn(|cx| self.poll_event(cx)).await,
            SocketEvent::Closed(_) | SocketEvent::Failed(_)
        ) {}
        let io = self.ws.get_mut();
        poll_fn(|cx| io.poll_drain(cx)).await?;
        io.shutdown().await?;
        // A connection closed over unread bytes is reset, and the reset overtakes the close frame.
        let mut rest = vec![0; Self::READ_BUFFER];
        while io.read(&mut rest).await? > 0 {}
        Ok(())
    }

    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<SocketEvent> {
        if self.waiting_since().is_none() {
            return Poll::Pending;
        }
        self.ws
            .get_mut()
            .poll_drain(cx)
            .map(|drained| match drained {
                Ok(()) => SocketEvent::Written,
                Err(_) => SocketEvent::Failed(SocketFailure::Disconnected),
            })
    }
}

fn to_socket_event(message: &Message) -> SocketEvent {
    match message {
        Message::Text(text) => SocketEvent::Text(text.clone()),
        Message::Binary(_) => SocketEvent::Binary,
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => SocketEvent::PingOrPong,
        Message::Close(frame) => SocketEvent::Closed(frame.as_ref().map(|frame| frame.code.into())),
    }
}

fn to_socket_failure(error: &Error) -> SocketFailure {
    match error {
        Error::Capacity(_) | Error::WriteBufferFull(_) => {
            SocketFailure::ProtocolViolation(CloseCode::MessageTooBig)
        }
        Error::Utf8(_) => SocketFailure::ProtocolViolation(CloseCode::InvalidText),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | Error::Io(_)
        | Error::ConnectionClosed
        | Error::AlreadyClosed => SocketFailure::Disconnected,
        Error::Protocol(_)
        | Error::AttackAttempt
        | Error::Tls(_)
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => SocketFailure::ProtocolViolation(CloseCode::ProtocolError),
    }
}
