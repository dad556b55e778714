//! Replies of both ports: JSON, and what stands in every reply.

use bytes::Bytes;
use serde::Serialize;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use warp::http::{Response, StatusCode};
use warp::reject::MethodNotAllowed;
use warp::{Filter, Rejection};

/// A whole reply.
pub(crate) type HttpResponse = Response<Bytes>;

/// A JSON reply, never cached.
pub(crate) fn json_response(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    let body = serde_json::to_vec(body).expect("replies serialise");
    let mut reply = Response::new(Bytes::from(body));
    *reply.status_mut() = status;
    set_header(&mut reply, CONTENT_TYPE, "application/json");
    set_header(&mut reply, CACHE_CONTROL, "no-store");
    reply
}

/// A text of this type, never cached.
pub(crate) fn text_response(content_type: &'static str, body: impl Into<Bytes>) -> HttpResponse {
    let mut reply = Response::new(body.into());
    set_header(&mut reply, CONTENT_TYPE, content_type);
    set_header(&mut reply, CACHE_CONTROL, "no-store");
    reply
}

/// Builds an error reply with a message for people.
pub(crate) fn error_response(status: StatusCode, message: &str) -> HttpResponse {
    #[derive(Serialize)]
    struct Body<'a> {
        error: &'a str,
    }
    json_response(status, &Body { error: message })
}

pub(crate) fn set_header(reply: &mut HttpResponse, name: HeaderName, value: &'static str) {
    reply
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}

/// `routes`, and a reply for what none of them takes.
pub(crate) fn with_error_responses<F>(
    routes: F,
) -> impl Filter<Extract = (HttpResponse,), Error = std::convert::Infallible> + Clone
where
    F: Filter<Extract = (HttpResponse,), Error = Rejection> + Clone + Send + Sync + 'static,
{
    routes.or_else(|rejection: Rejection| async move {
        let reply = if rejection.find::<MethodNotAllowed>().is_some() {
            error_response(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        } else {
            error_response(StatusCode::NOT_FOUND, "not found")
        };
        Ok::<_, std::convert::Infallible>((reply,))
    })
}
