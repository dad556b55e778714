//! An in-memory schema registry that speaks the Confluent REST API on loopback.
//!
//! Avro only; checks that a schema is valid but not that it is compatible with the one before it,
//! and says so (`GET /config`: `NONE`). Nothing is kept once it stops. As a test double it can be
//! told to fail, see [`RegistryFault`], and counts the requests it is asked.

mod api;
mod routes;
mod schema;
mod store;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use schema::{RegisteredSchema, SchemaReference};

use crate::events;
use store::{SchemaDraft, SchemaStore};

/// A running registry. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct DemoRegistry {
    address: SocketAddr,
    shared: Arc<RegistryState>,
    server: JoinHandle<()>,
}

impl DemoRegistry {
    /// Starts a registry on `127.0.0.1:port`; 0 takes a free port. It can be connected to once this
    /// returns. Runs on the caller's tokio runtime.
    ///
    /// # Errors
    /// [`DemoRegistryError::PortTaken`] and [`DemoRegistryError::Bind`].
    pub async fn start(port: u16) -> Result<Self, DemoRegistryError> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let bind_error = |source| DemoRegistryError::bind(wanted, source);
        let listener = TcpListener::bind(wanted).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        let shared = Arc::new(RegistryState::default());
        let server = warp::serve(routes::routes(Arc::clone(&shared)))
            .incoming(listener)
            .graceful(shared.stop.clone().cancelled_owned())
            .run();
        let registry = Self {
            address,
            shared,
            server: tokio::spawn(server),
        };
        events::registry_started(&registry.url());
        Ok(registry)
    }

    /// Stops taking requests, finishes those under way (for at most two seconds) and returns once
    /// the port is free.
    pub async fn stop(mut self) {
        self.shared.stop.cancel();
        if timeout(STOP_TIMEOUT, &mut self.server).await.is_err() {
            self.server.abort();
        }
        events::registry_stopped(&self.url());
    }

    /// From the next request on, every one meets this fault; [`RegistryFault::None`] ends it. Does not
    /// touch [`Self::register`] and [`Self::schema`], which are not requests.
    pub fn set_fault(&self, fault: RegistryFault) {
        *lock(&self.shared.fault) = fault;
    }

    /// Registers a schema from within the process, as `POST /subjects/{subject}/versions` does, and
    /// returns its id.
    ///
    /// # Errors
    /// [`DemoRegistryError::Refused`] when it is not valid Avro or the registry is full.
    pub fn register(&self, subject: &str, schema: &str) -> Result<u32, DemoRegistryError> {
        self.contents().register(subject, schema)
    }

    /// The schema with this id, if there is one.
    pub fn schema(&self, id: u32) -> Option<Arc<RegisteredSchema>> {
        self.contents().schema(id)
    }

    /// The base URL, as clients take it for `schema.registry.url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the number of HTTP requests so far, those that met a fault included.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// The contents, for a component of this process; they outlive the server.
    pub(crate) fn contents(&self) -> RegistryContents {
        RegistryContents(Arc::clone(&self.shared))
    }
}

impl Drop for DemoRegistry {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

/// A fault of every request, on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegistryFault {
    /// Nothing.
    #[default]
    None,
    /// The reply comes this much later.
    Delay(Duration),
    /// 404 with code 40403, as from a follower that lags behind.
    NotFound,
    /// 401.
    Unauthorized401,
    /// 503.
    Unavailable503,
}

/// The reason for which the registry did not start or did not register.
#[derive(Debug, thiserror::Error)]
pub enum DemoRegistryError {
    /// The address cannot be listened on.
    #[error("the embedded schema registry cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The error in the system's words.
        source: io::Error,
    },
    /// Somebody else listens there: the caller knows which setting moves it.
    #[error("port {port} for the embedded schema registry is taken")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The schema is not valid Avro, or the registry is full.
    #[error("the embedded schema registry refuses the schema of {subject}: {reason}")]
    Refused {
        /// The subject.
        subject: String,
        /// The reason, in the words of the REST API.
        reason: String,
    },
}

impl DemoRegistryError {
    fn bind(address: SocketAddr, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            let port = address.port();
            return Self::PortTaken { port };
        }
        Self::Bind { address, source }
    }
}

/// The schemas and subjects of the registry, without the server.
#[derive(Debug, Clone)]
pub(crate) struct RegistryContents(Arc<RegistryState>);

impl RegistryContents {
    pub(crate) fn register(&self, subject: &str, schema: &str) -> Result<u32, DemoRegistryError> {
        let draft = SchemaDraft {
            text: schema.to_owned(),
            references: Vec::new(),
        };
        let version = self.0.store().register(subject, draft);
        version
            .map(|version| version.schema.id)
            .map_err(|reason| DemoRegistryError::Refused {
                subject: subject.to_owned(),
                reason: reason.to_string(),
            })
    }

    pub(crate) fn schema(&self, id: u32) -> Option<Arc<RegisteredSchema>> {
        self.0.store().by_id(id).ok()
    }
}

/// The state shared by requests, the handle and [`RegistryContents`]. The locks are held for one call each, never
/// over an await.
#[derive(Debug, Default)]
struct RegistryState {
    store: Mutex<SchemaStore>,
    fault: Mutex<RegistryFault>,
    requests: AtomicU64,
    stop: CancellationToken,
}

impl RegistryState {
    fn store(&self) -> MutexGuard<'_, SchemaStore> {
        lock(&self.store)
    }

    fn fault(&self) -> RegistryFault {
        *lock(&self.fault)
    }

    fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}

/// A panic elsewhere leaves nothing half done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const STOP_TIMEOUT: Duration = Duration::from_secs(2);
