//! The public port: an accept loop that bounds connections, warp's routes on each, and the sessions
//! that come out of them.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::{AcceptLoop, ConnectionRefusal, PortBounds};
use crate::bind::{BindError, bind};
use crate::clock;
use crate::health::Health;
use crate::limits::Gate;
use crate::routes;
use crate::sessions::WebSocketSessionManager;
use crate::settings::ServerSettings;
use crate::upgrade::Edge;

/// The public port, taken and not served yet.
#[derive(Debug)]
pub struct BoundServer {
    listener: StdListener,
    address: SocketAddr,
}

/// The public port, served. Dropping it leaves it running; [`Self::stop`] ends it.
#[derive(Debug)]
pub struct RunningServer {
    accepting: CancellationToken,
    stop: CancellationToken,
    sessions: TaskTracker,
    connections: TaskTracker,
}

impl BoundServer {
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

    /// Serves sessions of `manager` on the caller's tokio runtime, as long as `health` admits them.
    ///
    /// # Errors
    ///
    /// When the runtime cannot take the socket.
    pub fn serve(
        self,
        settings: &ServerSettings,
        manager: WebSocketSessionManager,
        health: Health,
    ) -> std::io::Result<RunningServer> {
        let running = RunningServer {
            accepting: CancellationToken::new(),
            stop: CancellationToken::new(),
            sessions: TaskTracker::new(),
            connections: TaskTracker::new(),
        };
        let panics = manager.shared().panics.clone();
        let edge = Arc::new(Edge {
            manager: manager.clone(),
            health,
            gate: Gate::new(&settings.limits, clock::now()),
            allowed_origins: settings.allowed_origins.clone(),
            sessions: running.sessions.clone(),
            stop: running.stop.clone(),
        });
        let accepting = AcceptLoop {
            listener: TcpListener::from_std(self.listener)?,
            bounds: bounds(settings),
            service: TowerToHyperService::new(warp::service(routes::public(edge, settings.chat))),
            connections: running.connections.clone(),
            stop: running.accepting.clone(),
            manager,
        };
        running.connections.spawn(async move {
            let _guard = panics.guard();
            accepting.run().await;
        });
        Ok(running)
    }
}

/// The bounds of the public port: as many connections as are set, and as the limit of open files has
/// room for.
fn bounds(settings: &ServerSettings) -> PortBounds {
    /// A client sends one request for a socket; a health check that keeps its connection reconnects.
    const HEADER_TIMEOUTS: u32 = 6;
    let room = settings.descriptors.public_connections();
    PortBounds {
        port: "public",
        header_timeout: settings.header_timeout,
        http_lifetime: settings.header_timeout.saturating_mul(HEADER_TIMEOUTS),
        keep_alive: true,
        max_connections: settings.max_connections.min(room),
        when_full: if settings.max_connections <= room {
            ConnectionRefusal::MaxConnections
        } else {
            ConnectionRefusal::OpenFiles
        },
        descriptor_ceiling: Some(settings.descriptors.public_ceiling()),
        refusals: settings.descriptors.refusals(),
    }
}

impl RunningServer {
    /// Closes the port, waits for the sessions to end by themselves, for `patience` at most, then
    /// drops the rest. Nothing is left afterwards.
    pub async fn stop(self, patience: Duration) {
        self.accepting.cancel();
        self.sessions.close();
        self.connections.close();
        // Whoever is not gone in time is cut off.
        drop(timeout(patience, self.sessions.wait()).await);
        self.stop.cancel();
        self.sessions.wait().await;
        self.connections.wait().await;
    }
}
