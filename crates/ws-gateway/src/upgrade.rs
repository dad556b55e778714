//! From a request to a session: every condition before the upgrade, then the raw socket back out of
//! hyper, so that none of hyper's buffers stays with a session.

use std::sync::Arc;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use session_core::Version;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use types::{SessionId, TraceContext};
use warp::http::StatusCode;
use warp::http::header::{
    CONNECTION, HeaderMap, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL,
    UPGRADE,
};

use crate::WebSocketSessionManager;
use crate::accept::Peer;
use crate::clock;
use crate::handshake::{self, Handshake, Speaks};
use crate::health::Health;
use crate::http::{self, Reply};
use crate::limits::{Gate, Place};
use crate::opening::minted_id;
use crate::refusal::Refusal;
use crate::session_task::Client;
use crate::trace;

/// What every request for a socket is judged by, and where its session runs.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) manager: WebSocketSessionManager,
    pub(crate) health: Health,
    pub(crate) gate: Gate,
    /// Empty: all.
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) sessions: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// A request for a socket, taken apart.
pub(crate) struct Request {
    /// `None` on the path without one.
    pub(crate) id: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) peer: Peer,
    /// `None` when the request asks for no upgrade at all.
    pub(crate) on_upgrade: Option<OnUpgrade>,
}

impl Edge {
    /// Refuses the request, or starts its session once the reply is out.
    pub(crate) fn upgrade(self: &Arc<Self>, request: Request) -> Reply {
        match self.admit(&request) {
            Ok(admitted) => {
                let reply = switching_protocols(&admitted.handshake);
                let trace = trace::of_request(&request.headers);
                let session = Arc::clone(self).session(admitted, trace, request.peer);
                self.sessions.spawn(session);
                reply
            }
            Err(refusal) => {
                self.manager
                    .shared()
                    .events
                    .upgrade_refused(refusal.label());
                refusal.reply()
            }
        }
    }

    /// A limit is only touched by what is right in every other way.
    fn admit(&self, request: &Request) -> Result<Admitted, Refusal> {
        let id = request.id.as_deref().map(SessionId::parse).transpose();
        let id = id.map_err(|_| Refusal::SessionId)?;
        let handshake = handshake::read(&request.headers).map_err(Refusal::Handshake)?;
        let no_upgrade = Refusal::Handshake(handshake::Malformed::NoUpgrade);
        let on_upgrade = request.on_upgrade.clone().ok_or(no_upgrade)?;
        let id = match (id, handshake.speaks) {
            (Some(id), _) => id,
            (None, Speaks::V1) => return Err(Refusal::NoSessionId),
            (None, Speaks::V2 | Speaks::Unknown) => minted_id(),
        };
        if !self.is_allowed(request.headers.get(ORIGIN)) {
            return Err(Refusal::Origin);
        }
        if let Some(refusal) = Refusal::of(self.health.admission()) {
            return Err(refusal);
        }
        let place = self.gate.enter(request.peer.address, clock::now());
        Ok(Admitted {
            id,
            handshake,
            on_upgrade,
            place: place.map_err(Refusal::Full)?,
        })
    }

    /// Browsers always send an origin; other clients send none and are not held to the list.
    fn is_allowed(&self, origin: Option<&HeaderValue>) -> bool {
        let allowed = &self.allowed_origins;
        allowed.is_empty()
            || origin.is_none_or(|origin| {
                let origin = origin.as_bytes();
                allowed
                    .iter()
                    .any(|one| one.as_bytes().eq_ignore_ascii_case(origin))
            })
    }

    async fn session(self: Arc<Self>, admitted: Admitted, trace: Option<TraceContext>, peer: Peer) {
        let Admitted {
            id,
            handshake,
            on_upgrade,
            place,
        } = admitted;
        let upgraded = tokio::select! {
            upgraded = on_upgrade => upgraded,
            () = self.stop.cancelled() => return,
        };
        // An error here means that the client is gone before it had a socket.
        if let Ok(upgraded) = upgraded {
            let (stream, already_read) = into_parts(upgraded);
            let version = match handshake.speaks {
                Speaks::V1 => Some(Version::V1),
                Speaks::V2 => Some(Version::V2),
                Speaks::Unknown => None,
            };
            match version {
                Some(version) => {
                    let client = Client {
                        id,
                        version,
                        stream,
                        already_read,
                        trace,
                    };
                    self.manager.serve(client, &self.stop).await;
                }
                None => self.manager.turn_away(stream, already_read).await,
            }
        }
        drop((peer, place));
    }
}

struct Admitted {
    id: SessionId,
    handshake: Handshake,
    on_upgrade: OnUpgrade,
    place: Place,
}

/// The socket and what was read of it. What was read is copied: the original pins hyper's buffer.
fn into_parts(upgraded: Upgraded) -> (TcpStream, Vec<u8>) {
    let parts = upgraded
        .downcast::<TokioIo<TcpStream>>()
        .expect("the accept loop serves nothing but TCP");
    (parts.io.into_inner(), parts.read_buf.to_vec())
}

fn switching_protocols(handshake: &Handshake) -> Reply {
    let mut reply = Reply::default();
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    http::set(&mut reply, CONNECTION, "upgrade");
    http::set(&mut reply, UPGRADE, "websocket");
    let accept = HeaderValue::from_str(&handshake.accept).expect("base64 is ASCII");
    reply.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = &handshake.protocol {
        let headers = reply.headers_mut();
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol.clone());
    }
    reply
}
