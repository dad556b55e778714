//! A WebSocket client that knows version 2 and is impatient.

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;

use super::client::Client;

/// One end of a WebSocket.
pub(crate) struct ClientV2<S>(pub(crate) Client<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> ClientV2<S> {
    /// Sends one frame.
    pub(crate) async fn send(&mut self, frame: Value) {
        self.0.send(frame.to_string()).await;
    }

    /// The next frame; pings on the way are answered by the library.
    pub(crate) async fn receive(&mut self) -> Value {
        loop {
            let message = self.0.next().await;
            if let Message::Text(text) = message {
                return serde_json::from_str(&text).unwrap();
            }
            let is_ping = matches!(message, Message::Ping(_));
            assert!(is_ping, "a text frame is due, not {message:?}");
        }
    }

    /// The next frame, without its token, which nobody can know, and the token.
    pub(crate) async fn receive_with_token(&mut self) -> (Value, String) {
        let mut frame = self.receive().await;
        let fields = frame.as_object_mut().unwrap();
        let token = fields.remove("resume_token");
        let token = token.expect("a token comes with it");
        (frame, token.as_str().unwrap().to_owned())
    }

    /// Starts afresh; the hello's token.
    pub(crate) async fn start(&mut self) -> String {
        self.send(json!({"type": "start"})).await;
        let (hello, token) = self.receive_with_token().await;
        assert_eq!(hello["type"], "hello");
        token
    }

    /// Starts afresh; the session's id.
    pub(crate) async fn start_anew(&mut self) -> String {
        self.send(json!({"type": "start"})).await;
        let hello = self.receive().await;
        assert_eq!(hello["type"], "hello");
        hello["session_id"].as_str().unwrap().to_owned()
    }

    /// Goes on from a token.
    pub(crate) async fn resume(&mut self, token: &str, last_seq: u64) {
        let start = json!({"type": "start", "resume_token": token, "last_seq": last_seq});
        self.send(start).await;
    }

    pub(crate) async fn ask(&mut self, id: &str, content: &str) {
        self.send(json!({"type": "ask", "id": id, "content": content}))
            .await;
    }
}
