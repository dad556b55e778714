//! Decides which requests the admin port takes, from the head alone, before a body is read.
//!
//! A page in an operator's browser must not reach the port: neither by a request across origins nor
//! through a host name that the page's own name server points here (DNS rebinding).

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use futures_util::future::Either;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use sha2::{Digest, Sha256};
use warp::Reply as _;
use warp::http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use warp::http::uri::Authority;
use warp::http::{Method, StatusCode, Uri, Version};

use crate::http::{self, HttpResponse};
use crate::session_manager::WebSocketSessionManager;
use crate::settings::AdminSettings;

/// The token that changes are authorised with. Only its digest is kept.
#[derive(Clone)]
pub struct AdminToken([u8; 32]);

/// The reason for which the admin port refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdminRefusal {
    /// No `Host`, or several.
    MissingHost,
    /// A host name that is not allowed.
    ForbiddenHost,
    /// A page asks.
    Origin,
    /// Changes are not allowed at all.
    ChangesDisabled,
    /// A change without the token.
    InvalidToken,
}

/// Decides which requests are taken.
#[derive(Debug)]
pub(super) struct AdminGuard {
    settings: AdminSettings,
}

/// A service behind the guard.
#[derive(Clone)]
pub(super) struct GuardedService<S> {
    guard: Arc<AdminGuard>,
    inner: S,
    manager: WebSocketSessionManager,
}

impl AdminToken {
    /// A token of this text.
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Tells whether this is the same token, in a time that does not depend on how much of it is right.
    fn matches(&self, text: &[u8]) -> bool {
        let other: [u8; 32] = Sha256::digest(text).into();
        let differing = self
            .0
            .iter()
            .zip(other)
            .fold(0, |all, (a, b)| all | (a ^ b));
        differing == 0
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(***)")
    }
}

impl AdminRefusal {
    /// The metric label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::MissingHost | Self::ForbiddenHost => "host",
            Self::Origin => "origin",
            Self::ChangesDisabled => "changes",
            Self::InvalidToken => "token",
        }
    }

    fn to_http_response(self) -> HttpResponse {
        let (status, words) = match self {
            Self::MissingHost => (StatusCode::BAD_REQUEST, "a request has one header Host"),
            Self::ForbiddenHost => (
                StatusCode::FORBIDDEN,
                "this Host is not served; see the setting admin.allowed_hosts",
            ),
            Self::Origin => (StatusCode::FORBIDDEN, "pages may not ask here"),
            Self::ChangesDisabled => (
                StatusCode::FORBIDDEN,
                "set admin.allow_changes (GATEWAY__ADMIN__ALLOW_CHANGES) to change anything from here",
            ),
            Self::InvalidToken => (
                StatusCode::UNAUTHORIZED,
                "a change needs Authorization: Bearer with the value of admin.token",
            ),
        };
        let mut reply = http::error_response(status, words);
        if self == Self::InvalidToken {
            http::set_header(&mut reply, WWW_AUTHENTICATE, "Bearer");
        }
        reply
    }
}

impl AdminGuard {
    pub(super) fn new(settings: AdminSettings) -> Self {
        Self { settings }
    }

    /// Returns the reason for which this request is refused; `None` when it is taken.
    fn check_request<B>(&self, request: &Request<B>) -> Option<AdminRefusal> {
        let headers = request.headers();
        if let Some(refusal) = self.check_host(request.version(), request.uri(), headers) {
            return Some(refusal);
        }
        if headers.contains_key(ORIGIN) {
            return Some(AdminRefusal::Origin);
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        if reads {
            return None;
        }
        if !self.settings.allow_changes {
            return Some(AdminRefusal::ChangesDisabled);
        }
        (!self.is_authorised(headers)).then_some(AdminRefusal::InvalidToken)
    }

    /// One `Host`, and an allowed one (RFC 9112, section 3.2). HTTP/1.0, which no browser talks, may
    /// do without.
    fn check_host(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Option<AdminRefusal> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => Some(host),
            (None, _) if version < Version::HTTP_11 => None,
            (None, _) | (Some(_), Some(_)) => return Some(AdminRefusal::MissingHost),
        };
        let named = host.map(|host| Authority::try_from(host.as_bytes()).ok());
        let named = named.into_iter().chain(uri.authority().cloned().map(Some));
        let allowed = |authority: Option<Authority>| {
            authority.is_some_and(|authority| self.is_allowed_host(&authority))
        };
        let mut refused = named.filter(|authority| !allowed(authority.clone()));
        refused.next().map(|_| AdminRefusal::ForbiddenHost)
    }

    /// Tells whether this is an allowed host with a port or without, and nothing else: the parser takes
    /// names behind a bracket and user names too.
    fn is_allowed_host(&self, authority: &Authority) -> bool {
        let rest = authority.as_str().strip_prefix(authority.host());
        if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':')) {
            return false;
        }
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        let v6 = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        match v6 {
            Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
            None => {
                host == "localhost"
                    || host.parse::<IpAddr>().is_ok()
                    || self.settings.allowed_hosts.contains(&host)
            }
        }
    }

    fn is_authorised(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.settings.token else {
            return true;
        };
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(given), None) = (given.next(), given.next()) else {
            return false;
        };
        bearer_token(given).is_some_and(|given| token.matches(given))
    }
}

/// The token of `Authorization: Bearer`; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer_token(value: &HeaderValue) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = value.as_bytes().split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(token)
}

impl<S> GuardedService<S> {
    pub(super) fn new(guard: AdminGuard, inner: S, manager: WebSocketSessionManager) -> Self {
        Self {
            guard: Arc::new(guard),
            inner,
            manager,
        }
    }
}

impl<S> Service<Request<Incoming>> for GuardedService<S>
where
    S: Service<Request<Incoming>, Response = warp::reply::Response, Error = Infallible>,
{
    type Response = warp::reply::Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Self::Response, Infallible>>, S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        match self.guard.check_request(&request) {
            Some(refusal) => {
                self.manager.shared().events.admin_refused(refusal);
                Either::Left(ready(Ok(refusal.to_http_response().into_response())))
            }
            None => Either::Right(self.inner.call(request)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(settings: AdminSettings) -> AdminGuard {
        AdminGuard::new(settings)
    }

    fn with_changes(token: Option<&str>) -> AdminGuard {
        guard(AdminSettings {
            allow_changes: true,
            token: token.map(AdminToken::new),
            ..AdminSettings::default()
        })
    }

    fn request(method: &str, headers: &[(&str, &str)]) -> Request<()> {
        let request = Request::builder().method(method).uri("/livez");
        let with = |request: warp::http::request::Builder, (name, value): &(&str, &str)| {
            request.header(*name, *value)
        };
        headers.iter().fold(request, with).body(()).unwrap()
    }

    #[test]
    fn only_addresses_localhost_and_the_names_in_the_setting_are_served() {
        let guard = guard(AdminSettings {
            allowed_hosts: vec!["gateway.internal".to_owned()],
            ..AdminSettings::default()
        });
        let judged = |host| guard.check_request(&request("GET", &[("host", host)]));
        for host in [
            "localhost",
            "LocalHost:9090",
            "localhost.",
            "127.0.0.1:9090",
            "10.244.1.17:9090",
            "[::1]:9090",
            "[2001:db8::1]",
            "gateway.internal:9090",
            "GATEWAY.internal",
        ] {
            assert_eq!(judged(host), None, "{host}");
        }
        for host in [
            "attacker.example",
            "localhost.attacker.example",
            "127.0.0.1.attacker.example",
            "other.internal",
            "[::1].attacker.example",
            "localhost@attacker.example",
            "attacker.example@localhost",
            "",
            "a b",
        ] {
            assert_eq!(judged(host), Some(AdminRefusal::ForbiddenHost), "{host}");
        }
    }

    #[test]
    fn a_request_has_one_host_unless_it_is_http_1_0() {
        let guard = guard(AdminSettings::default());
        assert_eq!(
            guard.check_request(&request("GET", &[])),
            Some(AdminRefusal::MissingHost)
        );
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(
            guard.check_request(&request("GET", &twice)),
            Some(AdminRefusal::MissingHost)
        );
        let mut older = request("GET", &[]);
        *older.version_mut() = Version::HTTP_10;
        assert_eq!(guard.check_request(&older), None);
        let mut absolute = request("GET", &[("host", "localhost")]);
        *absolute.uri_mut() = Uri::from_static("http://attacker.example/livez");
        assert_eq!(
            guard.check_request(&absolute),
            Some(AdminRefusal::ForbiddenHost)
        );
    }

    #[test]
    fn a_request_of_a_page_is_refused_whatever_its_origin() {
        let guard = with_changes(None);
        for origin in ["https://attacker.example", "http://127.0.0.1:9090", "null"] {
            for method in ["GET", "PUT", "OPTIONS"] {
                let asked = request(method, &[("host", "127.0.0.1:9090"), ("origin", origin)]);
                assert_eq!(guard.check_request(&asked), Some(AdminRefusal::Origin));
            }
        }
    }

    #[test]
    fn nothing_is_changed_without_permission_and_without_the_token() {
        let host = ("host", "localhost");
        let change = |headers: &[(&str, &str)]| request("PUT", &[&[host], headers].concat());
        let closed = guard(AdminSettings::default());
        assert_eq!(
            closed.check_request(&change(&[])),
            Some(AdminRefusal::ChangesDisabled)
        );
        assert_eq!(with_changes(None).check_request(&change(&[])), None);
        let guarded = with_changes(Some("0123456789"));
        assert_eq!(guarded.check_request(&request("GET", &[host])), None);
        let right = [("authorization", "bearer 0123456789")];
        assert_eq!(guarded.check_request(&change(&right)), None);
        for wrong in [
            &[][..],
            &[("authorization", "Bearer 012345678")],
            &[("authorization", "Bearer 0123456780")],
            &[("authorization", "Basic 0123456789")],
            &[("authorization", "0123456789")],
            &[("authorization", "")],
            &[right[0], right[0]],
        ] {
            assert_eq!(
                guarded.check_request(&change(wrong)),
                Some(AdminRefusal::InvalidToken),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        assert_eq!(
            format!("{:?}", AdminToken::new("canary")),
            "AdminToken(***)"
        );
    }
}
