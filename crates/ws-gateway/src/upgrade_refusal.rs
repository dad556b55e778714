//! Every way a socket is refused before it exists, as one table: HTTP status, metric label, words.

use std::time::Duration;

use warp::http::StatusCode;
use warp::http::header::{CONNECTION, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE};

use crate::handshake::HandshakeError;
use crate::health::SocketAdmission;
use crate::http::{self, HttpResponse};
use crate::websocket_limiter::LimitReached;

/// The reason for which a request for a socket is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpgradeRefusal {
    InvalidSessionId,
    /// Version 1 without a session id.
    MissingSessionId,
    Handshake(HandshakeError),
    ForbiddenOrigin,
    NotReady,
    Draining,
    LimitReached(LimitReached),
}

impl UpgradeRefusal {
    /// Returns the reason for which no socket may come in now; `None` when one may.
    pub(crate) fn from_admission(admission: SocketAdmission) -> Option<Self> {
        match admission {
            SocketAdmission::Open => None,
            SocketAdmission::NotReady => Some(Self::NotReady),
            SocketAdmission::Draining => Some(Self::Draining),
        }
    }

    /// The metric label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::InvalidSessionId | Self::MissingSessionId => "session_id",
            Self::Handshake(_) => "handshake",
            Self::ForbiddenOrigin => "origin",
            Self::NotReady => "not_ready",
            Self::Draining => "draining",
            Self::LimitReached(LimitReached::Connections) => "connections",
            Self::LimitReached(LimitReached::ConnectionsPerAddress) => "connections_per_address",
            Self::LimitReached(LimitReached::Rate(_)) => "connects_per_second",
        }
    }

    /// Builds the reply to the client.
    pub(crate) fn to_http_response(self) -> HttpResponse {
        let mut reply = http::error_response(self.status(), self.message());
        if let Some(after) = self.retry_after() {
            let seconds = HeaderValue::from(round_up_to_seconds(after));
            reply.headers_mut().insert(RETRY_AFTER, seconds);
        }
        match self {
            Self::Handshake(HandshakeError::MissingUpgrade) => {
                http::set_header(&mut reply, CONNECTION, "upgrade");
                http::set_header(&mut reply, UPGRADE, "websocket");
            }
            Self::Handshake(HandshakeError::UnsupportedVersion) => {
                http::set_header(&mut reply, SEC_WEBSOCKET_VERSION, "13");
            }
            Self::Handshake(HandshakeError::InvalidKey | HandshakeError::TokenWithoutVersion)
            | Self::InvalidSessionId
            | Self::MissingSessionId
            | Self::ForbiddenOrigin
            | Self::NotReady
            | Self::Draining
            | Self::LimitReached(_) => {}
        }
        reply
    }

    fn status(self) -> StatusCode {
        match self {
            Self::InvalidSessionId
            | Self::MissingSessionId
            | Self::Handshake(HandshakeError::InvalidKey | HandshakeError::TokenWithoutVersion) => {
                StatusCode::BAD_REQUEST
            }
            Self::Handshake(
                HandshakeError::MissingUpgrade | HandshakeError::UnsupportedVersion,
            ) => StatusCode::UPGRADE_REQUIRED,
            Self::ForbiddenOrigin => StatusCode::FORBIDDEN,
            Self::LimitReached(LimitReached::Rate(_)) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotReady
            | Self::Draining
            | Self::LimitReached(LimitReached::Connections | LimitReached::ConnectionsPerAddress) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::InvalidSessionId => "a session id is 1 to 128 characters of A-Z a-z 0-9 . _ -",
            Self::Handshake(HandshakeError::MissingUpgrade) => {
                "this is a WebSocket: Upgrade: websocket is missing"
            }
            Self::Handshake(HandshakeError::UnsupportedVersion) => {
                "Sec-WebSocket-Version must be 13"
            }
            Self::Handshake(HandshakeError::InvalidKey) => {
                "Sec-WebSocket-Key must be 16 bytes in base64"
            }
            Self::MissingSessionId => {
                "version 1 names its session: /ws/{session_id}; version 2 (answer-gateway.v2.json) is given one"
            }
            Self::Handshake(HandshakeError::TokenWithoutVersion) => {
                "offer answer-gateway.v2.json or answer-gateway.v1.json beside the token"
            }
            Self::ForbiddenOrigin => {
                "this Origin may not connect; see the setting security.allowed_origins"
            }
            Self::NotReady => "not ready, try again",
            Self::Draining => "this process is about to end, try again",
            Self::LimitReached(LimitReached::Connections) => {
                "too many connections; see the setting limits.connections"
            }
            Self::LimitReached(LimitReached::ConnectionsPerAddress) => {
                "too many connections from this address; see the setting limits.connections_per_address"
            }
            Self::LimitReached(LimitReached::Rate(_)) => {
                "too many connections at once; see the setting limits.connects_per_second"
            }
        }
    }

    fn retry_after(self) -> Option<Duration> {
        const SOON: Duration = Duration::from_secs(1);
        const LATER: Duration = Duration::from_secs(5);
        match self {
            Self::InvalidSessionId
            | Self::MissingSessionId
            | Self::Handshake(_)
            | Self::ForbiddenOrigin => None,
            // Another process answers at once.
            Self::Draining => Some(SOON),
            Self::NotReady
            | Self::LimitReached(LimitReached::Connections | LimitReached::ConnectionsPerAddress) => {
                Some(LATER)
            }
            Self::LimitReached(LimitReached::Rate(wait)) => Some(wait),
        }
    }
}

/// At least one, rounded up: RFC 9110, section 10.2.3 knows no fractions.
fn round_up_to_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_come_again_is_told_when() {
        for (refusal, status, after) in [
            (UpgradeRefusal::InvalidSessionId, 400, None),
            (UpgradeRefusal::MissingSessionId, 400, None),
            (
                UpgradeRefusal::Handshake(HandshakeError::InvalidKey),
                400,
                None,
            ),
            (
                UpgradeRefusal::Handshake(HandshakeError::TokenWithoutVersion),
                400,
                None,
            ),
            (
                UpgradeRefusal::Handshake(HandshakeError::MissingUpgrade),
                426,
                None,
            ),
            (
                UpgradeRefusal::Handshake(HandshakeError::UnsupportedVersion),
                426,
                None,
            ),
            (UpgradeRefusal::ForbiddenOrigin, 403, None),
            (UpgradeRefusal::NotReady, 503, Some("5")),
            (UpgradeRefusal::Draining, 503, Some("1")),
            (
                UpgradeRefusal::LimitReached(LimitReached::Connections),
                503,
                Some("5"),
            ),
            (
                UpgradeRefusal::LimitReached(LimitReached::ConnectionsPerAddress),
                503,
                Some("5"),
            ),
            (
                UpgradeRefusal::LimitReached(LimitReached::Rate(Duration::from_millis(1))),
                429,
                Some("1"),
            ),
        ] {
            let reply = refusal.to_http_response();
            assert_eq!(reply.status(), status, "{refusal:?}");
            let said = reply
                .headers()
                .get(RETRY_AFTER)
                .map(|value| value.to_str().unwrap());
            assert_eq!(said, after, "{refusal:?}");
        }
    }

    #[test]
    fn a_refused_handshake_says_what_would_be_right() {
        let upgrade = UpgradeRefusal::Handshake(HandshakeError::MissingUpgrade).to_http_response();
        assert_eq!(upgrade.headers()[UPGRADE], "websocket");
        let version =
            UpgradeRefusal::Handshake(HandshakeError::UnsupportedVersion).to_http_response();
        assert_eq!(version.headers()[SEC_WEBSOCKET_VERSION], "13");
        let origin = UpgradeRefusal::ForbiddenOrigin.to_http_response();
        assert!(
            str::from_utf8(origin.body())
                .unwrap()
                .contains("security.allowed_origins")
        );
    }
}
