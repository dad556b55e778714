//! Tests the choice of version 2, and its first frame.

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use ws_gateway::ServerSettings;

use crate::support::Sessions;
use crate::support::client::Client;
use crate::support::client_v2::ClientV2;
use crate::support::edge::{Edge, Request};

const V2: &str = "answer-gateway.v2.json";

/// A client by a library's own handshake, and the protocol that it was granted.
async fn connect(edge: &Edge, path: &str, protocols: &str) -> (Client<TcpStream>, Option<String>) {
    let stream = TcpStream::connect(edge.address).await.unwrap();
    let url = format!("ws://{}{path}", edge.address);
    let mut request = url.into_client_request().unwrap();
    let protocols = protocols.parse().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocols);
    let (client, response) = client_async(request, stream).await.unwrap();
    let granted = response.headers().get("sec-websocket-protocol");
    let granted = granted.map(|granted| granted.to_str().unwrap().to_owned());
    (Client(client), granted)
}

#[tokio::test]
async fn version_2_is_asked_for_by_name_with_or_without_a_session_id() {
    let edge = Edge::serve(&ServerSettings::default());
    let (client, granted) = connect(&edge, "/ws/s-1", V2).await;
    assert_eq!(granted.as_deref(), Some(V2));
    let mut client = ClientV2(client);
    client.send(json!({"type": "start"})).await;
    assert_eq!(client.receive().await["session_id"], "s-1");

    let both = "answer-gateway.v1.json, answer-gateway.v2.json";
    let (client, granted) = connect(&edge, "/ws", both).await;
    assert_eq!(granted.as_deref(), Some(V2), "the newer one");
    let mut client = ClientV2(client);
    client.send(json!({"type": "start"})).await;
    let hello = client.receive().await;
    assert_eq!(hello["session_id"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn a_version_that_nobody_speaks_is_told_by_a_close_code() {
    let edge = Edge::serve(&ServerSettings::default());
    let unknown = "answer-gateway.v3.json";
    let (mut client, granted) = connect(&edge, "/ws/s-1", unknown).await;
    assert_eq!(granted.as_deref(), Some(unknown));
    assert_eq!(client.close_code().await, 4510);
    assert_eq!(edge.refused("version"), 1.0);
}

#[tokio::test]
async fn version_1_has_to_name_its_session_and_a_token_its_version() {
    let edge = Edge::serve(&ServerSettings::default());
    let reply = edge.reply_to(&Request::new("x").path("/ws")).await;
    assert_eq!(reply.status, 400);
    let lone = "base64url.bearer.authorization.answer-gateway.abc";
    let request = Request::new("s-1").with("sec-websocket-protocol", lone);
    assert_eq!(edge.reply_to(&request).await.status, 400);
    assert_eq!(
        (edge.refused("session_id"), edge.refused("handshake")),
        (1.0, 1.0)
    );
    let beside = format!("{lone}, {V2}");
    let request = Request::new("s-1").with("sec-websocket-protocol", beside);
    let reply = edge.reply_to(&request).await;
    assert_eq!(
        (reply.status, reply.header("sec-websocket-protocol")),
        (101, Some(V2))
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_frame_is_start_and_comes_in_time() {
    let sessions = Sessions::new();
    let mut silent = sessions.connect_v2("s-1").await;
    let begun = Instant::now();
    assert_eq!(silent.0.close_code().await, 4502);
    assert_eq!(begun.elapsed(), Duration::from_secs(10));

    for frame in [r#"{"type":"ask","id":"q","content":"x"}"#, "no JSON"] {
        let mut client = sessions.connect_v2("s-1").await;
        client.0.send(frame).await;
        assert_eq!(client.0.close_code().await, 4501);
    }
    let mut client = sessions.connect_v2("s-1").await;
    client.0.send_message(Message::Binary(vec![1].into())).await;
    assert_eq!(client.0.close_code().await, 1003);
    drop(sessions.connect_v2("s-1").await);
    sessions
        .wait_counted("sockets_closed_total", "1006", 1.0)
        .await;
    assert_eq!(sessions.counted("sockets_opened_total", "2"), 5.0);
    assert_eq!(
        sessions.manager.stats().connected_count,
        0,
        "none became a session"
    );
}
