//! Every way a socket is refused before it exists, as one table: HTTP status, metric label, words.

use std::time::Duration;

use warp::http::StatusCode;
use warp::http::header::{CONNECTION, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE};

use crate::handshake::Malformed;
use crate::health::Admission;
use crate::http::{self, Reply};
use crate::limits::Full;

/// Why a request for a socket is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    SessionId,
    /// Version 1 without a session id.
    NoSessionId,
    Handshake(Malformed),
    Origin,
    NotReady,
    Draining,
    Full(Full),
}

impl Refusal {
    /// Why no socket may come in now; `None` when one may.
    pub(crate) fn of(admission: Admission) -> Option<Self> {
        match admission {
            Admission::Open => None,
            Admission::NotReady => Some(Self::NotReady),
            Admission::Draining => Some(Self::Draining),
        }
    }

    /// The metric label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::SessionId | Self::NoSessionId => "session_id",
            Self::Handshake(_) => "handshake",
            Self::Origin => "origin",
            Self::NotReady => "not_ready",
            Self::Draining => "draining",
            Self::Full(Full::Process) => "connections",
            Self::Full(Full::Address) => "connections_per_address",
            Self::Full(Full::Rate(_)) => "connects_per_second",
        }
    }

    /// What the client is told.
    pub(crate) fn reply(self) -> Reply {
        let mut reply = http::error(self.status(), self.words());
        if let Some(after) = self.retry_after() {
            let seconds = HeaderValue::from(whole_seconds(after));
            reply.headers_mut().insert(RETRY_AFTER, seconds);
        }
        match self {
            Self::Handshake(Malformed::NoUpgrade) => {
                http::set(&mut reply, CONNECTION, "upgrade");
                http::set(&mut reply, UPGRADE, "websocket");
            }
            Self::Handshake(Malformed::Version) => {
                http::set(&mut reply, SEC_WEBSOCKET_VERSION, "13");
            }
            Self::Handshake(Malformed::Key | Malformed::LoneToken)
            | Self::SessionId
            | Self::NoSessionId
            | Self::Origin
            | Self::NotReady
            | Self::Draining
            | Self::Full(_) => {}
        }
        reply
    }

    fn status(self) -> StatusCode {
        match self {
            Self::SessionId
            | Self::NoSessionId
            | Self::Handshake(Malformed::Key | Malformed::LoneToken) => StatusCode::BAD_REQUEST,
            Self::Handshake(Malformed::NoUpgrade | Malformed::Version) => {
                StatusCode::UPGRADE_REQUIRED
            }
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Full(Full::Rate(_)) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotReady | Self::Draining | Self::Full(Full::Process | Full::Address) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::SessionId => "a session id is 1 to 128 characters of A-Z a-z 0-9 . _ -",
            Self::Handshake(Malformed::NoUpgrade) => {
                "this is a WebSocket: Upgrade: websocket is missing"
            }
            Self::Handshake(Malformed::Version) => "Sec-WebSocket-Version must be 13",
            Self::Handshake(Malformed::Key) => "Sec-WebSocket-Key must be 16 bytes in base64",
            Self::NoSessionId => {
                "version 1 names its session: /ws/{session_id}; version 2 (answer-gateway.v2.json) is given one"
            }
            Self::Handshake(Malformed::LoneToken) => {
                "offer answer-gateway.v2.json or answer-gateway.v1.json beside the token"
            }
            Self::Origin => "this Origin may not connect; see the setting security.allowed_origins",
            Self::NotReady => "not ready, try again",
            Self::Draining => "this process is about to end, try again",
            Self::Full(Full::Process) => "too many connections; see the setting limits.connections",
            Self::Full(Full::Address) => {
                "too many connections from this address; see the setting limits.connections_per_address"
            }
            Self::Full(Full::Rate(_)) => {
                "too many connections at once; see the setting limits.connects_per_second"
            }
        }
    }

    fn retry_after(self) -> Option<Duration> {
        const SOON: Duration = Duration::from_secs(1);
        const LATER: Duration = Duration::from_secs(5);
        match self {
            Self::SessionId | Self::NoSessionId | Self::Handshake(_) | Self::Origin => None,
            // Another process answers at once.
            Self::Draining => Some(SOON),
            Self::NotReady | Self::Full(Full::Process | Full::Address) => Some(LATER),
            Self::Full(Full::Rate(wait)) => Some(wait),
        }
    }
}

/// At least one, rounded up: RFC 9110, section 10.2.3 knows no fractions.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_come_again_is_told_when() {
        for (refusal, status, after) in [
            (Refusal::SessionId, 400, None),
            (Refusal::NoSessionId, 400, None),
            (Refusal::Handshake(Malformed::Key), 400, None),
            (Refusal::Handshake(Malformed::LoneToken), 400, None),
            (Refusal::Handshake(Malformed::NoUpgrade), 426, None),
            (Refusal::Handshake(Malformed::Version), 426, None),
            (Refusal::Origin, 403, None),
            (Refusal::NotReady, 503, Some("5")),
            (Refusal::Draining, 503, Some("1")),
            (Refusal::Full(Full::Process), 503, Some("5")),
            (Refusal::Full(Full::Address), 503, Some("5")),
            (
                Refusal::Full(Full::Rate(Duration::from_millis(1))),
                429,
                Some("1"),
            ),
        ] {
            let reply = refusal.reply();
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
        let upgrade = Refusal::Handshake(Malformed::NoUpgrade).reply();
        assert_eq!(upgrade.headers()[UPGRADE], "websocket");
        let version = Refusal::Handshake(Malformed::Version).reply();
        assert_eq!(version.headers()[SEC_WEBSOCKET_VERSION], "13");
        let origin = Refusal::Origin.reply();
        assert!(
            str::from_utf8(origin.body())
                .unwrap()
                .contains("security.allowed_origins")
        );
    }
}
