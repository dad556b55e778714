//! Is this request a WebSocket handshake? Pure. Source: RFC 6455, section 4.2.

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use warp::http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};

/// A request that can be upgraded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    /// The proof that this server understood: `Sec-WebSocket-Accept`.
    pub(crate) accept_key: String,
    /// The subprotocol that was offered and is echoed.
    pub(crate) subprotocol: Option<HeaderValue>,
    /// The version that is spoken.
    pub(crate) version: RequestedVersion,
}

/// The version spoken on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestedVersion {
    /// Version 1.
    V1,
    /// Version 2.
    V2,
    /// A version that this server does not know: the socket is opened to say so, since a browser
    /// shows no HTTP status.
    Unknown,
}

/// The reason for which a request cannot be upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandshakeError {
    /// It asks for no upgrade to WebSocket.
    MissingUpgrade,
    /// Another version than 13.
    UnsupportedVersion,
    /// `Sec-WebSocket-Key` is not 16 bytes in base64.
    InvalidKey,
    /// A token is offered as a subprotocol, and no version beside it: a browser would fail the
    /// connection, since nothing it offers could be echoed.
    TokenWithoutVersion,
}

/// Names version 1 for clients that have to name something.
pub(crate) const SUBPROTOCOL_V1: &str = "answer-gateway.v1.json";
/// Names version 2.
pub(crate) const SUBPROTOCOL_V2: &str = "answer-gateway.v2.json";
/// Begins the subprotocol that carries a token.
const BEARER_SUBPROTOCOL_PREFIX: &str = "base64url.bearer.authorization.answer-gateway.";

/// Reads a handshake from a request's headers.
pub(crate) fn parse_handshake(headers: &HeaderMap) -> Result<Handshake, HandshakeError> {
    let upgrade = has_header_token(headers, &CONNECTION, |token| {
        token.eq_ignore_ascii_case("upgrade")
    }) && has_header_token(headers, &UPGRADE, |token| {
        token.eq_ignore_ascii_case("websocket")
    });
    if !upgrade {
        return Err(HandshakeError::MissingUpgrade);
    }
    let version = headers.get(SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version != "13") {
        return Err(HandshakeError::UnsupportedVersion);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(|key| key.as_bytes());
    let key = key
        .filter(|key| is_websocket_key(key))
        .ok_or(HandshakeError::InvalidKey)?;
    let (protocol, speaks) = choose_subprotocol(headers)?;
    Ok(Handshake {
        accept_key: derive_accept_key(key),
        subprotocol: protocol,
        version: speaks,
    })
}

/// The newest version that both sides speak. Other protocols' names are passed over.
fn choose_subprotocol(
    headers: &HeaderMap,
) -> Result<(Option<HeaderValue>, RequestedVersion), HandshakeError> {
    let offers =
        |is_it: fn(&str) -> bool| has_header_token(headers, &SEC_WEBSOCKET_PROTOCOL, is_it);
    if offers(|token| token == SUBPROTOCOL_V2) {
        return Ok((
            Some(HeaderValue::from_static(SUBPROTOCOL_V2)),
            RequestedVersion::V2,
        ));
    }
    if offers(|token| token == SUBPROTOCOL_V1) {
        return Ok((
            Some(HeaderValue::from_static(SUBPROTOCOL_V1)),
            RequestedVersion::V1,
        ));
    }
    let mut unknown = header_tokens(headers, &SEC_WEBSOCKET_PROTOCOL)
        .filter(|token| is_version_subprotocol(token));
    if let Some(unknown) = unknown.find_map(|token| HeaderValue::from_str(token).ok()) {
        return Ok((Some(unknown), RequestedVersion::Unknown));
    }
    match offers(|token| token.starts_with(BEARER_SUBPROTOCOL_PREFIX)) {
        true => Err(HandshakeError::TokenWithoutVersion),
        false => Ok((None, RequestedVersion::V1)),
    }
}

/// `answer-gateway.vN.json`.
fn is_version_subprotocol(token: &str) -> bool {
    let number = token
        .strip_prefix("answer-gateway.v")
        .and_then(|token| token.strip_suffix(".json"));
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Tells whether one of the comma-separated tokens of all headers of that name is the one.
fn has_header_token(headers: &HeaderMap, name: &HeaderName, is_it: impl Fn(&str) -> bool) -> bool {
    header_tokens(headers, name).any(is_it)
}

fn header_tokens<'a>(
    headers: &'a HeaderMap,
    name: &'a HeaderName,
) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// 16 bytes in base64: 22 characters and two of padding.
fn is_websocket_key(key: &[u8]) -> bool {
    let character = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.ends_with(b"==") && key.iter().take(22).all(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The handshake of RFC 6455, section 1.3.
    fn headers() -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (UPGRADE, "websocket"),
            (CONNECTION, "Upgrade"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
            (SEC_WEBSOCKET_VERSION, "13"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn with(name: HeaderName, value: &'static str) -> Result<Handshake, HandshakeError> {
        let mut headers = headers();
        headers.insert(name, HeaderValue::from_static(value));
        parse_handshake(&headers)
    }

    fn without(name: &HeaderName) -> Result<Handshake, HandshakeError> {
        let mut headers = headers();
        headers.remove(name);
        parse_handshake(&headers)
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted_with_its_answer() {
        let handshake = parse_handshake(&headers()).unwrap();
        assert_eq!(handshake.accept_key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(handshake.subprotocol, None);
    }

    #[test]
    fn tokens_may_stand_among_others_in_any_case() {
        assert!(with(CONNECTION, "keep-alive, UPGRADE").is_ok());
        assert!(with(UPGRADE, "h2c, WebSocket").is_ok());
    }

    #[test]
    fn a_request_without_upgrade_version_or_key_is_no_handshake() {
        assert_eq!(without(&UPGRADE), Err(HandshakeError::MissingUpgrade));
        assert_eq!(without(&CONNECTION), Err(HandshakeError::MissingUpgrade));
        assert_eq!(
            with(CONNECTION, "close"),
            Err(HandshakeError::MissingUpgrade)
        );
        assert_eq!(
            without(&SEC_WEBSOCKET_VERSION),
            Err(HandshakeError::UnsupportedVersion)
        );
        assert_eq!(
            with(SEC_WEBSOCKET_VERSION, "8"),
            Err(HandshakeError::UnsupportedVersion)
        );
        assert_eq!(without(&SEC_WEBSOCKET_KEY), Err(HandshakeError::InvalidKey));
        for key in [
            "",
            "c2hvcnQ=",
            "dGhlIHNhbXBsZSBub25jZQ=!",
            "dGhlIHNhbXBsZSBub25j\u{7f}Q==",
        ] {
            let mut headers = headers();
            let Ok(value) = HeaderValue::from_bytes(key.as_bytes()) else {
                continue;
            };
            headers.insert(SEC_WEBSOCKET_KEY, value);
            assert_eq!(
                parse_handshake(&headers),
                Err(HandshakeError::InvalidKey),
                "{key}"
            );
        }
    }

    #[test]
    fn the_newest_version_that_is_offered_is_spoken_and_echoed() {
        for (offered, echoed, speaks) in [
            (
                "chat, answer-gateway.v1.json",
                Some(SUBPROTOCOL_V1),
                RequestedVersion::V1,
            ),
            (
                "answer-gateway.v1.json,answer-gateway.v2.json",
                Some(SUBPROTOCOL_V2),
                RequestedVersion::V2,
            ),
            (
                "answer-gateway.v2.json, base64url.bearer.authorization.answer-gateway.abc",
                Some(SUBPROTOCOL_V2),
                RequestedVersion::V2,
            ),
            ("chat", None, RequestedVersion::V1),
            ("answer-gateway.v.json", None, RequestedVersion::V1),
            (
                "answer-gateway.v9.json",
                Some("answer-gateway.v9.json"),
                RequestedVersion::Unknown,
            ),
        ] {
            let handshake = with(SEC_WEBSOCKET_PROTOCOL, offered).unwrap();
            let protocol = handshake.subprotocol.as_ref();
            let protocol = protocol.map(|protocol| protocol.to_str().unwrap());
            assert_eq!((protocol, handshake.version), (echoed, speaks), "{offered}");
        }
    }

    #[test]
    fn a_token_offered_alone_is_refused() {
        let offered = "base64url.bearer.authorization.answer-gateway.abc";
        let refused = with(SEC_WEBSOCKET_PROTOCOL, offered);
        assert_eq!(refused, Err(HandshakeError::TokenWithoutVersion));
    }
}
