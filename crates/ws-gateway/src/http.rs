//! Replies of both ports: JSON, and what stands in every reply.

use bytes::Bytes;
use serde::Serialize;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use warp::http::{Response, StatusCode};
use warp::reject::MethodNotAllowed;
use warp::{Filter, Rejection};

/// A whole reply.
pub(crate) type Reply = Response<Bytes>;

/// A JSON reply, never cached.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(body).expect("replies serialise");
    let mut reply = Response::new(Bytes::from(body));
    *reply.status_mut() = status;
    set(&mut reply, CONTENT_TYPE, "application/json");
    set(&mut reply, CACHE_CONTROL, "no-store");
    reply
}

/// A text of this type, never cached.
pub(crate) fn text(content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(body.into());
    set(&mut reply, CONTENT_TYPE, content_type);
    set(&mut reply, CACHE_CONTROL, "no-store");
    reply
}

/// What went wrong, for people.
pub(crate) fn error(status: StatusCode, message: &str) -> Reply {
    #[derive(Serialize)]
    struct Body<'a> {
        error: &'a str,
    }
    json(status, &Body { error: message })
}

pub(crate) fn set(reply: &mut Reply, name: HeaderName, value: &'static str) {
    reply
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}

/// `routes`, and a reply for what none of them takes.
pub(crate) fn with_errors<F>(
    routes: F,
) -> impl Filter<Extract = (Reply,), Error = std::convert::Infallible> + Clone
where
    F: Filter<Extract = (Reply,), Error = Rejection> + Clone + Send + Sync + 'static,
{
    routes.or_else(|rejection: Rejection| async move {
        let reply = if rejection.find::<MethodNotAllowed>().is_some() {
            error(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        } else {
            error(StatusCode::NOT_FOUND, "not found")
        };
        Ok::<_, std::convert::Infallible>((reply,))
    })
}
