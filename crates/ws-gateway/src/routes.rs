//! What the public port serves.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use serde::Serialize;
use warp::http::StatusCode;
use warp::http::header::{CONTENT_SECURITY_POLICY, HeaderMap, X_CONTENT_TYPE_OPTIONS};
use warp::{Filter, Rejection};

use crate::accept::Peer;
use crate::http::{self, Reply};
use crate::upgrade::{Edge, Request};

/// The page: one file, nothing from elsewhere.
const CHAT: &str = include_str!("../assets/chat.html");
const CHAT_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; \
     connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// All of them, with a reply for everything else.
pub(crate) fn public(
    edge: Arc<Edge>,
    chat: bool,
) -> impl Filter<Extract = (Reply,), Error = Infallible> + Clone {
    let named = warp::path!("ws" / String).map(Some);
    let unnamed = warp::path!("ws").map(|| None);
    let socket = named
        .or(unnamed)
        .unify()
        .and(warp::get())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>())
        .and(warp::ext::optional::<OnUpgrade>())
        .map(move |id, headers: HeaderMap, peer, on_upgrade| {
            edge.upgrade(Request {
                id,
                headers,
                peer,
                on_upgrade,
            })
        });
    let alive = warp::path::end()
        .or(warp::path!("health"))
        .unify()
        .and(warp::get())
        .map(alive);
    let page = warp::path!("chat")
        .and(warp::get())
        .and_then(move || std::future::ready(page(chat)));
    http::with_errors(socket.or(alive).unify().or(page).unify())
}

/// This process lives; whether it is ready is the admin port's to say.
fn alive() -> Reply {
    #[derive(Serialize)]
    struct Alive {
        status: &'static str,
        service: &'static str,
        version: &'static str,
    }
    let alive = Alive {
        status: "ok",
        service: "answer-gateway",
        version: env!("CARGO_PKG_VERSION"),
    };
    http::json(StatusCode::OK, &alive)
}

fn page(enabled: bool) -> Result<Reply, Rejection> {
    if !enabled {
        return Err(warp::reject::not_found());
    }
    let mut reply = http::text("text/html; charset=utf-8", CHAT);
    http::set(&mut reply, CONTENT_SECURITY_POLICY, CHAT_POLICY);
    http::set(&mut reply, X_CONTENT_TYPE_OPTIONS, "nosniff");
    Ok(reply)
}
