//! The requests of the admin port that change something. Whether they are allowed is decided before
//! they come here.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use warp::http::StatusCode;
use warp::{Filter, Rejection};

use super::{AdminSources, StatusBody};
use crate::http::{self, HttpResponse};

/// The things that an operator may change while the process runs.
pub struct AdminChanges {
    /// `PUT /log-level`: takes a filter, or says what is wrong with it.
    pub log_level: SetLogLevel,
}

/// Takes a filter, or says what is wrong with it.
pub type SetLogLevel = Box<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

impl fmt::Debug for AdminChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminChanges").finish_non_exhaustive()
    }
}

/// Routes `PUT /log-level` and `DELETE /sessions`.
pub(super) fn change_routes(
    sources: Arc<AdminSources>,
) -> impl Filter<Extract = (HttpResponse,), Error = Rejection> + Clone {
    const LONGEST_FILTER: u64 = 1024;
    let sources = warp::any().map(move || Arc::clone(&sources));
    let force_out = warp::path!("sessions")
        .and(warp::delete())
        .and(warp::query::<HashMap<String, String>>())
        .and(sources.clone())
        .map(
            |query: HashMap<String, String>, sources: Arc<AdminSources>| {
                let subject = query.get("subject").map(String::as_str);
                end_sessions(&sources, subject, query.get("all").map(String::as_str))
            },
        );
    let log_level = warp::path!("log-level")
        .and(warp::put())
        .and(warp::body::content_length_limit(LONGEST_FILTER))
        .and(warp::body::bytes())
        .and(sources)
        .map(|body: Bytes, sources: Arc<AdminSources>| set_log_level(&sources, &body));
    force_out.or(log_level).unify()
}

/// Ends the sessions of one subject, or all; without authentication no session has a subject.
fn end_sessions(sources: &AdminSources, subject: Option<&str>, all: Option<&str>) -> HttpResponse {
    #[derive(Serialize)]
    struct Body {
        closed: usize,
    }
    match (subject, all) {
        (None, Some("true")) => {
            let closed = sources.manager.end_all_sessions();
            http::json_response(StatusCode::OK, &Body { closed })
        }
        (Some(subject), None) if !subject.is_empty() => {
            http::json_response(StatusCode::OK, &Body { closed: 0 })
        }
        (_, _) => http::error_response(
            StatusCode::BAD_REQUEST,
            "say whose sessions: ?subject=… of one subject, ?all=true of everybody",
        ),
    }
}

fn set_log_level(sources: &AdminSources, body: &[u8]) -> HttpResponse {
    let Ok(filter) = str::from_utf8(body) else {
        return http::error_response(
            StatusCode::BAD_REQUEST,
            "a filter is text, such as info,ws_gateway=debug",
        );
    };
    match (sources.changes.log_level)(filter.trim()) {
        Ok(()) => {
            let events = &sources.manager.shared().events;
            events.log_level_changed(filter.trim());
            http::json_response(StatusCode::OK, &StatusBody { status: "ok" })
        }
        Err(problem) => http::error_response(StatusCode::BAD_REQUEST, &problem),
    }
}
