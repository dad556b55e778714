//! Every way a socket ends, as the client sees it and as it is counted.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use ws_gateway::{CloseCode, SessionSettings};

use crate::support::client::{Client, INVALID, raw_frame, response};
use crate::support::{Sessions, limit};

/// Reads the close frame, and checks that it is this one, counted once and the session cleared.
async fn assert_closed(sessions: &Sessions, client: &mut Client<DuplexStream>, close: CloseCode) {
    let frame = client.closed().await;
    assert_eq!(u16::from(frame.code), close.as_u16());
    assert_eq!(frame.reason.as_str(), close.reason());
    assert_ended(sessions, close.label()).await;
}

async fn assert_ended(sessions: &Sessions, label: &str) {
    sessions
        .wait_counted("sockets_closed_total", label, 1.0)
        .await;
    sessions.wait_connected(0).await;
}

/// Everything a peer is sent until the end of the stream.
async fn rest(mut peer: DuplexStream) -> Vec<u8> {
    let mut all = Vec::new();
    peer.read_to_end(&mut all).await.unwrap();
    all
}

/// The code of a server's close frame at the end of these bytes.
fn close_code(bytes: &[u8]) -> u16 {
    let start = bytes
        .windows(2)
        .rposition(|pair| pair[0] == 0x88 && usize::from(pair[1]) < 126);
    let start = start.expect("a close frame") + 2;
    u16::from_be_bytes(bytes[start..start + 2].try_into().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_gets_its_close_back() {
    let sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client.assert_nothing_more().await;
    let frame = CloseFrame {
        code: 1000.into(),
        reason: "".into(),
    };
    client.send_message(Message::Close(Some(frame))).await;
    assert_eq!(client.close_code().await, 1000);
    assert_ended(&sessions, "1000").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_is_counted_as_lost() {
    let sessions = Sessions::new();
    let client = sessions.connect("s-1").await;
    sessions.wait_connected(1).await;
    drop(client);
    assert_ended(&sessions, "1006").await;
    assert_eq!(sessions.counted("sockets_opened_total", "1"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_newer_connection_replaces_the_older_and_does_not_inherit_its_question() {
    let mut sessions = Sessions::new();
    let mut older = sessions.connect("s-1").await;
    older.ask("older").await;
    let asked = sessions.questions.next_taken().await;
    let mut newer = sessions.connect("s-1").await;
    assert_eq!(older.close_code().await, 4509);
    sessions.answer(&asked, "to the older");
    newer.assert_nothing_more().await;
    newer.ask("newer").await;
    let asked = sessions.questions.next_taken().await;
    assert_eq!(asked.text(), "newer");
    sessions.answer(&asked, "to the newer");
    assert_eq!(newer.receive().await, response("to the newer"));
    sessions
        .wait_counted("sockets_closed_total", "4509", 1.0)
        .await;
    assert_eq!(sessions.manager.stats().connected_count, 1);
}

#[tokio::test(start_paused = true)]
async fn a_binary_frame_closes_1003() {
    let sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client
        .send_message(Message::Binary(Bytes::from_static(b"onde?")))
        .await;
    assert_closed(&sessions, &mut client, CloseCode::BinaryFrame).await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_over_the_limit_closes_1009_and_one_at_the_limit_does_not() {
    let max = SessionSettings::default().max_frame_bytes;
    let sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client.send("x".repeat(max)).await;
    assert_eq!(client.receive().await, INVALID);
    client.send("x".repeat(max + 1)).await;
    assert_closed(&sessions, &mut client, CloseCode::MessageTooBig).await;
}

#[tokio::test(start_paused = true)]
async fn fragments_that_add_up_over_the_limit_close_1009() {
    let sessions = Sessions::with(SessionSettings {
        max_frame_bytes: 100,
        ..SessionSettings::default()
    });
    let mut client = sessions.connect("s-1").await;
    for (opcode, is_final) in [(Data::Text, false), (Data::Continue, true)] {
        let frame = Frame::message("x".repeat(51), OpCode::Data(opcode), is_final);
        client.send_message(Message::Frame(frame)).await;
    }
    assert_closed(&sessions, &mut client, CloseCode::MessageTooBig).await;
}

#[tokio::test(start_paused = true)]
async fn text_that_is_not_utf_8_closes_1007_and_a_broken_frame_1002() {
    let sessions = Sessions::new();
    for (first, payload, close) in [
        (0x81, &b"\xff\xfe"[..], CloseCode::InvalidText),
        (0xf1, b"reserved bits", CloseCode::ProtocolError),
        (0x83, b"reserved opcode", CloseCode::ProtocolError),
        (0x80, b"continues nothing", CloseCode::ProtocolError),
    ] {
        let (mut peer, theirs) = tokio::io::duplex(1024);
        sessions.serve("s-1", theirs);
        peer.write_all(&raw_frame(first, payload)).await.unwrap();
        assert_eq!(close_code(&rest(peer).await), close.as_u16(), "{first:x}");
    }
    assert_eq!(sessions.counted("sockets_closed_total", "1002"), 3.0);
    assert_ended(&sessions, "1007").await;
}

#[tokio::test(start_paused = true)]
async fn more_frames_in_a_second_than_allowed_close_4013() {
    let sessions = Sessions::with(SessionSettings {
        frames_per_second: limit(3),
        ..SessionSettings::default()
    });
    let mut client = sessions.connect("s-1").await;
    for _ in 0..3 {
        client.send("no question").await;
        assert_eq!(client.receive().await, INVALID);
    }
    client.send("no question").await;
    assert_closed(&sessions, &mut client, CloseCode::RateLimited).await;
}

#[tokio::test(start_paused = true)]
async fn by_default_a_hundred_frames_in_a_second_pass() {
    let sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    for _ in 0..100 {
        client.send("no question").await;
        assert_eq!(client.receive().await, INVALID);
    }
    client.send("no question").await;
    assert_closed(&sessions, &mut client, CloseCode::RateLimited).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_pinged_and_closed_4012() {
    let sessions = Sessions::new();
    let (peer, theirs) = tokio::io::duplex(1024);
    let session = sessions.serve("s-1", theirs);
    let all = rest(peer).await;
    assert_eq!(&all[..2], [0x89, 0], "a ping comes first: {all:x?}");
    assert_eq!(close_code(&all), 4012);
    assert_eq!(&all[2..4], [0x88, 2 + 7], "and nothing between: {all:x?}");
    session.await.unwrap();
    assert_ended(&sessions, "4012").await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_stays() {
    let sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    for _ in 0..10 {
        // Reading is what answers a ping.
        let ping = client.next().await;
        assert_eq!(ping, Message::Ping(Bytes::new()));
    }
    client.assert_nothing_more().await;
    assert_eq!(sessions.manager.stats().connected_count, 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_while_an_answer_waits_is_closed_4008_and_the_answer_counts_as_lost()
 {
    let mut sessions = Sessions::new();
    let (peer, theirs) = tokio::io::duplex(16);
    let session = sessions.serve("s-1", theirs);
    let mut client = Client::over(peer).await;
    client.ask("onde?").await;
    let asked = sessions.questions.next_taken().await;
    let begun = tokio::time::Instant::now();
    sessions.answer(&asked, &"x".repeat(1000));
    session.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_ended(&sessions, "4008").await;
    assert_eq!(sessions.counted("questions_total", "answered"), 1.0);
    assert_eq!(sessions.counted("deliveries_total", "failure"), 1.0);
    assert_eq!(sessions.counted("deliveries_total", "success"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn more_waiting_bytes_than_allowed_close_4008_at_once() {
    let sessions = Sessions::with(SessionSettings {
        outbound_bytes: 3000,
        frames_per_second: None,
        ..SessionSettings::default()
    });
    let (mut peer, theirs) = tokio::io::duplex(16);
    sessions.serve("s-1", theirs);
    let begun = tokio::time::Instant::now();
    for _ in 0..1000 {
        // The peer sends on and on and reads nothing.
        if peer
            .write_all(&raw_frame(0x81, b"no question"))
            .await
            .is_err()
        {
            break;
        }
        if sessions.counted("sockets_closed_total", "4008") == 1.0 {
            break;
        }
    }
    assert_ended(&sessions, "4008").await;
    assert!(begun.elapsed() < SessionSettings::default().write_timeout);
    assert_eq!(sessions.questions.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_off_ends_at_once_and_is_cleared() {
    let sessions = Sessions::new();
    let (mut peer, theirs) = tokio::io::duplex(1024);
    let session = sessions.serve("s-1", theirs);
    sessions.wait_connected(1).await;
    sessions.stop.cancel();
    session.await.unwrap();
    assert_eq!(
        peer.read(&mut [0; 16]).await.unwrap(),
        0,
        "no frame, only the end"
    );
    assert_ended(&sessions, "1006").await;
}
