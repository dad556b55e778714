//! Checks every reply of the schema registry before anything else reads it: its size is
//! bounded, and its status becomes one of the errors callers treat differently.

use std::error::Error;
use std::pin::Pin;

use http::Extensions;
use reqwest::{Request, Response, StatusCode};
use reqwest_middleware::Next;
use schema_registry_converter::error::SRCError;

use crate::registry::RegistryClientError;

type ReplyResult = Result<Response, reqwest_middleware::Error>;

/// The middleware.
pub(crate) fn check_reply<'a>(
    request: Request,
    extensions: &'a mut Extensions,
    next: Next<'a>,
) -> Pin<Box<dyn Future<Output = ReplyResult> + Send + 'a>> {
    Box::pin(async move { read_bounded(next.run(request, extensions).await?).await })
}

async fn read_bounded(mut response: Response) -> ReplyResult {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_REPLY_BYTES {
            let too_large = RegistryClientError::Unusable("schema_too_large");
            return Err(reqwest_middleware::Error::middleware(too_large));
        }
        body.extend_from_slice(&chunk);
    }
    if response.status().is_success() {
        return Ok(http::Response::new(body).into());
    }
    let error = classify_error(response.status(), &body);
    Err(reqwest_middleware::Error::middleware(error))
}

/// Maps a status that is no success to an error. Only the registry's own error codes say that it has not
/// got something: a proxy in front of it answers 404 too while the registry is away.
fn classify_error(status: StatusCode, body: &[u8]) -> RegistryClientError {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RegistryClientError::Login,
        StatusCode::NOT_FOUND if matches!(error_code(body), Some(40_400..=40_499)) => {
            RegistryClientError::NotFound
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => status_unavailable(status),
        _ if status.is_client_error() => RegistryClientError::Refused(status.as_u16()),
        _ => status_unavailable(status),
    }
}

fn status_unavailable(status: StatusCode) -> RegistryClientError {
    RegistryClientError::Unavailable(format!("HTTP status {}", status.as_u16()))
}

fn error_code(body: &[u8]) -> Option<u64> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    body.get("error_code")?.as_u64()
}

/// Finds what [`check_reply`] said, or says in a few words why there was no reply.
impl From<SRCError> for RegistryClientError {
    fn from(error: SRCError) -> Self {
        let source = error.source();
        match source.and_then(|source| source.downcast_ref::<reqwest_middleware::Error>()) {
            Some(reqwest_middleware::Error::Middleware(said)) => said
                .downcast_ref::<Self>()
                .cloned()
                .unwrap_or_else(unreadable_reply),
            Some(reqwest_middleware::Error::Reqwest(error)) => {
                Self::Unavailable(describe_request_error(error))
            }
            None => unreadable_reply(),
        }
    }
}

fn unreadable_reply() -> RegistryClientError {
    RegistryClientError::Unavailable("the reply is not a schema registry's".to_owned())
}

/// The innermost cause: the outer ones repeat the URL.
fn describe_request_error(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no reply in time".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if cause.is::<reqwest::Error>() {
        return "the request fails".to_owned();
    }
    format!("no reply: {cause}")
}

/// A schema of the accepted length, escaped as JSON text.
const MAX_REPLY_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> RegistryClientError {
        classify_error(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn only_a_registry_can_say_that_something_is_not_there() {
        for code in [40_401, 40_402, 40_403] {
            let body = format!(r#"{{"error_code":{code},"message":"gone"}}"#);
            assert_eq!(judged(404, &body), RegistryClientError::NotFound);
        }
        for body in ["", "default backend", r#"{"error_code":404}"#, "[]"] {
            assert_eq!(
                judged(404, body),
                RegistryClientError::Refused(404),
                "{body}"
            );
        }
    }

    #[test]
    fn statuses_are_sorted_by_what_a_caller_can_do() {
        for status in [401, 403] {
            assert_eq!(judged(status, ""), RegistryClientError::Login);
        }
        for status in [408, 429, 500, 502, 503, 504, 304] {
            let said = judged(status, "");
            assert!(
                matches!(&said, RegistryClientError::Unavailable(_)),
                "{said:?}"
            );
        }
        for status in [400, 405, 409, 422] {
            assert_eq!(judged(status, ""), RegistryClientError::Refused(status));
        }
    }
}
