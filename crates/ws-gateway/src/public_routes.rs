//! Routes of the public port.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use serde::Serialize;
use warp::http::StatusCode;
use warp::http::header::{CONTENT_SECURITY_POLICY, HeaderMap, X_CONTENT_TYPE_OPTIONS};
use warp::{Filter, Rejection};

use crate::accept_loop::ConnectionPeer;
use crate::http::{self, HttpResponse};
use crate::upgrade_handler::{UpgradeHandler, UpgradeRequest};

/// The page: one file, nothing from elsewhere.
const CHAT_PAGE_HTML: &str = include_str!("../assets/chat.html");
const CHAT_CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; \
     connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// All of them, with a reply for everything else.
pub(crate) fn public_routes(
    edge: Arc<UpgradeHandler>,
    chat: bool,
) -> impl Filter<Extract = (HttpResponse,), Error = Infallible> + Clone {
    let named = warp::path!("ws" / String).map(Some);
    let unnamed = warp::path!("ws").map(|| None);
    let socket = named
        .or(unnamed)
        .unify()
        .and(warp::get())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<ConnectionPeer>())
        .and(warp::ext::optional::<OnUpgrade>())
        .map(move |id, headers: HeaderMap, peer, on_upgrade| {
            edge.handle_request(UpgradeRequest {
                session_id: id,
                headers,
                peer,
                on_upgrade,
            })
        });
    let alive = warp::path::end()
        .or(warp::path!("health"))
        .unify()
        .and(warp::get())
        .map(get_health);
    let page = warp::path!("chat")
        .and(warp::get())
        .and_then(move || std::future::ready(get_chat_page(chat)));
    http::with_error_responses(socket.or(alive).unify().or(page).unify())
}

/// This process lives; whether it is ready is the admin port's to say.
fn get_health() -> HttpResponse {
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
    http::json_response(StatusCode::OK, &alive)
}

fn get_chat_page(enabled: bool) -> Result<HttpResponse, Rejection> {
    if !enabled {
        return Err(warp::reject::not_found());
    }
    let mut reply = http::text_response("text/html; charset=utf-8", CHAT_PAGE_HTML);
    http::set_header(
        &mut reply,
        CONTENT_SECURITY_POLICY,
        CHAT_CONTENT_SECURITY_POLICY,
    );
    http::set_header(&mut reply, X_CONTENT_TYPE_OPTIONS, "nosniff");
    Ok(reply)
}
