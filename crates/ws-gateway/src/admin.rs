//! The admin port: probes, metrics and counts, on a thread and a runtime of its own, so that it still
//! answers when the others do not.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io, thread};

use bytes::Bytes;
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::http::StatusCode;
use warp::{Filter, Rejection};

use crate::accept::{AcceptLoop, Bounds};
use crate::bind::{BindError, bind};
use crate::clock;
use crate::health::Health;
use crate::http::{self, Reply};
use crate::sessions::WebSocketSessionManager;

/// The admin port, taken and not served yet.
#[derive(Debug)]
pub struct BoundAdmin {
    listener: StdListener,
    address: SocketAddr,
}

/// The admin port, served. Dropping it leaves it running; [`Self::stop`] ends it.
#[derive(Debug)]
pub struct RunningAdmin {
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

/// What the admin port tells of.
pub struct AdminSources {
    /// `/livez`, `/readyz` and `/startupz`.
    pub health: Health,
    /// `/sessions`; its gauges are set before each scrape.
    pub manager: WebSocketSessionManager,
    /// `/metrics`: the text, rendered anew for each scrape.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// The content type of that text.
    pub metrics_type: &'static str,
    /// What may be changed (`admin.allow_changes`); `None`: nothing.
    pub changes: Option<AdminChanges>,
}

/// What an operator may change while the process runs.
pub struct AdminChanges {
    /// `PUT /log-level`: takes a filter, or says what is wrong with it.
    pub log_level: SetLogLevel,
}

/// Takes a filter, or says what is wrong with it.
pub type SetLogLevel = Box<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// For a few probes and scrapers; nobody else belongs here.
const BOUNDS: Bounds = Bounds {
    header_timeout: Duration::from_secs(5),
    max_connections: 64,
};

impl BoundAdmin {
    /// Takes the port.
    ///
    /// # Errors
    ///
    /// [`BindError`] names the address.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        bind(address).map(|(listener, address)| Self { listener, address })
    }

    /// Where it listens; the port is never 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `sources`.
    ///
    /// # Errors
    ///
    /// When the system gives no thread or no runtime.
    pub fn serve(self, sources: AdminSources) -> io::Result<RunningAdmin> {
        let stop = CancellationToken::new();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let guard = runtime.enter();
        let listener = TcpListener::from_std(self.listener)?;
        drop(guard);
        let stopped = stop.clone();
        let thread = thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || run(&runtime, listener, sources, stopped))?;
        Ok(RunningAdmin { stop, thread })
    }
}

impl RunningAdmin {
    /// Closes the port and ends the thread.
    pub async fn stop(self) {
        self.stop.cancel();
        // A panic on the thread was logged when it happened.
        drop(tokio::task::spawn_blocking(|| self.thread.join()).await);
    }
}

impl fmt::Debug for AdminChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminChanges").finish_non_exhaustive()
    }
}

impl fmt::Debug for AdminSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminSources").finish_non_exhaustive()
    }
}

fn run(runtime: &Runtime, listener: TcpListener, sources: AdminSources, stop: CancellationToken) {
    let panics = sources.manager.shared().panics.clone();
    let _guard = panics.guard();
    let manager = sources.manager.clone();
    let on_error = |error: &io::Error| manager.shared().events.accept_failed(error);
    let connections = TaskTracker::new();
    let accepting = AcceptLoop {
        listener,
        bounds: BOUNDS,
        service: TowerToHyperService::new(warp::service(routes(Arc::new(sources)))),
        connections: connections.clone(),
        stop,
    };
    runtime.block_on(async {
        accepting.run(on_error).await;
        connections.close();
        connections.wait().await;
    });
}

fn routes(
    sources: Arc<AdminSources>,
) -> impl Filter<Extract = (Reply,), Error = Infallible> + Clone {
    let changing = Arc::clone(&sources);
    let sources = warp::get().map(move || Arc::clone(&sources));
    let reply = |path: &'static str, reply: fn(&AdminSources) -> Reply| {
        warp::path(path)
            .and(warp::path::end())
            .and(sources.clone())
            .map(move |sources: Arc<AdminSources>| reply(&sources))
    };
    let live = reply("livez", livez);
    let ready = reply("readyz", readyz);
    let started = reply("startupz", startupz);
    let metrics = reply("metrics", metrics);
    let sessions = reply("sessions", sessions);
    http::with_errors(
        live.or(ready)
            .unify()
            .or(started)
            .unify()
            .or(metrics)
            .unify()
            .or(sessions)
            .unify()
            .or(changes(changing))
            .unify(),
    )
}

/// What changes something, each only where that is allowed.
fn changes(
    sources: Arc<AdminSources>,
) -> impl Filter<Extract = (Reply,), Error = Rejection> + Clone {
    const LONGEST_FILTER: u64 = 1024;
    let sources = warp::any().map(move || Arc::clone(&sources));
    let force_out = warp::path!("sessions")
        .and(warp::delete())
        .and(warp::query::<HashMap<String, String>>())
        .and(sources.clone())
        .map(
            |query: HashMap<String, String>, sources: Arc<AdminSources>| {
                force_out(&sources, query.get("subject").map(String::as_str))
            },
        );
    let log_level = warp::path!("log-level")
        .and(warp::put())
        .and(warp::body::content_length_limit(LONGEST_FILTER))
        .and(warp::body::bytes())
        .and(sources)
        .map(|body: Bytes, sources: Arc<AdminSources>| log_level(&sources, &body));
    force_out.or(log_level).unify()
}

fn not_allowed() -> Reply {
    let words =
        "set admin.allow_changes (GATEWAY__ADMIN__ALLOW_CHANGES) to change anything from here";
    http::error(StatusCode::FORBIDDEN, words)
}

/// Without authentication there is one subject, the empty one: everybody's.
fn force_out(sources: &AdminSources, subject: Option<&str>) -> Reply {
    #[derive(Serialize)]
    struct Body {
        closed: usize,
    }
    if sources.changes.is_none() {
        return not_allowed();
    }
    match subject {
        None => http::error(
            StatusCode::BAD_REQUEST,
            "say whose: ?subject=…; without authentication ?subject= is everybody",
        ),
        Some("") => {
            let closed = sources.manager.force_out();
            http::json(StatusCode::OK, &Body { closed })
        }
        Some(_) => http::json(StatusCode::OK, &Body { closed: 0 }),
    }
}

fn log_level(sources: &AdminSources, body: &[u8]) -> Reply {
    let Some(changes) = &sources.changes else {
        return not_allowed();
    };
    let Ok(filter) = str::from_utf8(body) else {
        return http::error(
            StatusCode::BAD_REQUEST,
            "a filter is text, such as info,ws_gateway=debug",
        );
    };
    match (changes.log_level)(filter.trim()) {
        Ok(()) => {
            sources
                .manager
                .shared()
                .events
                .log_level_changed(filter.trim());
            http::json(StatusCode::OK, &Status { status: "ok" })
        }
        Err(problem) => http::error(StatusCode::BAD_REQUEST, &problem),
    }
}

/// 200 while the process can do its work at all; else the orchestrator is to start it anew.
fn livez(sources: &AdminSources) -> Reply {
    if sources.health.is_stuck(clock::now()) {
        return http::error(StatusCode::SERVICE_UNAVAILABLE, "the runtime is stuck");
    }
    http::json(StatusCode::OK, &Status { status: "ok" })
}

/// 200 once the process has been ready for the first time; what it waits for stands in the body.
fn startupz(sources: &AdminSources) -> Reply {
    if sources.health.has_started() {
        return http::json(StatusCode::OK, &Status { status: "started" });
    }
    let missing = sources.health.readiness().missing.join("; ");
    http::error(
        StatusCode::SERVICE_UNAVAILABLE,
        &format!("not started yet: {missing}"),
    )
}

/// 200 when sockets are taken, else 503; what is missing or degraded stands in the body either way.
fn readyz(sources: &AdminSources) -> Reply {
    #[derive(Serialize)]
    struct Body {
        status: &'static str,
        missing: Vec<String>,
        degraded: Vec<String>,
    }
    let readiness = sources.health.readiness();
    let (code, status) = if !readiness.missing.is_empty() {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    } else if readiness.degraded.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::OK, "degraded")
    };
    let body = Body {
        status,
        missing: readiness.missing,
        degraded: readiness.degraded,
    };
    http::json(code, &body)
}

fn metrics(sources: &AdminSources) -> Reply {
    sources.manager.record_stats();
    http::text(sources.metrics_type, (sources.metrics)())
}

/// Counts only: no id, no text.
fn sessions(sources: &AdminSources) -> Reply {
    #[derive(Serialize)]
    struct Body {
        connected: usize,
        waiting: usize,
        owed: usize,
    }
    let stats = sources.manager.stats();
    let body = Body {
        connected: stats.connected,
        waiting: stats.waiting,
        owed: stats.owed,
    };
    http::json(StatusCode::OK, &body)
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
}
