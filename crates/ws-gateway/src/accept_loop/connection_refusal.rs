//! Connections refused before their request is read: the reply, and an end that lets it arrive.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// The reason for which a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionRefusal {
    /// `server.max_connections` are WebSockets.
    MaxConnections,
    /// The limit of open files has no room for it.
    OpenFiles,
}

/// Sends refusals, a bounded number of them at once.
#[derive(Debug)]
pub(crate) struct RefusalSender {
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl ConnectionRefusal {
    /// The metric label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::MaxConnections => "max_connections",
            Self::OpenFiles => "open_files",
        }
    }

    /// The whole reply: HTTP 503 with the same headers and JSON as every other refusal.
    fn to_http_response(self) -> String {
        let words = match self {
            Self::MaxConnections => "too many connections; see the setting server.max_connections",
            Self::OpenFiles => "too many connections for the limit of open files",
        };
        let body = format!(r#"{{"error":"{words}"}}"#);
        format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
             cache-control: no-store\r\nretry-after: {RETRY_AFTER_SECONDS}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

impl RefusalSender {
    /// Sends at most `slots` refusals at once with time for the client to read; further ones get the
    /// reply and an immediate end.
    pub(crate) fn new(slots: usize, tasks: TaskTracker) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(slots)),
            tasks,
        }
    }

    /// Refuses `stream`. Never waits.
    pub(crate) fn send(&self, stream: TcpStream, refusal: ConnectionRefusal) {
        match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => {
                self.tasks.spawn(async move {
                    // Whoever does not read its refusal in time is cut off.
                    drop(
                        timeout(
                            LINGER_TIMEOUT,
                            send_and_close(stream, refusal.to_http_response()),
                        )
                        .await,
                    );
                    drop(slot);
                });
            }
            Err(_) => send_without_waiting(&stream, refusal),
        }
    }
}

/// Writes the reply as far as the socket takes it and leaves the end to the caller, who drops the
/// socket: holds no descriptor any longer than that.
pub(crate) fn send_without_waiting(stream: &TcpStream, refusal: ConnectionRefusal) {
    // Closing over bytes that were not read resets the connection, and the reply may be lost with it.
    let mut request = [0; READ_BUFFER_BYTES];
    drop(stream.try_read(&mut request));
    drop(stream.try_write(refusal.to_http_response().as_bytes()));
}

/// Writes the reply, ends the sending direction, and reads what the client still sends.
async fn send_and_close(mut stream: TcpStream, reply: String) -> std::io::Result<()> {
    stream.write_all(reply.as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(MAX_UNREAD_BYTES);
    let mut buffer = [0; READ_BUFFER_BYTES];
    while rest.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// In seconds, like the other refusals for want of room.
const RETRY_AFTER_SECONDS: u32 = 5;
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
const READ_BUFFER_BYTES: usize = 1024;
/// No request for a socket is longer.
const MAX_UNREAD_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_refusal_is_a_whole_reply_with_a_time_to_come_again() {
        for refusal in [
            ConnectionRefusal::MaxConnections,
            ConnectionRefusal::OpenFiles,
        ] {
            let reply = refusal.to_http_response();
            let (head, body) = reply.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
            assert!(head.contains("\r\nretry-after: 5\r\n"), "{head}");
            assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
            let length = format!("content-length: {}", body.len());
            assert!(head.contains(&length), "{head}");
            assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
        }
    }

    #[tokio::test]
    async fn more_refusals_than_slots_are_all_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sender = RefusalSender::new(1, TaskTracker::new());
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            stream.readable().await.unwrap();
            sender.send(stream, ConnectionRefusal::OpenFiles);
            clients.push(client);
        }
        for mut client in clients {
            let mut reply = String::new();
            client.read_to_string(&mut reply).await.unwrap();
            assert_eq!(reply, ConnectionRefusal::OpenFiles.to_http_response());
        }
    }
}
