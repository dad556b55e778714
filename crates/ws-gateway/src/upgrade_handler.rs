//! From a request to a session: every condition before the upgrade, then the raw socket back out of
//! hyper, so that none of hyper's buffers stays with a session.

use std::sync::Arc;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use session_core::ProtocolVersion;
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
use crate::accept_loop::ConnectionPeer;
use crate::clock;
use crate::handshake::{self, Handshake, RequestedVersion};
use crate::health::Health;
use crate::http::{self, HttpResponse};
use crate::session_task::UpgradedClient;
use crate::start_frame::new_session_id;
use crate::trace_propagation;
use crate::upgrade_refusal::UpgradeRefusal;
use crate::websocket_limiter::{WebSocketLimiter, WebSocketPermit};

/// The conditions for every request for a socket, and the place where its session runs.
#[derive(Debug)]
pub(crate) struct UpgradeHandler {
    pub(crate) manager: WebSocketSessionManager,
    pub(crate) health: Health,
    pub(crate) websocket_limiter: WebSocketLimiter,
    /// Empty: all.
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) sessions: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// A request for a socket, taken apart.
pub(crate) struct UpgradeRequest {
    /// `None` on the path without one.
    pub(crate) session_id: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) peer: ConnectionPeer,
    /// `None` when the request asks for no upgrade at all.
    pub(crate) on_upgrade: Option<OnUpgrade>,
}

impl UpgradeHandler {
    /// Refuses the request, or starts its session once the reply is out.
    pub(crate) fn handle_request(self: &Arc<Self>, request: UpgradeRequest) -> HttpResponse {
        match self.check_request(&request) {
            Ok(admitted) => {
                let reply = switching_protocols_response(&admitted.handshake);
                let trace = trace_propagation::from_request_headers(&request.headers);
                let session = Arc::clone(self).run_session(admitted, trace, request.peer);
                self.sessions.spawn(session);
                reply
            }
            Err(refusal) => {
                self.manager
                    .shared()
                    .events
                    .upgrade_refused(refusal.label());
                refusal.to_http_response()
            }
        }
    }

    /// A limit is only touched by what is right in every other way.
    fn check_request(&self, request: &UpgradeRequest) -> Result<AdmittedUpgrade, UpgradeRefusal> {
        let id = request
            .session_id
            .as_deref()
            .map(SessionId::parse)
            .transpose();
        let id = id.map_err(|_| UpgradeRefusal::InvalidSessionId)?;
        let handshake =
            handshake::parse_handshake(&request.headers).map_err(UpgradeRefusal::Handshake)?;
        let no_upgrade = UpgradeRefusal::Handshake(handshake::HandshakeError::MissingUpgrade);
        let on_upgrade = request.on_upgrade.clone().ok_or(no_upgrade)?;
        let id = match (id, handshake.version) {
            (Some(id), _) => id,
            (None, RequestedVersion::V1) => return Err(UpgradeRefusal::MissingSessionId),
            (None, RequestedVersion::V2 | RequestedVersion::Unknown) => new_session_id(),
        };
        if !self.is_origin_allowed(request.headers.get(ORIGIN)) {
            return Err(UpgradeRefusal::ForbiddenOrigin);
        }
        if let Some(refusal) = UpgradeRefusal::from_admission(self.health.admission()) {
            return Err(refusal);
        }
        let place = self
            .websocket_limiter
            .acquire(request.peer.address, clock::now());
        Ok(AdmittedUpgrade {
            id,
            handshake,
            on_upgrade,
            permit: place.map_err(UpgradeRefusal::LimitReached)?,
        })
    }

    /// Browsers always send an origin; other clients send none and are not held to the list.
    fn is_origin_allowed(&self, origin: Option<&HeaderValue>) -> bool {
        let allowed = &self.allowed_origins;
        allowed.is_empty()
            || origin.is_none_or(|origin| {
                let origin = origin.as_bytes();
                allowed
                    .iter()
                    .any(|one| one.as_bytes().eq_ignore_ascii_case(origin))
            })
    }

    async fn run_session(
        self: Arc<Self>,
        admitted: AdmittedUpgrade,
        trace: Option<TraceContext>,
        peer: ConnectionPeer,
    ) {
        let AdmittedUpgrade {
            id,
            handshake,
            on_upgrade,
            permit: place,
        } = admitted;
        let upgraded = tokio::select! {
            upgraded = on_upgrade => upgraded,
            () = self.stop.cancelled() => return,
        };
        // An error here means that the client is gone before it had a socket.
        if let Ok(upgraded) = upgraded {
            let (stream, already_read) = split_upgraded(upgraded);
            let version = match handshake.version {
                RequestedVersion::V1 => Some(ProtocolVersion::V1),
                RequestedVersion::V2 => Some(ProtocolVersion::V2),
                RequestedVersion::Unknown => None,
            };
            match version {
                Some(version) => {
                    let client = UpgradedClient {
                        session_id: id,
                        version,
                        stream,
                        already_read,
                        trace,
                    };
                    self.manager.serve(client, &self.stop).await;
                }
                None => {
                    self.manager
                        .refuse_unknown_version(stream, already_read)
                        .await
                }
            }
        }
        drop((peer, place));
    }
}

struct AdmittedUpgrade {
    id: SessionId,
    handshake: Handshake,
    on_upgrade: OnUpgrade,
    permit: WebSocketPermit,
}

/// The socket and what was read of it. What was read is copied: the original pins hyper's buffer.
fn split_upgraded(upgraded: Upgraded) -> (TcpStream, Vec<u8>) {
    let parts = upgraded
        .downcast::<TokioIo<TcpStream>>()
        .expect("the accept loop serves nothing but TCP");
    (parts.io.into_inner(), parts.read_buf.to_vec())
}

fn switching_protocols_response(handshake: &Handshake) -> HttpResponse {
    let mut reply = HttpResponse::default();
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    http::set_header(&mut reply, CONNECTION, "upgrade");
    http::set_header(&mut reply, UPGRADE, "websocket");
    let accept = HeaderValue::from_str(&handshake.accept_key).expect("base64 is ASCII");
    reply.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = &handshake.subprotocol {
        let headers = reply.headers_mut();
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol.clone());
    }
    reply
}
