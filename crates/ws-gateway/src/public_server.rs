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

use crate::accept_loop::{AcceptLoop, ConnectionRefusal, PortBounds};
use crate::clock;
use crate::health::Health;
use crate::listener::{BindError, bind_listener};
use crate::public_routes;
use crate::session_manager::WebSocketSessionManager;
use crate::settings::ServerSettings;
use crate::upgrade_handler::UpgradeHandler;
use crate::websocket_limiter::WebSocketLimiter;

/// The public port, taken and not served yet.
#[derive(Debug)]
pub struct BoundPublicServer {
    listener: StdListener,
    address: SocketAddr,
}

/// The public port, served. Dropping it leaves it running; [`Self::stop`] ends it.
#[derive(Debug)]
pub struct RunningPublicServer {
    stop_accepting: CancellationToken,
    stop_sessions: CancellationToken,
    sessions: TaskTracker,
    connections: TaskTracker,
}

impl BoundPublicServer {
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
    ) -> std::io::Result<RunningPublicServer> {
        let running = RunningPublicServer {
            stop_accepting: CancellationToken::new(),
            stop_sessions: CancellationToken::new(),
            sessions: TaskTracker::new(),
            connections: TaskTracker::new(),
        };
        let panics = manager.shared().panics.clone();
        let edge = Arc::new(UpgradeHandler {
            manager: manager.clone(),
            health,
            websocket_limiter: WebSocketLimiter::new(&settings.limits, clock::now()),
            allowed_origins: settings.allowed_origins.clone(),
            sessions: running.sessions.clone(),
            stop: running.stop_sessions.clone(),
        });
        let accepting = AcceptLoop {
            listener: TcpListener::from_std(self.listener)?,
            bounds: public_port_bounds(settings),
            service: TowerToHyperService::new(warp::service(public_routes::public_routes(
                edge,
                settings.chat,
            ))),
            connections: running.connections.clone(),
            stop: running.stop_accepting.clone(),
            manager,
        };
        running.connections.spawn(async move {
            let _guard = panics.new_guard();
            accepting.run().await;
        });
        Ok(running)
    }
}

/// The bounds of the public port: as many connections as are set, and as the limit of open files has
/// room for.
fn public_port_bounds(settings: &ServerSettings) -> PortBounds {
    /// A client sends one request for a socket; a health check that keeps its connection reconnects.
    const HEADER_TIMEOUTS: u32 = 6;
    let room = settings.descriptors.public_connections();
    PortBounds {
        port: "public",
        header_timeout: settings.header_timeout,
        http_lifetime: settings.header_timeout.saturating_mul(HEADER_TIMEOUTS),
        keep_alive: true,
        max_connections: settings.max_connections.min(room),
        refusal_when_full: if settings.max_connections <= room {
            ConnectionRefusal::MaxConnections
        } else {
            ConnectionRefusal::OpenFiles
        },
        descriptor_ceiling: Some(settings.descriptors.public_descriptor_ceiling()),
        max_refusals: settings.descriptors.max_refusals(),
    }
}

impl RunningPublicServer {
    /// Closes the port, waits for the sessions to end by themselves, for `patience` at most, then
    /// drops the rest. Nothing is left afterwards.
    pub async fn stop(self, patience: Duration) {
        self.stop_accepting.cancel();
        self.sessions.close();
        self.connections.close();
        // Whoever is not gone in time is cut off.
        drop(timeout(patience, self.sessions.wait()).await);
        self.stop_sessions.cancel();
        self.sessions.wait().await;
        self.connections.wait().await;
    }
}
