//! `ask`, against a server that says what a gateway says.

use std::net::SocketAddr;

use clap::Parser;
use futures_util::{SinkExt, StreamExt};
use gateway::cli::ask::{self, Terminals};
use gateway::cli::{Cli, CliCommand};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

const NOBODY: Terminals = Terminals {
    out: false,
    err: false,
};

/// The standard output and standard error of `ask`, and its exit code.
async fn asked(words: &[&str], terminals: Terminals) -> (String, String, u8) {
    let words = ["answer-gateway", "ask"].iter().chain(words);
    let Ok(CliCommand::Ask(arguments)) = Cli::try_parse_from(words).map(Cli::into_command) else {
        panic!("`ask` is the command");
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = ask::run_ask(&arguments, terminals, &mut out, &mut err)
        .await
        .expect("written");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(out), text(err), code)
}

async fn listening() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// Asks a server that takes one question and sends `replies`. Returns what `ask` printed, the path it
/// connected to and the frame it sent.
async fn asked_of(
    replies: Vec<Message>,
    words: &[&str],
    terminals: Terminals,
) -> ((String, String, u8), String, String) {
    let (listener, address) = listening().await;
    let server = async move {
        let (mut socket, path) = accepted(&listener).await;
        let question = socket.next().await.expect("a frame").expect("a frame");
        for reply in replies {
            socket.send(reply).await.expect("sent");
        }
        // Until the client goes away, so that what was sent is read.
        while let Some(Ok(_)) = socket.next().await {}
        (path, question.into_text().expect("text").to_string())
    };
    let url = format!("ws://{address}");
    let words: Vec<_> = words.iter().copied().chain(["--url", &url]).collect();
    let (printed, (path, question)) = tokio::join!(asked(&words, terminals), server);
    (printed, path, question)
}

async fn accepted(listener: &TcpListener) -> (WebSocketStream<TcpStream>, String) {
    let (stream, _) = listener.accept().await.expect("a client");
    let mut path = String::new();
    #[expect(
        clippy::result_large_err,
        reason = "the callback's type is tungstenite's"
    )]
    let note_path = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        request.uri().path().clone_into(&mut path);
        Ok(response)
    };
    let socket = tokio_tungstenite::accept_hdr_async(stream, note_path).await;
    (socket.expect("a handshake"), path)
}

fn response(data: &str) -> Message {
    Message::text(serde_json::json!({ "type": "response", "data": data }).to_string())
}

#[tokio::test]
async fn the_answer_goes_to_standard_output_and_nothing_else() {
    let replies = vec![Message::Ping("x".into()), response("Olá,\nmundo")];
    let words = ["Which?", "--session", "ana-1", "--user", "Ana"];
    let (printed, path, question) = asked_of(replies, &words, NOBODY).await;
    assert_eq!(printed, ("Olá,\nmundo\n".to_owned(), String::new(), 0));
    assert_eq!(path, "/ws/ana-1");
    let question: serde_json::Value = serde_json::from_str(&question).expect("JSON");
    let expected =
        serde_json::json!({ "type": "message", "content": "Which?", "user_name": "Ana" });
    assert_eq!(question, expected);
}

#[tokio::test]
async fn without_a_session_a_fresh_one_is_taken_each_time() {
    let (_, one, question) = asked_of(vec![response("a")], &["q"], NOBODY).await;
    let (_, other, _) = asked_of(vec![response("a")], &["q"], NOBODY).await;
    assert_ne!(one, other);
    assert_eq!(one.len(), "/ws/".len() + 36, "a UUID: {one}");
    assert!(!question.contains("user_name"), "{question}");
}

#[tokio::test]
async fn a_refusal_goes_to_standard_error_with_exit_code_1() {
    let refused = r#"{"type":"error","message":"No response in time"}"#;
    let ((out, err, code), ..) = asked_of(vec![Message::text(refused)], &["q"], NOBODY).await;
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(err.contains("No response in time"), "{err}");
}

#[tokio::test]
async fn a_close_says_what_to_do_by_its_code() {
    for (code, advice) in [
        (4001, "ask again, another"),
        (1009, "too long"),
        (4503, "will not help"),
    ] {
        let close = Message::Close(Some(CloseFrame {
            code: code.into(),
            reason: "because".into(),
        }));
        let ((_, err, exit), ..) = asked_of(vec![close], &["q"], NOBODY).await;
        assert_eq!(exit, 1);
        assert!(
            err.contains(advice) && err.contains("because"),
            "{code}: {err}"
        );
    }
}

#[tokio::test]
async fn what_is_no_frame_of_a_gateway_is_said_to_be_none() {
    for reply in [Message::text("hello"), Message::binary(vec![1])] {
        let ((out, err, code), ..) = asked_of(vec![reply], &["q"], NOBODY).await;
        assert_eq!((out.as_str(), code), ("", 1));
        assert!(err.contains("--url"), "{err}");
    }
}

#[tokio::test]
async fn no_answer_within_the_timeout_ends_the_wait() {
    let ((out, err, code), ..) = asked_of(Vec::new(), &["q", "--timeout", "50ms"], NOBODY).await;
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(err.contains("no answer within 50ms"), "{err}");
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_exit_code_2() {
    let (listener, address) = listening().await;
    drop(listener);
    let (out, err, code) = asked(&["q", "--url", &format!("http://{address}")], NOBODY).await;
    assert_eq!((out.as_str(), code), ("", 2));
    assert!(err.contains("is the gateway running there?"), "{err}");
}

#[tokio::test]
async fn a_handshake_refused_by_http_is_exit_code_2_with_advice() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for (status, advice) in [
        ("503 Service Unavailable", "in a moment"),
        ("404 Not Found", "check --url"),
    ] {
        let (listener, address) = listening().await;
        let server = async {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await.expect("a request");
            let reply = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(reply.as_bytes()).await.expect("sent");
        };
        let url = format!("ws://{address}");
        let words = ["q", "--url", &url];
        let (printed, ()) = tokio::join!(asked(&words, NOBODY), server);
        assert_eq!(printed.2, 2);
        assert!(printed.1.contains(advice), "{}", printed.1);
    }
}

#[tokio::test]
async fn a_person_watching_sees_that_something_is_waited_for() {
    let watched = Terminals {
        out: true,
        err: true,
    };
    let ((out, err, code), ..) = asked_of(vec![response("a\x1b[2Jb")], &["q"], watched).await;
    assert!(err.contains("waiting for the answer"), "{err}");
    assert_eq!(
        (out.as_str(), code),
        ("a[2Jb\n", 0),
        "no escape sequence reaches a terminal"
    );
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_connected() {
    for words in [
        &["ask"][..],
        &["ask", "q", "--session", "with space"],
        &["ask", "q", "--url", "ftp://x"],
        &["ask", "q", "--timeout", "soon"],
    ] {
        let line = std::iter::once("answer-gateway").chain(words.iter().copied());
        let error = Cli::try_parse_from(line).expect_err("wrong");
        assert_eq!(error.exit_code(), 2, "{words:?}");
    }
}
