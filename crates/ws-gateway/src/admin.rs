//! The admin port: probes, metrics and counts, on a thread and a runtime of its own, so that it still
//! answers when the others do not.

mod changes;
mod guard;

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io, thread};

use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::Filter;
use warp::http::StatusCode;

use crate::accept_loop::{AcceptLoop, ConnectionRefusal, PortBounds};
use crate::clock;
use crate::health::Health;
use crate::http::{self, HttpResponse};
use crate::listener::{BindError, bind_listener};
use crate::session_manager::WebSocketSessionManager;
use crate::settings::AdminSettings;

pub use changes::{AdminChanges, SetLogLevel};
pub(crate) use guard::AdminRefusal;
pub use guard::AdminToken;
use guard::{AdminGuard, GuardedService};

/// The admin port, taken and not served yet.
#[derive(Debug)]
pub struct BoundAdminServer {
    listener: StdListener,
    address: SocketAddr,
}

/// The admin port, served. Dropping it leaves it running; [`Self::stop`] ends it.
#[derive(Debug)]
pub struct RunningAdminServer {
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

/// The sources of the admin port's replies.
pub struct AdminSources {
    /// `/livez`, `/readyz` and `/startupz`.
    pub health: Health,
    /// `/sessions`; its gauges are set before each scrape.
    pub manager: WebSocketSessionManager,
    /// `/metrics`: the text, rendered anew for each scrape.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// The content type of that text.
    pub metrics_type: &'static str,
    /// The things that an operator may change, if the settings allow changes.
    pub changes: AdminChanges,
}

impl BoundAdminServer {
    /// Takes the port.
    ///
    /// # Errors
    ///
    /// [`BindError`] names the address.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        bind_listener(address).map(|(listener, address)| Self { listener, address })
    }

    /// Returns the address it listens on; the port is never 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `sources`.
    ///
    /// # Errors
    ///
    /// When the system gives no thread or no runtime.
    pub fn serve(
        self,
        settings: AdminSettings,
        sources: AdminSources,
    ) -> io::Result<RunningAdminServer> {
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
            .spawn(move || run_admin_server(&runtime, listener, settings, sources, stopped))?;
        Ok(RunningAdminServer { stop, thread })
    }
}

impl RunningAdminServer {
    /// Closes the port and ends the thread.
    pub async fn stop(self) {
        self.stop.cancel();
        // A panic on the thread was logged when it happened.
        drop(tokio::task::spawn_blocking(|| self.thread.join()).await);
    }
}

impl fmt::Debug for AdminSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminSources").finish_non_exhaustive()
    }
}

/// The bounds of the admin port, for a few probes and scrapers: a request at a time, and soon over.
fn admin_port_bounds(settings: &AdminSettings) -> PortBounds {
    PortBounds {
        port: "admin",
        header_timeout: Duration::from_secs(3),
        http_lifetime: Duration::from_secs(10),
        keep_alive: false,
        max_connections: settings.descriptors.admin_connections(),
        // Every connection here can be evicted, so that no newcomer is refused.
        refusal_when_full: ConnectionRefusal::OpenFiles,
        descriptor_ceiling: None,
        max_refusals: 1,
    }
}

fn run_admin_server(
    runtime: &Runtime,
    listener: TcpListener,
    settings: AdminSettings,
    sources: AdminSources,
    stop: CancellationToken,
) {
    let manager = sources.manager.clone();
    let panics = manager.shared().panics.clone();
    let _guard = panics.new_guard();
    let connections = TaskTracker::new();
    let bounds = admin_port_bounds(&settings);
    let routes = TowerToHyperService::new(warp::service(admin_routes(Arc::new(sources))));
    let accepting = AcceptLoop {
        listener,
        bounds,
        service: GuardedService::new(AdminGuard::new(settings), routes, manager.clone()),
        connections: connections.clone(),
        stop,
        manager,
    };
    runtime.block_on(async {
        accepting.run().await;
        connections.close();
        connections.wait().await;
    });
}

fn admin_routes(
    sources: Arc<AdminSources>,
) -> impl Filter<Extract = (HttpResponse,), Error = Infallible> + Clone {
    let changing = Arc::clone(&sources);
    let sources = warp::get().map(move || Arc::clone(&sources));
    let reply = |path: &'static str, reply: fn(&AdminSources) -> HttpResponse| {
        warp::path(path)
            .and(warp::path::end())
            .and(sources.clone())
            .map(move |sources: Arc<AdminSources>| reply(&sources))
    };
    let live = reply("livez", get_livez);
    let ready = reply("readyz", get_readyz);
    let started = reply("startupz", get_startupz);
    let metrics = reply("metrics", get_metrics);
    let sessions = reply("sessions", get_session_counts);
    http::with_error_responses(
        live.or(ready)
            .unify()
            .or(started)
            .unify()
            .or(metrics)
            .unify()
            .or(sessions)
            .unify()
            .or(changes::change_routes(changing))
            .unify(),
    )
}

/// 200 while the process can do its work at all; else the orchestrator is to start it anew.
fn get_livez(sources: &AdminSources) -> HttpResponse {
    if sources.health.is_stuck(clock::now()) {
        return http::error_response(StatusCode::SERVICE_UNAVAILABLE, "the runtime is stuck");
    }
    http::json_response(StatusCode::OK, &StatusBody { status: "ok" })
}

/// 200 once the process has been ready for the first time; what it waits for stands in the body.
fn get_startupz(sources: &AdminSources) -> HttpResponse {
    if sources.health.has_started() {
        return http::json_response(StatusCode::OK, &StatusBody { status: "started" });
    }
    let missing = sources.health.readiness().missing.join("; ");
    http::error_response(
        StatusCode::SERVICE_UNAVAILABLE,
        &format!("not started yet: {missing}"),
    )
}

/// 200 when sockets are taken, else 503; what is missing or degraded stands in the body either way.
fn get_readyz(sources: &AdminSources) -> HttpResponse {
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
    http::json_response(code, &body)
}

fn get_metrics(sources: &AdminSources) -> HttpResponse {
    sources.manager.record_stats();
    http::text_response(sources.metrics_type, (sources.metrics)())
}

/// Counts only: no id, no text.
fn get_session_counts(sources: &AdminSources) -> HttpResponse {
    #[derive(Serialize)]
    struct Body {
        connected: usize,
        waiting: usize,
        owed: usize,
    }
    let stats = sources.manager.stats();
    let body = Body {
        connected: stats.connected_count,
        waiting: stats.waiting,
        owed: stats.departed,
    };
    http::json_response(StatusCode::OK, &body)
}

#[derive(Serialize)]
struct StatusBody {
    status: &'static str,
}
