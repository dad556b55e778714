//! A public port over sessions, and requests written by hand.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use ws_gateway::{
    BoundPublicServer, Health, Readiness, RunningPublicServer, ServerSettings, SessionSettings,
};

use super::client::Client;
use super::{PATIENCE, Sessions};

/// A served port. It ends with the test's runtime.
pub(crate) struct Edge {
    pub(crate) address: SocketAddr,
    pub(crate) health: Health,
    pub(crate) sessions: Sessions,
    _server: RunningPublicServer,
}

/// The head of a reply and what follows it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) text: String,
}

/// A right request for a socket, but for the lines that are given.
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
}

impl Edge {
    /// A port that admits sockets.
    pub(crate) fn serve(settings: &ServerSettings) -> Self {
        let sessions = Sessions::with(SessionSettings::default());
        let bound = BoundPublicServer::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = bound.address();
        let health = Health::new_starting();
        health.set_readiness(Readiness::default());
        let server = bound.serve(settings, sessions.manager.clone(), health.clone());
        Self {
            address,
            health,
            sessions,
            _server: server.unwrap(),
        }
    }

    /// A client by a library's own handshake.
    pub(crate) async fn connect(&self, id: &str) -> Client<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://{}/ws/{id}", self.address);
        Client(client_async(url, stream).await.unwrap().0)
    }

    /// Returns the port's reply to this.
    pub(crate) async fn reply_to(&self, request: &Request) -> Reply {
        self.reply_to_bytes(request.text().as_bytes()).await
    }

    /// Returns the port's reply to these bytes; the connection is over after it.
    pub(crate) async fn reply_to_bytes(&self, bytes: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut text = Vec::new();
        let ended = timeout(PATIENCE, async {
            // A reply has its length, or is the end of HTTP on this connection.
            while !is_whole(&text) {
                if stream.read_buf(&mut text).await.unwrap() == 0 {
                    break;
                }
            }
        });
        ended.await.expect("a reply comes");
        let text = String::from_utf8(text).unwrap();
        let status = text.split(' ').nth(1).map(|status| status.parse().unwrap());
        Reply {
            status: status.unwrap_or(0),
            text: text.to_lowercase(),
        }
    }

    /// Returns how often sockets were refused for this reason.
    pub(crate) fn refused(&self, reason: &str) -> f64 {
        self.sessions.counted("upgrades_refused_total", reason)
    }
}

fn is_whole(reply: &[u8]) -> bool {
    let reply = String::from_utf8_lossy(reply).to_lowercase();
    let Some((head, body)) = reply.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.parse().unwrap())
}

impl Reply {
    /// A header's value, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let start = format!("{name}: ");
        self.text
            .lines()
            .find_map(|line| line.strip_prefix(start.as_str()))
    }
}

impl Request {
    /// A handshake for this session.
    pub(crate) fn new(id: &str) -> Self {
        let headers = [
            ("host", "gateway"),
            ("upgrade", "websocket"),
            ("connection", "upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        Self {
            method: "GET",
            path: format!("/ws/{id}"),
            headers: headers.map(|(name, value)| (name, value.to_owned())).into(),
        }
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// With this header, in place of the one there was.
    pub(crate) fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        let mut request = self.without(name);
        request.headers.push((name, value.into()));
        request
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(header, _)| *header != name);
        self
    }

    fn text(&self) -> String {
        let headers = self.headers.iter();
        let headers: String = headers
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        format!("{} {} HTTP/1.1\r\n{headers}\r\n", self.method, self.path)
    }
}
