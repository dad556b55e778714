//! One session: asks when it is told to, reads exactly one frame, and judges it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::connect::Socket;
use crate::digest::answer_to;
use crate::pacer::Turn;
use crate::scores::{Ending, Scores};

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Makes this run's questions differ from any other run's.
    pub(crate) run: uuid::Uuid,
    /// Bytes of an answer's text.
    pub(crate) answer_bytes: usize,
    /// From when an answer is late.
    pub(crate) late_after: Duration,
    /// From when a question is lost.
    pub(crate) lost_after: Duration,
    /// Where endings are counted.
    pub(crate) scores: Arc<Scores>,
}

/// Asks every question of `turns`, then makes sure that nothing comes unasked.
pub(crate) async fn run(mut socket: Socket, mut turns: mpsc::Receiver<Turn>, rules: Arc<Rules>) {
    let mut open = true;
    while let Some(turn) = turns.recv().await {
        let ending = if open {
            let ended = timeout(rules.lost_after, ask(&mut socket, turn, &rules)).await;
            ended.unwrap_or(Ending::Lost)
        } else {
            Ending::Lost
        };
        rules
            .scores
            .ended(turn.phase, ending, turn.due.elapsed(), rules.late_after);
        // After a question without its frame nothing this socket says can be attributed any more.
        open = open && ending != Ending::Lost;
    }
    if open
        && timeout(PONG_WITHIN, listen_to_the_end(&mut socket, &rules))
            .await
            .is_err()
    {
        rules.scores.stray();
    }
}

async fn ask(socket: &mut Socket, turn: Turn, rules: &Rules) -> Ending {
    let question = format!("load {} {}", rules.run, turn.number);
    let frame = Ask {
        r#type: "message",
        content: &question,
    };
    let frame = serde_json::to_string(&frame).expect("two strings are always JSON");
    if socket.send(Message::text(frame)).await.is_err() {
        return Ending::Lost;
    }
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return judge(&text, &question, rules.answer_bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => return Ending::Wrong,
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Ending::Lost,
        }
    }
}

fn judge(text: &str, question: &str, answer_bytes: usize) -> Ending {
    match serde_json::from_str::<Told<'_>>(text) {
        Ok(Told::Response { data }) if data == answer_to(question, answer_bytes) => {
            Ending::Answered
        }
        Ok(Told::Error) => Ending::Refused,
        Ok(Told::Response { .. }) | Err(_) => Ending::Wrong,
    }
}

/// Frames come in order: what the gateway sent unasked stands before the pong of a ping sent now.
async fn listen_to_the_end(socket: &mut Socket, rules: &Rules) {
    if socket.send(Message::Ping(END_MARK.into())).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(_) | Message::Binary(_) => rules.scores.stray(),
            Message::Pong(mark) if mark.as_ref() == END_MARK => return,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) | Message::Close(_) => {}
        }
    }
}

#[derive(Serialize)]
struct Ask<'a> {
    r#type: &'static str,
    content: &'a str,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Told<'a> {
    Response {
        #[serde(borrow)]
        data: Cow<'a, str>,
    },
    Error,
}

const END_MARK: &[u8] = b"end";
const PONG_WITHIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn response(data: &str) -> String {
        serde_json::json!({"type": "response", "data": data}).to_string()
    }

    #[test]
    fn only_the_questions_own_answer_is_right() {
        let judged = |text: &str| judge(text, "a question", 80);
        assert_eq!(
            judged(&response(&answer_to("a question", 80))),
            Ending::Answered
        );
        assert_eq!(judged(&response(&answer_to("another", 80))), Ending::Wrong);
        assert_eq!(
            judged(&response(&answer_to("a question", 79))),
            Ending::Wrong
        );
        assert_eq!(judged(r#"{"type":"welcome"}"#), Ending::Wrong);
        assert_eq!(judged("no JSON"), Ending::Wrong);
    }

    #[test]
    fn an_error_frame_is_a_refusal() {
        let told = judge(
            r#"{"type":"error","message":"No response in time"}"#,
            "a question",
            80,
        );
        assert_eq!(told, Ending::Refused);
    }
}
