//! `answer-gateway ask "question"`: one question from the terminal, as any version-1 client asks it.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::error::Error as WebSocketError;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use url::Url;

/// Arguments of `ask`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  answer-gateway ask \"Which topics does the gateway use?\"
  answer-gateway ask \"And now?\" --session ana-1 --user Ana
  answer-gateway ask \"Hello\" --url wss://chat.example.org --timeout 30s

Exit codes: 0 answered · 1 refused, or no answer in time · 2 cannot connect, or wrong arguments.")]
pub struct AskArguments {
    /// The question
    question: String,
    /// The gateway
    #[arg(long, default_value = "ws://127.0.0.1:8080", value_parser = parse_gateway_url)]
    url: Url,
    /// The session to ask in: 1 to 128 characters of A-Z a-z 0-9 . _ - [default: a fresh one]
    #[arg(long, value_parser = parse_session_id)]
    session: Option<String>,
    /// The asker's name, handed on with the question
    #[arg(long)]
    user: Option<String>,
    /// The time to wait for the answer
    #[arg(long, default_value = "130s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// Tells which of `out` and `err` are terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminals {
    /// True when answers go to a person's screen: control characters in them are then left out.
    pub out: bool,
    /// True when a person watches: a line then says what is waited for.
    pub err: bool,
}

/// The outcome of an asked question.
#[derive(Debug, PartialEq, Eq)]
enum AskOutcome {
    Answered(String),
    Refused(String),
    Unconnected(String),
}

/// Asks a gateway on this machine and leaves the answer aside.
///
/// # Errors
///
/// Why none came, in words.
pub async fn ask_once(port: u16, question: &str, timeout: Duration) -> Result<(), String> {
    let url = format!("ws://127.0.0.1:{port}");
    let arguments = AskArguments {
        question: question.to_owned(),
        url: parse_gateway_url(&url)?,
        session: None,
        user: None,
        timeout,
    };
    match send_question(&arguments).await {
        AskOutcome::Answered(_) => Ok(()),
        AskOutcome::Refused(problem) | AskOutcome::Unconnected(problem) => Err(problem),
    }
}

/// Asks, prints the answer to `out` and anything else to `err`. Returns the exit code: 0 answered,
/// 1 refused or not answered in time, 2 not connected.
///
/// # Errors
///
/// When `out` or `err` cannot be written.
pub async fn run_ask(
    arguments: &AskArguments,
    terminals: Terminals,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> io::Result<u8> {
    if terminals.err {
        write!(err, "waiting for the answer … (Ctrl-C gives up)")?;
        err.flush()?;
    }
    let outcome = send_question(arguments).await;
    if terminals.err {
        write!(err, "\r\x1b[K")?;
    }
    let (message, code) = match outcome {
        AskOutcome::Answered(answer) if terminals.out => {
            writeln!(out, "{}", printable(&answer))?;
            return Ok(0);
        }
        AskOutcome::Answered(answer) => {
            writeln!(out, "{answer}")?;
            return Ok(0);
        }
        AskOutcome::Refused(message) => (message, 1),
        AskOutcome::Unconnected(message) => (message, 2),
    };
    writeln!(err, "{}", printable(&message))?;
    Ok(code)
}

/// A frame sent by the gateway.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum ServerReply {
    Response { data: String },
    Error { message: String },
}

async fn send_question(arguments: &AskArguments) -> AskOutcome {
    let mut socket = match connect(arguments).await {
        Ok(socket) => socket,
        Err(why) => return AskOutcome::Unconnected(why),
    };
    let Some(deadline) = Instant::now().checked_add(arguments.timeout) else {
        return AskOutcome::Unconnected(
            "the timeout is too long; give a shorter --timeout".to_owned(),
        );
    };
    let outcome = match timeout_at(deadline, exchange_frames(&mut socket, arguments)).await {
        Ok(outcome) => outcome,
        Err(_) => AskOutcome::Refused(format!(
            "no answer within {}; ask again, or raise --timeout. Does the answering system run?",
            humantime::format_duration(arguments.timeout)
        )),
    };
    // The outcome is known: a socket that cannot be closed changes nothing about it.
    let _closed = timeout(Duration::from_secs(1), socket.close(None)).await;
    outcome
}

type AskSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(arguments: &AskArguments) -> Result<AskSocket, String> {
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    let url = &arguments.url;
    let session = match &arguments.session {
        Some(session) => session.clone(),
        None => uuid::Uuid::new_v4().to_string(),
    };
    let base = url.as_str().trim_end_matches('/');
    match timeout(
        CONNECT_TIMEOUT,
        connect_async(format!("{base}/ws/{session}")),
    )
    .await
    {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(WebSocketError::Http(response))) => Err(describe_refusal(response.status(), url)),
        Ok(Err(error)) => Err(format!(
            "cannot connect to {url}: {error}; is the gateway running there? --url names another"
        )),
        Err(_) => Err(format!(
            "cannot connect to {url}: no answer within {}; is the gateway running there? --url names another",
            humantime::format_duration(CONNECT_TIMEOUT)
        )),
    }
}

fn describe_refusal(status: StatusCode, url: &Url) -> String {
    let advice = match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            "it is starting, stopping or full: try again in a moment"
        }
        StatusCode::TOO_MANY_REQUESTS => "too many connections at once: try again in a moment",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "it lets only others in: ask its operator"
        }
        StatusCode::NOT_FOUND => "no gateway answers there: check --url",
        _ => "check --url and --session",
    };
    format!("{url} refused the connection with HTTP {status}: {advice}")
}

async fn exchange_frames(socket: &mut AskSocket, arguments: &AskArguments) -> AskOutcome {
    let mut frame = serde_json::json!({ "type": "message", "content": arguments.question });
    if let Some(user) = &arguments.user {
        frame["user_name"] = user.as_str().into();
    }
    if let Err(error) = socket.send(Message::text(frame.to_string())).await {
        return AskOutcome::Refused(format!(
            "the question could not be sent: {error}; ask again"
        ));
    }
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return parse_reply(&text),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => return AskOutcome::Refused(NOT_A_GATEWAY.to_owned()),
            Some(Ok(Message::Close(frame))) => {
                return AskOutcome::Refused(describe_close(frame.as_ref()));
            }
            Some(Err(error)) => {
                return AskOutcome::Refused(format!("the connection was lost: {error}; ask again"));
            }
            None => return AskOutcome::Refused(describe_close(None)),
        }
    }
}

const NOT_A_GATEWAY: &str = "what came is no answer of an answer-gateway: check --url";

fn parse_reply(text: &Utf8Bytes) -> AskOutcome {
    match serde_json::from_str(text) {
        Ok(ServerReply::Response { data }) => AskOutcome::Answered(data),
        Ok(ServerReply::Error { message }) => AskOutcome::Refused(format!("refused: {message}")),
        Err(_) => AskOutcome::Refused(NOT_A_GATEWAY.to_owned()),
    }
}

fn describe_close(frame: Option<&CloseFrame>) -> String {
    let Some(frame) = frame else {
        return "the connection was closed without an answer; ask again".to_owned();
    };
    let code = u16::from(frame.code);
    let advice = match code {
        4001 => "the gateway is stopping: ask again, another will answer",
        1009 => "the question is too long: ask a shorter one",
        4500.. => "asking again will not help: see docs/protocol-v1.md for the code",
        _ => "ask again",
    };
    format!(
        "the gateway closed the connection ({code} {}): {advice}",
        frame.reason
    )
}

/// The text without control characters, which could play tricks on a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

fn parse_gateway_url(text: &str) -> Result<Url, String> {
    let text = match text.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some(("https", rest)) => format!("wss://{rest}"),
        Some(_) => text.to_owned(),
        None => format!("ws://{text}"),
    };
    match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "ws" | "wss") && url.has_host() => Ok(url),
        Ok(_) | Err(_) => {
            Err("give a URL like ws://127.0.0.1:8080 or wss://chat.example.org".to_owned())
        }
    }
}

fn parse_session_id(text: &str) -> Result<String, String> {
    let id = types::SessionId::parse(text).map_err(|error| format!("it {error}"))?;
    Ok(id.to_string())
}
