//! Connections in, bounded in number and in the time to the end of a request's head; HTTP/1.1 on
//! each. Both ports are served by this loop.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What one port takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How long a client may take to send the head of a request, and how long a connection may be
    /// idle between two.
    pub(crate) header_timeout: Duration,
    /// Connections at once; more wait in the system's queue.
    pub(crate) max_connections: usize,
}

/// Who is at the other end of a connection; an extension of every request. Holding it holds the
/// connection's place.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    _place: Arc<OwnedSemaphorePermit>,
}

/// A listener and what it serves.
#[derive(Debug)]
pub(crate) struct AcceptLoop<S> {
    pub(crate) listener: TcpListener,
    pub(crate) bounds: Bounds,
    pub(crate) service: S,
    pub(crate) connections: TaskTracker,
    pub(crate) stop: CancellationToken,
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
    /// Out of file descriptors, most likely: some are given back meanwhile.
    const AFTER_AN_ERROR: Duration = Duration::from_millis(100);
    /// What is under way when the port closes takes milliseconds, unless the client dawdles.
    const LAST_REPLY: Duration = Duration::from_secs(1);

    /// Accepts until it is stopped. Connections without a request then end at once; those that were
    /// upgraded are not its own any more.
    pub(crate) async fn run(self, on_error: impl Fn(&io::Error)) {
        let places = Arc::new(Semaphore::new(self.bounds.max_connections));
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = self.accept(&places) => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.serve(stream, peer),
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    on_error(&error);
                    sleep(Self::AFTER_AN_ERROR).await;
                }
            }
        }
    }

    async fn accept(&self, places: &Arc<Semaphore>) -> io::Result<(TcpStream, Peer)> {
        let place = Arc::clone(places).acquire_owned().await;
        let place = Arc::new(place.expect("the semaphore is never closed"));
        let (stream, address) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        let address = address.ip();
        let peer = Peer {
            address,
            _place: place,
        };
        Ok((stream, peer))
    }

    fn serve(&self, stream: TcpStream, peer: Peer) {
        let service = self.service.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            service.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.header_timeout)
            .max_buf_size(Self::MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let stop = self.stop.clone();
        self.connections.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                // An error here is a client that left or talked no HTTP: it has had its reply.
                ended = connection.as_mut() => return drop(ended),
                () = stop.cancelled() => {}
            }
            // Answers the request that is being read or answered, and no further one.
            connection.as_mut().graceful_shutdown();
            drop(timeout(Self::LAST_REPLY, connection).await);
        });
    }
}

/// The client was gone before its connection was accepted.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected
    )
}
