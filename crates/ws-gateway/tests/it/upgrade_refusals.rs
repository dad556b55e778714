//! Tests the refusals of requests for a socket, as HTTP: every row of the page's table.

use std::time::{Duration, Instant};

use ws_gateway::{Readiness, ServerSettings, WebSocketLimits};

use crate::support::client::response;
use crate::support::edge::{Edge, Request};
use crate::support::limit;

fn limited(limits: WebSocketLimits) -> Edge {
    Edge::serve(&ServerSettings {
        limits,
        ..ServerSettings::default()
    })
}

fn unlimited() -> WebSocketLimits {
    WebSocketLimits {
        connections: 100,
        connections_per_address: None,
        connects_per_second: None,
    }
}

#[tokio::test]
async fn a_right_request_becomes_a_socket_and_version_1_may_be_named() {
    let mut edge = Edge::serve(&ServerSettings::default());
    let mut client = edge.connect("s-1").await;
    client.ask("onde?").await;
    let asked = edge.sessions.questions.next_taken().await;
    edge.sessions.answer(&asked, "ali");
    assert_eq!(client.receive().await, response("ali"));

    let named = Request::new("s-2").with("sec-websocket-protocol", "x, answer-gateway.v1.json");
    let reply = edge.reply_to(&named).await;
    assert_eq!(reply.status, 101);
    let protocol = reply.header("sec-websocket-protocol");
    assert_eq!(protocol, Some("answer-gateway.v1.json"));
}

#[tokio::test]
async fn an_id_of_another_length_or_of_other_characters_is_400() {
    let edge = Edge::serve(&ServerSettings::default());
    let ids = ["a~b", "a%20b", "a%2Fb", "%C3%A3", "a:b", &"7".repeat(129)];
    for id in ids {
        let reply = edge.reply_to(&Request::new(id)).await;
        assert_eq!(reply.status, 400, "{id}");
        assert_eq!(reply.header("retry-after"), None);
    }
    assert_eq!(edge.refused("session_id"), 6.0);
    for id in ["a", "A-z.0_9", &"7".repeat(128)] {
        assert_eq!(edge.reply_to(&Request::new(id)).await.status, 101, "{id}");
    }
}

#[tokio::test]
async fn a_malformed_handshake_is_400_and_another_version_or_none_426() {
    let edge = Edge::serve(&ServerSettings::default());
    let request = || Request::new("s-1");
    let wrong_key = request().with("sec-websocket-key", "c2hvcnQ=");
    assert_eq!(edge.reply_to(&wrong_key).await.status, 400);
    let no_key = request().without("sec-websocket-key");
    assert_eq!(edge.reply_to(&no_key).await.status, 400);

    let older = edge
        .reply_to(&request().with("sec-websocket-version", "8"))
        .await;
    assert_eq!(
        (older.status, older.header("sec-websocket-version")),
        (426, Some("13"))
    );
    let plain = edge
        .reply_to(&request().without("upgrade").without("connection"))
        .await;
    assert_eq!(
        (plain.status, plain.header("upgrade")),
        (426, Some("websocket"))
    );
    assert_eq!(edge.refused("handshake"), 4.0);
}

#[tokio::test]
async fn an_origin_outside_the_list_is_403_and_the_body_names_the_setting() {
    let edge = Edge::serve(&ServerSettings {
        allowed_origins: vec!["https://chat.example".to_owned()],
        ..ServerSettings::default()
    });
    let from = |origin| Request::new("s-1").with("origin", origin);
    let reply = edge.reply_to(&from("https://elsewhere.example")).await;
    assert_eq!(reply.status, 403);
    assert!(
        reply.text.contains("security.allowed_origins"),
        "{}",
        reply.text
    );
    assert_eq!(
        edge.reply_to(&from("https://chat.example")).await.status,
        101
    );
    assert_eq!(
        edge.reply_to(&Request::new("s-2")).await.status,
        101,
        "no browser"
    );
    assert_eq!(edge.refused("origin"), 1.0);
}

#[tokio::test]
async fn more_connects_in_a_second_than_allowed_are_429_and_told_when_to_come_again() {
    let edge = limited(WebSocketLimits {
        connects_per_second: limit(1),
        ..unlimited()
    });
    assert_eq!(edge.reply_to(&Request::new("s-1")).await.status, 101);
    let reply = edge.reply_to(&Request::new("s-2")).await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (429, Some("1"))
    );
    assert_eq!(edge.refused("connects_per_second"), 1.0);
}

#[tokio::test]
async fn more_sockets_than_allowed_are_503_until_one_goes() {
    for (limits, reason) in [
        (
            WebSocketLimits {
                connections: 1,
                ..unlimited()
            },
            "connections",
        ),
        (
            WebSocketLimits {
                connections_per_address: limit(1),
                ..unlimited()
            },
            "connections_per_address",
        ),
    ] {
        let edge = limited(limits);
        let client = edge.connect("s-1").await;
        let reply = edge.reply_to(&Request::new("s-2")).await;
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (503, Some("5")),
            "{reason}"
        );
        assert_eq!(edge.refused(reason), 1.0);
        drop(client);
        edge.sessions.wait_connected(0).await;
        assert_eq!(edge.reply_to(&Request::new("s-3")).await.status, 101);
    }
}

#[tokio::test]
async fn a_process_that_is_not_ready_or_drains_answers_503_and_one_that_is_leaving_not_yet() {
    let edge = Edge::serve(&ServerSettings::default());
    edge.health.set_readiness(Readiness {
        missing: vec!["answers".to_owned()],
        degraded: Vec::new(),
    });
    let reply = edge.reply_to(&Request::new("s-1")).await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("5"))
    );
    edge.health.set_readiness(Readiness::default());
    edge.health.begin_shutdown();
    assert_eq!(edge.reply_to(&Request::new("s-1")).await.status, 101);
    edge.health.stop_admitting();
    let reply = edge.reply_to(&Request::new("s-1")).await;
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("1"))
    );
    assert_eq!(
        (edge.refused("not_ready"), edge.refused("draining")),
        (1.0, 1.0)
    );
}

#[tokio::test]
async fn another_path_is_404_another_method_405_and_a_head_without_end_431() {
    let edge = Edge::serve(&ServerSettings::default());
    let status = async |request: Request| edge.reply_to(&request).await.status;
    assert_eq!(status(Request::new("").path("/ws/s-1/more")).await, 404);
    assert_eq!(status(Request::new("").path("/ws/a/b")).await, 404);
    assert_eq!(status(Request::new("s-1").method("POST")).await, 405);
    let long = Request::new("s-1").with("x", "x".repeat(20_000));
    assert_eq!(status(long).await, 431);
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_ends_the_connection() {
    let edge = Edge::serve(&ServerSettings {
        header_timeout: Duration::from_millis(100),
        ..ServerSettings::default()
    });
    let begun = Instant::now();
    let reply = edge.reply_to_bytes(b"GET /ws/s-1 HTTP/1.1\r\n").await;
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert_eq!((reply.status, reply.text.as_str()), (0, ""));
}
