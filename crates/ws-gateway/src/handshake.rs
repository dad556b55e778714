//! Is this request a WebSocket handshake? Pure. Source: RFC 6455, section 4.2.

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use warp::http::header::{
    CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};

/// A request that can be upgraded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    /// What proves that this server understood: `Sec-WebSocket-Accept`.
    pub(crate) accept: String,
    /// The subprotocol that was offered and is spoken.
    pub(crate) protocol: Option<&'static str>,
}

/// Why a request cannot be upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It asks for no upgrade to WebSocket.
    NoUpgrade,
    /// Another version than 13.
    Version,
    /// `Sec-WebSocket-Key` is not 16 bytes in base64.
    Key,
}

/// Names version 1 for clients that have to name something.
pub(crate) const V1: &str = "answer-gateway.v1.json";

/// Reads a handshake from a request's headers.
pub(crate) fn read(headers: &HeaderMap) -> Result<Handshake, Malformed> {
    let upgrade = has_token(headers, &CONNECTION, |token| {
        token.eq_ignore_ascii_case("upgrade")
    }) && has_token(headers, &UPGRADE, |token| {
        token.eq_ignore_ascii_case("websocket")
    });
    if !upgrade {
        return Err(Malformed::NoUpgrade);
    }
    let version = headers.get(SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version != "13") {
        return Err(Malformed::Version);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(|key| key.as_bytes());
    let key = key.filter(|key| is_key(key)).ok_or(Malformed::Key)?;
    let offers_v1 = has_token(headers, &SEC_WEBSOCKET_PROTOCOL, |token| token == V1);
    Ok(Handshake {
        accept: derive_accept_key(key),
        protocol: offers_v1.then_some(V1),
    })
}

/// Whether one of the comma-separated tokens of all headers of that name is the one.
fn has_token(headers: &HeaderMap, name: &HeaderName, is_it: impl Fn(&str) -> bool) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| is_it(token.trim()))
}

/// 16 bytes in base64: 22 characters and two of padding.
fn is_key(key: &[u8]) -> bool {
    let character = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.ends_with(b"==") && key.iter().take(22).all(character)
}

#[cfg(test)]
mod tests {
    use warp::http::header::HeaderValue;

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

    fn with(name: HeaderName, value: &'static str) -> Result<Handshake, Malformed> {
        let mut headers = headers();
        headers.insert(name, HeaderValue::from_static(value));
        read(&headers)
    }

    fn without(name: &HeaderName) -> Result<Handshake, Malformed> {
        let mut headers = headers();
        headers.remove(name);
        read(&headers)
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted_with_its_answer() {
        let handshake = read(&headers()).unwrap();
        assert_eq!(handshake.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(handshake.protocol, None);
    }

    #[test]
    fn tokens_may_stand_among_others_in_any_case() {
        assert!(with(CONNECTION, "keep-alive, UPGRADE").is_ok());
        assert!(with(UPGRADE, "h2c, WebSocket").is_ok());
    }

    #[test]
    fn a_request_without_upgrade_version_or_key_is_no_handshake() {
        assert_eq!(without(&UPGRADE), Err(Malformed::NoUpgrade));
        assert_eq!(without(&CONNECTION), Err(Malformed::NoUpgrade));
        assert_eq!(with(CONNECTION, "close"), Err(Malformed::NoUpgrade));
        assert_eq!(without(&SEC_WEBSOCKET_VERSION), Err(Malformed::Version));
        assert_eq!(with(SEC_WEBSOCKET_VERSION, "8"), Err(Malformed::Version));
        assert_eq!(without(&SEC_WEBSOCKET_KEY), Err(Malformed::Key));
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
            assert_eq!(read(&headers), Err(Malformed::Key), "{key}");
        }
    }

    #[test]
    fn version_1_is_spoken_by_name_when_it_is_offered_and_nothing_else_is() {
        let protocol = |offered| with(SEC_WEBSOCKET_PROTOCOL, offered).unwrap().protocol;
        assert_eq!(protocol("chat, answer-gateway.v1.json"), Some(V1));
        assert_eq!(protocol("chat, answer-gateway.v2.json"), None);
    }
}
