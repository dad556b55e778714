//! Sockets to the gateway, with buffers small enough to hold many.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::http::{StatusCode, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// A socket of version 1.
pub(crate) type LoadSocket = WebSocketStream<TcpStream>;

/// The address of the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    url: String,
    address: SocketAddr,
}

impl Target {
    /// Finds the address behind `ws://host:port`.
    pub(crate) async fn resolve(url: &str) -> Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("--url {url}"))?;
        if uri.scheme_str() != Some("ws") {
            bail!("--url {url}: give ws://host:port");
        }
        let host = uri
            .host()
            .with_context(|| format!("--url {url}: no host"))?;
        let mut found = tokio::net::lookup_host((host, uri.port_u16().unwrap_or(80))).await?;
        let address = found
            .next()
            .with_context(|| format!("--url {url}: no address"))?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { url, address })
    }

    /// Opens the socket of a new session, the `number`th of this process. Tries again while the
    /// gateway is not ready or limits the rate of connects.
    pub(crate) async fn connect(&self, number: usize) -> Result<LoadSocket> {
        let since = Instant::now();
        loop {
            match self.try_connect(number).await {
                Ok(socket) => return Ok(socket),
                Err(problem) if since.elapsed() < READY_WITHIN && is_transient(&problem) => {
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                Err(problem) => {
                    return Err(problem).with_context(|| format!("connecting to {}", self.url));
                }
            }
        }
    }

    async fn try_connect(&self, number: usize) -> Result<LoadSocket, Error> {
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(source) = self.source(number) {
            socket.bind(source)?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0);
        let url = format!("{}/ws/{}", self.url, uuid::Uuid::new_v4());
        let (socket, _) =
            tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?;
        Ok(socket)
    }

    /// On loopback every so many sessions come from an address of their own, so that neither ports nor
    /// the gateway's limit per address run out.
    fn source(&self, number: usize) -> Option<SocketAddr> {
        let offset = u32::try_from(number / SESSIONS_PER_ADDRESS).ok()?;
        let first = u32::from(Ipv4Addr::LOCALHOST);
        let source = Ipv4Addr::from(first + offset);
        (self.address.is_ipv4() && self.address.ip().is_loopback())
            .then(|| SocketAddr::from((source, 0)))
    }
}

fn is_transient(problem: &Error) -> bool {
    if let Error::Http(response) = problem {
        return matches!(
            response.status(),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        );
    }
    matches!(problem, Error::Io(problem) if problem.kind() == ErrorKind::ConnectionRefused)
}

const READ_BUFFER: usize = 2 * 1024;
const SESSIONS_PER_ADDRESS: usize = 900;
const READY_WITHIN: Duration = Duration::from_secs(30);
const RETRY_AFTER: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sessions_on_loopback_are_spread_over_addresses() {
        let target = Target::resolve("ws://127.0.0.1:8080/").await.unwrap();
        let source = |number| target.source(number).unwrap().ip().to_string();
        assert_eq!(source(0), "127.0.0.1");
        assert_eq!(source(SESSIONS_PER_ADDRESS), "127.0.0.2");
        assert_eq!(source(300 * SESSIONS_PER_ADDRESS), "127.0.1.45");
    }

    #[tokio::test]
    async fn anything_but_a_plain_websocket_url_is_refused() {
        assert!(Target::resolve("http://127.0.0.1:8080").await.is_err());
        assert!(Target::resolve("127.0.0.1:8080").await.is_err());
    }
}
