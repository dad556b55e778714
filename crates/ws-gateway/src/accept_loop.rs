//! Connections in, bounded in number and in the time before they are WebSockets; HTTP/1.1 on each.
//! Both ports are served by this loop.
//!
//! A newcomer is never left in the system's queue: it takes a free place, or that of the oldest
//! connection that is no WebSocket, or is refused with HTTP 503.

mod accept_fault;
mod connection_refusal;
mod connection_slots;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::session_manager::WebSocketSessionManager;

use accept_fault::AcceptFault;
pub(crate) use connection_refusal::ConnectionRefusal;
use connection_refusal::{RefusalSender, send_without_waiting};
use connection_slots::{ConnectionSlot, ConnectionSlots};

/// The bounds of one port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PortBounds {
    /// The port, as a metric label.
    pub(crate) port: &'static str,
    /// The longest time for a client to send the head of a request, and the longest time that a connection may be
    /// idle between two.
    pub(crate) header_timeout: Duration,
    /// The longest time for which a connection may be open without having become a WebSocket.
    pub(crate) http_lifetime: Duration,
    /// True if a connection may carry more than one request.
    pub(crate) keep_alive: bool,
    /// Connections at once.
    pub(crate) max_connections: usize,
    /// The reply to a connection beyond them.
    pub(crate) refusal_when_full: ConnectionRefusal,
    /// The first descriptor that no connection may have; `None` for a port that has the reserve.
    pub(crate) descriptor_ceiling: Option<RawFd>,
    /// Refusals being sent at once.
    pub(crate) max_refusals: usize,
}

/// The other end of a connection; an extension of every request. Holding it holds the connection's
/// place.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionPeer {
    pub(crate) address: IpAddr,
    _slot: Arc<ConnectionSlot>,
}

/// A listener and what it serves.
#[derive(Debug)]
pub(crate) struct AcceptLoop<S> {
    pub(crate) listener: TcpListener,
    pub(crate) bounds: PortBounds,
    pub(crate) service: S,
    pub(crate) connections: TaskTracker,
    pub(crate) stop: CancellationToken,
    /// Its events are told.
    pub(crate) manager: WebSocketSessionManager,
}

/// The running state of an accept loop.
struct AcceptState {
    slots: ConnectionSlots,
    refusal_sender: RefusalSender,
    /// Given up to accept one connection when there is no other descriptor.
    spare_descriptor: Option<OwnedFd>,
}

impl<S, B> AcceptLoop<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>, Data: Send> + Send + 'static,
{
    /// Enough for any head a browser sends behind a proxy.
    const MAX_HEAD_BYTES: usize = 16 * 1024;
    /// Some descriptors or memory are given back meanwhile.
    const ERROR_PAUSE: Duration = Duration::from_millis(100);
    /// Requests under way when the port closes take milliseconds, unless the client dawdles.
    const LAST_RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

    /// Accepts until it is stopped. Connections without a request then end at once; those that were
    /// upgraded are not its own any more.
    pub(crate) async fn run(self) {
        let mut acceptor = AcceptState {
            slots: ConnectionSlots::new(self.bounds.max_connections),
            refusal_sender: RefusalSender::new(self.bounds.max_refusals, self.connections.clone()),
            spare_descriptor: None,
        };
        loop {
            acceptor.reserve_spare_descriptor(&self.listener);
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.admit_connection(&acceptor, stream, peer.ip()).await,
                Err(error) => self.on_accept_error(&mut acceptor, &error).await,
            }
        }
    }

    /// Serves a connection, or refuses it when there is no room.
    async fn admit_connection(&self, acceptor: &AcceptState, stream: TcpStream, address: IpAddr) {
        let ceiling = self.bounds.descriptor_ceiling;
        if ceiling.is_some_and(|ceiling| stream.as_raw_fd() >= ceiling) {
            self.refuse_connection(acceptor, stream, ConnectionRefusal::OpenFiles);
            // Room for the next one.
            if acceptor.slots.evict_oldest().await {
                self.events().connection_evicted(self.bounds.port);
            }
            return;
        }
        let Some((place, evicted)) = acceptor.slots.acquire().await else {
            return self.refuse_connection(acceptor, stream, self.bounds.refusal_when_full);
        };
        if evicted {
            self.events().connection_evicted(self.bounds.port);
        }
        // A client that is gone already: its connection ends by itself.
        drop(stream.set_nodelay(true));
        let peer = ConnectionPeer {
            address,
            _slot: Arc::new(place),
        };
        self.serve_connection(acceptor, stream, peer);
    }

    fn refuse_connection(
        &self,
        acceptor: &AcceptState,
        stream: TcpStream,
        refusal: ConnectionRefusal,
    ) {
        self.events().connection_refused(refusal);
        acceptor.refusal_sender.send(stream, refusal);
    }

    /// Recovers from a failed `accept`, and never at once into the same failure.
    async fn on_accept_error(&self, acceptor: &mut AcceptState, error: &io::Error) {
        match AcceptFault::from_io_error(error) {
            AcceptFault::Connection => {}
            AcceptFault::Descriptors if acceptor.spare_descriptor.take().is_some() => {
                self.events().accept_failed(error);
                self.accept_on_spare(acceptor).await;
            }
            AcceptFault::Descriptors => {
                self.events().accept_failed(error);
                // Long enough for a request that holds the spare's place to be answered.
                sleep(Self::ERROR_PAUSE).await;
                acceptor.reserve_spare_descriptor(&self.listener);
                if acceptor.spare_descriptor.is_none() && acceptor.slots.evict_oldest().await {
                    self.events().connection_evicted(self.bounds.port);
                }
            }
            AcceptFault::System => {
                self.events().accept_failed(error);
                sleep(Self::ERROR_PAUSE).await;
            }
        }
    }

    /// Takes one connection out of the queue with the descriptor just given up. A port that has the
    /// reserve serves it; the other tells it that there is no room.
    async fn accept_on_spare(&self, acceptor: &AcceptState) {
        match self.listener.accept().now_or_never() {
            // Linux looks for a descriptor first: without one `accept` fails for an empty queue too.
            None => {}
            // Another thread has taken the descriptor.
            Some(Err(_)) => sleep(Self::ERROR_PAUSE).await,
            Some(Ok((stream, peer))) if self.bounds.descriptor_ceiling.is_none() => {
                self.admit_connection(acceptor, stream, peer.ip()).await;
            }
            Some(Ok((stream, _))) => {
                let refusal = ConnectionRefusal::OpenFiles;
                self.events().connection_refused(refusal);
                send_without_waiting(&stream, refusal);
            }
        }
    }

    fn serve_connection(&self, acceptor: &AcceptState, stream: TcpStream, peer: ConnectionPeer) {
        let service = self.service.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            service.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.header_timeout)
            .keep_alive(self.bounds.keep_alive)
            .max_buf_size(Self::MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let stop = self.stop.clone();
        let lifetime = self.bounds.http_lifetime;
        let mut notice = acceptor.slots.register_evictable();
        let driven = async move {
            let mut connection = pin!(connection);
            let ending = async {
                tokio::select! {
                    // A request that is there already is answered, whatever else has happened.
                    biased;
                    // An error here is a client that left or talked no HTTP: it has had its reply.
                    ended = connection.as_mut() => return drop(ended),
                    () = stop.cancelled() => {}
                    () = sleep(lifetime) => {}
                }
                // Answers the request that is being read or answered, and no further one.
                connection.as_mut().graceful_shutdown();
                drop(timeout(Self::LAST_RESPONSE_TIMEOUT, connection).await);
            };
            tokio::select! {
                biased;
                () = ending => None,
                eviction = notice.wait_for_eviction() => Some(eviction),
            }
        };
        // The connection is gone before its eviction counts as done.
        self.connections.spawn(async move { drop(driven.await) });
    }

    fn events(&self) -> &crate::events::WebSocketEvents {
        &self.manager.shared().events
    }
}

impl AcceptState {
    /// Holds a descriptor, any, as long as there is one.
    fn reserve_spare_descriptor(&mut self, listener: &TcpListener) {
        if self.spare_descriptor.is_none() {
            self.spare_descriptor = listener.as_fd().try_clone_to_owned().ok();
        }
    }
}
