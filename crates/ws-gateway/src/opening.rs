//! The first frame of version 2: how a session begins, or from where it goes on.

use std::future::poll_fn;
use std::time::SystemTime;

use session_core::Start;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;
use types::{Lineage, SessionId};
use uuid::Uuid;

use crate::WebSocketSessionManager;
use crate::clock;
use crate::close::Close;
use crate::events::{Ended, Resumption};
use crate::frame_v2::{self, Said};
use crate::socket::{Failure, Socket, SocketEvent};
use crate::token::{Now, Subject, Untaken};

/// How a session of version 2 begins.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The session; a token's, if there is one.
    pub(crate) id: SessionId,
    pub(crate) start: Start,
}

impl WebSocketSessionManager {
    /// Waits for `start`. Whoever shows no token, or one that is of no use any more, begins anew.
    pub(crate) async fn await_start<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut Socket<S>,
        id: SessionId,
    ) -> Result<Opening, Ended> {
        let mut patience = std::pin::pin!(sleep(self.shared().settings.start_timeout));
        loop {
            let event = tokio::select! {
                biased;
                event = poll_fn(|cx| socket.poll_event(cx)) => event,
                () = patience.as_mut() => return Err(Ended::ByServer(Close::NoStart)),
            };
            match event {
                SocketEvent::Text(text) => {
                    return self.opening(&text, id).map_err(Ended::ByServer);
                }
                SocketEvent::Alive | SocketEvent::Written => {}
                SocketEvent::Binary => return Err(Ended::ByServer(Close::Binary)),
                SocketEvent::Closed(code) => return Err(Ended::ByClient(code)),
                SocketEvent::Failed(Failure::Gone) => return Err(Ended::Lost),
                SocketEvent::Failed(Failure::Rule(close)) => return Err(Ended::ByServer(close)),
            }
        }
    }

    fn opening(&self, text: &str, id: SessionId) -> Result<Opening, Close> {
        let Ok(Said::Start {
            resume_token,
            last_seq,
        }) = frame_v2::parse(text, self.shared().settings.max_question_bytes)
        else {
            return Err(Close::BadRequest);
        };
        let Some(token) = resume_token else {
            let start = fresh_start();
            return Ok(Opening { id, start });
        };
        match self.shared().tokens.read(Subject::ANYBODY, &token, now()) {
            Ok(point) => Ok(Opening {
                id: point.session.clone(),
                start: Start::Resume { point, last_seq },
            }),
            Err(Untaken::Stale) => {
                self.shared().events.resumption(Resumption::StaleToken);
                Ok(Opening {
                    id: minted_id(),
                    start: fresh_start(),
                })
            }
            Err(Untaken::Foreign) => {
                self.shared().events.resumption(Resumption::ForeignToken);
                Err(Close::Forbidden)
            }
            Err(Untaken::Invalid) => {
                self.shared().events.resumption(Resumption::InvalidToken);
                Err(Close::InvalidToken)
            }
        }
    }
}

/// The present moment on both clocks.
pub(crate) fn now() -> Now {
    Now {
        monotonic: clock::now(),
        wall: SystemTime::now(),
    }
}

/// Makes a fresh start of a lineage that nobody has.
pub(crate) fn fresh_start() -> Start {
    let lineage = Lineage::from_random(rand::random());
    Start::Fresh { lineage }
}

/// Makes a session id that nobody has.
pub(crate) fn minted_id() -> SessionId {
    let id = Uuid::new_v4().to_string();
    SessionId::parse(&id).expect("a UUID has only characters of a session id")
}
