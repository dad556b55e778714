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

/// What `ask` takes.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  answer-gateway ask \"Which topics does the gateway use?\"
  answer-gateway ask \"And now?\" --session ana-1 --user Ana
  answer-gateway ask \"Hello\" --url wss://chat.example.org --timeout 30s

Exit codes: 0 answered · 1 refused, or no answer in time · 2 cannot connect, or wrong arguments.")]
pub struct Arguments {
    /// The question
    question: String,
    /// The gateway
    #[arg(long, default_value = "ws://127.0.0.1:8080", value_parser = gateway_url)]
    url: Url,
    /// The session to ask in: 1 to 128 characters of A-Z a-z 0-9 . _ - [default: a fresh one]
    #[arg(long, value_parser = session_id)]
    session: Option<String>,
    /// The asker's name, handed on with the question
    #[arg(long)]
    user: Option<String>,
    /// How long to wait for the answer
    #[arg(long, default_value = "130s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// What `out` and `err` are connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminals {
    /// True when answers go to a person's screen: control characters in them are then left out.
    pub out: bool,
    /// True when a person watches: a line then says what is waited for.
    pub err: bool,
}

/// How an asked question ended.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Answered(String),
    Refused(String),
    Unconnected(String),
}

/// Asks a gateway on this machine and leaves the answer aside.
///
/// # Errors
///
/// Why none came, in words.
pub async fn once(port: u16, question: &str, timeout: Duration) -> Result<(), String> {
    let url = format!("ws://127.0.0.1:{port}");
    let arguments = Arguments {
        question: question.to_owned(),
        url: gateway_url(&url)?,
        session: None,
        user: None,
        timeout,
    };
    match ask(&arguments).await {
        Outcome::Answered(_) => Ok(()),
        Outcome::Refused(problem) | Outcome::Unconnected(problem) => Err(problem),
    }
}

/// Asks, prints the answer to `out` and anything else to `err`. Returns the exit code: 0 answered,
/// 1 refused or not answered in time, 2 not connected.
///
/// # Errors
///
/// When `out` or `err` cannot be written.
pub async fn run(
    arguments: &Arguments,
    terminals: Terminals,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> io::Result<u8> {
    if terminals.err {
        write!(err, "waiting for the answer … (Ctrl-C gives up)")?;
        err.flush()?;
    }
    let outcome = ask(arguments).await;
    if terminals.err {
        write!(err, "\r\x1b[K")?;
    }
    let (message, code) = match outcome {
        Outcome::Answered(answer) if terminals.out => {
            writeln!(out, "{}", printable(&answer))?;
            return Ok(0);
        }
        Outcome::Answered(answer) => {
            writeln!(out, "{answer}")?;
            return Ok(0);
        }
        Outcome::Refused(message) => (message, 1),
        Outcome::Unconnected(message) => (message, 2),
    };
    writeln!(err, "{}", printable(&message))?;
    Ok(code)
}

/// What the gateway sends.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Reply {
    Response { data: String },
    Error { message: String },
}

async fn ask(arguments: &Arguments) -> Outcome {
    let mut socket = match connect(arguments).await {
        Ok(socket) => socket,
        Err(why) => return Outcome::Unconnected(why),
    };
    let Some(deadline) = Instant::now().checked_add(arguments.timeout) else {
        return Outcome::Unconnected(
            "the timeout is too long; give a shorter --timeout".to_owned(),
        );
    };
    let outcome = match timeout_at(deadline, exchange(&mut socket, arguments)).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::Refused(format!(
            "no answer within {}; ask again, or raise --timeout. Does the answering system run?",
            humantime::format_duration(arguments.timeout)
        )),
    };
    // The outcome is known: a socket that cannot be closed changes nothing about it.
    let _closed = timeout(Duration::from_secs(1), socket.close(None)).await;
    outcome
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(arguments: &Arguments) -> Result<Socket, String> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let url = &arguments.url;
    let session = match &arguments.session {
        Some(session) => session.clone(),
        None => uuid::Uuid::new_v4().to_string(),
    };
    let base = url.as_str().trim_end_matches('/');
    match timeout(PATIENCE, connect_async(format!("{base}/ws/{session}"))).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(WebSocketError::Http(response))) => Err(refusal(response.status(), url)),
        Ok(Err(error)) => Err(format!(
            "cannot connect to {url}: {error}; is the gateway running there? --url names another"
        )),
        Err(_) => Err(format!(
            "cannot connect to {url}: no answer within {}; is the gateway running there? --url names another",
            humantime::format_duration(PATIENCE)
        )),
    }
}

fn refusal(status: StatusCode, url: &Url) -> String {
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

async fn exchange(socket: &mut Socket, arguments: &Arguments) -> Outcome {
    let mut frame = serde_json::json!({ "type": "message", "content": arguments.question });
    if let Some(user) = &arguments.user {
        frame["user_name"] = user.as_str().into();
    }
    if let Err(error) = socket.send(Message::text(frame.to_string())).await {
        return Outcome::Refused(format!(
            "the question could not be sent: {error}; ask again"
        ));
    }
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return reply(&text),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => return Outcome::Refused(NOT_A_GATEWAY.to_owned()),
            Some(Ok(Message::Close(frame))) => return Outcome::Refused(closed(frame.as_ref())),
            Some(Err(error)) => {
                return Outcome::Refused(format!("the connection was lost: {error}; ask again"));
            }
            None => return Outcome::Refused(closed(None)),
        }
    }
}

const NOT_A_GATEWAY: &str = "what came is no answer of an answer-gateway: check --url";

fn reply(text: &Utf8Bytes) -> Outcome {
    match serde_json::from_str(text) {
        Ok(Reply::Response { data }) => Outcome::Answered(data),
        Ok(Reply::Error { message }) => Outcome::Refused(format!("refused: {message}")),
        Err(_) => Outcome::Refused(NOT_A_GATEWAY.to_owned()),
    }
}

fn closed(frame: Option<&CloseFrame>) -> String {
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

fn gateway_url(text: &str) -> Result<Url, String> {
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

fn session_id(text: &str) -> Result<String, String> {
    let id = types::SessionId::parse(text).map_err(|error| format!("it {error}"))?;
    Ok(id.to_string())
}
