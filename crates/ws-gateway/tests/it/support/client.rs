//! A WebSocket client that knows version 1 and is impatient.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::PATIENCE;

pub(crate) const BUSY: &str =
    r#"{"type":"error","message":"Please wait for the previous response"}"#;
pub(crate) const NOT_SENT: &str =
    r#"{"type":"error","message":"Failed to send question to processing system"}"#;
pub(crate) const INVALID: &str = r#"{"type":"error","message":"Invalid message format"}"#;
pub(crate) const TIMED_OUT: &str = r#"{"type":"error","message":"No response in time"}"#;

/// One end of a WebSocket.
pub(crate) struct Client<S>(pub(crate) WebSocketStream<S>);

/// The frame that carries an answer.
pub(crate) fn response(text: &str) -> String {
    format!(r#"{{"type":"response","data":{}}}"#, json!(text))
}

/// The frame that asks.
pub(crate) fn message(content: &str) -> String {
    json!({"type": "message", "content": content}).to_string()
}

/// An unmasked head of a client's frame, and the mask of zeros that keeps the payload as it is.
pub(crate) fn raw_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 126);
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// The client's end of a stream that was upgraded already.
    pub(crate) async fn over(stream: S) -> Self {
        Self(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
    }

    pub(crate) async fn ask(&mut self, content: &str) {
        self.send(message(content)).await;
    }

    /// Sends one text frame.
    pub(crate) async fn send(&mut self, text: impl Into<Utf8Bytes>) {
        self.send_message(Message::Text(text.into())).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        timeout(PATIENCE, self.0.send(message))
            .await
            .expect("the server reads")
            .unwrap();
    }

    /// Writes bytes that no client would.
    pub(crate) async fn write_raw(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.0.get_mut().write_all(bytes))
            .await
            .expect("the server reads")
            .unwrap();
    }

    /// The next text frame.
    pub(crate) async fn receive(&mut self) -> String {
        let message = self.next().await;
        let Message::Text(text) = message else {
            panic!("a text frame is due, not {message:?}");
        };
        text.to_string()
    }

    /// Frames come in order: had the server sent one, it would stand before the pong.
    pub(crate) async fn assert_nothing_more(&mut self) {
        let payload = Bytes::from_static(b"anything?");
        self.send_message(Message::Ping(payload.clone())).await;
        assert_eq!(self.next().await, Message::Pong(payload));
    }

    /// Reads the server's close frame, which has to be next, and answers it.
    pub(crate) async fn closed(&mut self) -> CloseFrame {
        let message = self.next().await;
        let Message::Close(Some(close)) = message else {
            panic!("a close frame is due, not {message:?}");
        };
        // Answering the close may find the server gone already.
        drop(
            timeout(PATIENCE, self.0.next())
                .await
                .expect("the server ends the connection"),
        );
        close
    }

    pub(crate) async fn close_code(&mut self) -> u16 {
        self.closed().await.code.into()
    }

    /// The connection ends without a close frame.
    pub(crate) async fn assert_cut_off(&mut self) {
        let end = timeout(PATIENCE, self.0.next()).await;
        let end = end.expect("the server ends the connection");
        assert!(
            !matches!(end, Some(Ok(_))),
            "no frame is due, and not {end:?}"
        );
    }

    /// The next frame of any kind.
    pub(crate) async fn next(&mut self) -> Message {
        timeout(PATIENCE, self.0.next())
            .await
            .expect("the server sends something")
            .expect("the connection is there")
            .unwrap()
    }
}
