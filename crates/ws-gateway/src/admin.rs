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

use crate::accept::{AcceptLoop, ConnectionRefusal, PortBounds};
use crate::bind::{BindError, bind};
use crate::clock;
use crate::health::Health;
use crate::http::{self, Reply};
use crate::sessions::WebSocketSessionManager;
use crate::settings::AdminSettings;

pub use changes::{AdminChanges, SetLogLevel};
pub(crate) use guard::AdminRefusal;
pub use guard::AdminToken;
use guard::{AdminGuard, GuardedService};

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
    /// The things that an operator may change, if the settings allow changes.
    pub changes: AdminChanges,
}

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
    pub fn serve(self, settings: AdminSettings, sources: AdminSources) -> io::Result<RunningAdmin> {
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
            .spawn(move || run(&runtime, listener, settings, sources, stopped))?;
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

impl fmt::Debug for AdminSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminSources").finish_non_exhaustive()
    }
}

/// The bounds of the admin port, for a few probes and scrapers: a request at a time, and soon over.
fn bounds(settings: &AdminSettings) -> PortBounds {
    PortBounds {
        port: "admin",
        header_timeout: Duration::from_secs(3),
        http_lifetime: Duration::from_secs(10),
        keep_alive: false,
        max_connections: settings.descriptors.admin_connections(),
        // Every connection here can be evicted, so that no newcomer is refused.
        when_full: ConnectionRefusal::OpenFiles,
        descriptor_ceiling: None,
        refusals: 1,
    }
}

fn run(
    runtime: &Runtime,
    listener: TcpListener,
    settings: AdminSettings,
    sources: AdminSources,
    stop: CancellationToken,
) {
    let manager = sources.manager.clone();
    let panics = manager.shared().panics.clone();
    let _guard = panics.guard();
    let connections = TaskTracker::new();
    let bounds = bounds(&settings);
    let routes = TowerToHyperService::new(warp::service(routes(Arc::new(sources))));
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
            .or(changes::routes(changing))
            .unify(),
    )
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
