//! The first frame of version 2: how a session begins, or from where it goes on.

use std::future::poll_fn;
use std::time::SystemTime;

use session_core::SessionStart;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;
use types::{Lineage, SessionId};
use uuid::Uuid;

use crate::WebSocketSessionManager;
use crate::clock;
use crate::close_code::CloseCode;
use crate::events::{ConnectionEnd, ResumeOutcome};
use crate::frame_v2::{self, ClientMessage};
use crate::resume_token::{ClockReading, TokenError, TokenSubject};
use crate::websocket::{ServerWebSocket, SocketEvent, SocketFailure};

/// The beginning of a version-2 session.
#[derive(Debug)]
pub(crate) struct SessionOpening {
    /// The session; a token's, if there is one.
    pub(crate) id: SessionId,
    pub(crate) start: SessionStart,
}

impl WebSocketSessionManager {
    /// Waits for `start`. Whoever shows no token, or one that is of no use any more, begins anew.
    pub(crate) async fn wait_for_start<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut ServerWebSocket<S>,
        id: SessionId,
    ) -> Result<SessionOpening, ConnectionEnd> {
        let mut patience = std::pin::pin!(sleep(self.shared().settings.start_timeout));
        loop {
            let event = tokio::select! {
                biased;
                event = poll_fn(|cx| socket.poll_event(cx)) => event,
                () = patience.as_mut() => return Err(ConnectionEnd::ByServer(CloseCode::StartTimeout)),
            };
            match event {
                SocketEvent::Text(text) => {
                    return self.parse_start(&text, id).map_err(ConnectionEnd::ByServer);
                }
                SocketEvent::PingOrPong | SocketEvent::Written => {}
                SocketEvent::Binary => return Err(ConnectionEnd::ByServer(CloseCode::BinaryFrame)),
                SocketEvent::Closed(code) => return Err(ConnectionEnd::ByClient(code)),
                SocketEvent::Failed(SocketFailure::Disconnected) => {
                    return Err(ConnectionEnd::Lost);
                }
                SocketEvent::Failed(SocketFailure::ProtocolViolation(close)) => {
                    return Err(ConnectionEnd::ByServer(close));
                }
            }
        }
    }

    fn parse_start(&self, text: &str, id: SessionId) -> Result<SessionOpening, CloseCode> {
        let Ok(ClientMessage::Start {
            resume_token,
            last_seq,
        }) = frame_v2::parse_client_frame(text, self.shared().settings.max_question_bytes)
        else {
            return Err(CloseCode::FirstFrameNotStart);
        };
        let Some(token) = resume_token else {
            let start = new_session_start();
            return Ok(SessionOpening { id, start });
        };
        match self
            .shared()
            .resume_tokens
            .parse(TokenSubject::ANONYMOUS, &token, read_clocks())
        {
            Ok(point) => Ok(SessionOpening {
                id: point.session.clone(),
                start: SessionStart::Resume { point, last_seq },
            }),
            Err(TokenError::Stale) => {
                self.shared()
                    .events
                    .record_resume_outcome(ResumeOutcome::StaleToken);
                Ok(SessionOpening {
                    id: new_session_id(),
                    start: new_session_start(),
                })
            }
            Err(TokenError::Foreign) => {
                self.shared()
                    .events
                    .record_resume_outcome(ResumeOutcome::ForeignToken);
                Err(CloseCode::ForeignToken)
            }
            Err(TokenError::Invalid) => {
                self.shared()
                    .events
                    .record_resume_outcome(ResumeOutcome::InvalidToken);
                Err(CloseCode::InvalidToken)
            }
        }
    }
}

/// The present moment on both clocks.
pub(crate) fn read_clocks() -> ClockReading {
    ClockReading {
        monotonic: clock::now(),
        wall: SystemTime::now(),
    }
}

/// Makes a fresh start of a lineage that nobody has.
pub(crate) fn new_session_start() -> SessionStart {
    let lineage = Lineage::from_random(rand::random());
    SessionStart::Fresh { lineage }
}

/// Makes a session id that nobody has.
pub(crate) fn new_session_id() -> SessionId {
    let id = Uuid::new_v4().to_string();
    SessionId::parse(&id).expect("a UUID has only characters of a session id")
}
