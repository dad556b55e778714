//! One session: asks when it is told to, reads exactly one frame, and judges it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::connect::LoadSocket;
use crate::digest::answer_to;
use crate::pacer::PacedQuestion;
use crate::scores::{LoadResult, ScoreBoard};

/// Settings shared by all sessions.
#[derive(Debug)]
pub(crate) struct SessionRules {
    /// Makes this run's questions differ from any other run's.
    pub(crate) run: uuid::Uuid,
    /// Bytes of an answer's text.
    pub(crate) answer_bytes: usize,
    /// From when an answer is late.
    pub(crate) late_after: Duration,
    /// From when a question is lost.
    pub(crate) lost_after: Duration,
    /// The counts of endings.
    pub(crate) scores: Arc<ScoreBoard>,
}

/// Asks every question of `turns`, then makes sure that nothing comes unasked.
pub(crate) async fn run_session(
    mut socket: LoadSocket,
    mut turns: mpsc::Receiver<PacedQuestion>,
    rules: Arc<SessionRules>,
) {
    let mut open = true;
    while let Some(turn) = turns.recv().await {
        let ending = if open {
            let ended = timeout(rules.lost_after, ask_question(&mut socket, turn, &rules)).await;
            ended.unwrap_or(LoadResult::Lost)
        } else {
            LoadResult::Lost
        };
        rules
            .scores
            .record_ending(turn.phase, ending, turn.due_at.elapsed(), rules.late_after);
        // After a question without its frame nothing this socket says can be attributed any more.
        open = open && ending != LoadResult::Lost;
    }
    if open
        && timeout(PONG_WITHIN, listen_to_the_end(&mut socket, &rules))
            .await
            .is_err()
    {
        rules.scores.record_stray();
    }
}

async fn ask_question(
    socket: &mut LoadSocket,
    turn: PacedQuestion,
    rules: &SessionRules,
) -> LoadResult {
    let question = format!("load {} {}", rules.run, turn.number);
    let frame = AskFrame {
        r#type: "message",
        content: &question,
    };
    let frame = serde_json::to_string(&frame).expect("two strings are always JSON");
    if socket.send(Message::text(frame)).await.is_err() {
        return LoadResult::Lost;
    }
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                return judge_answer(&text, &question, rules.answer_bytes);
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => return LoadResult::Wrong,
            Some(Ok(Message::Close(_)) | Err(_)) | None => return LoadResult::Lost,
        }
    }
}

fn judge_answer(text: &str, question: &str, answer_bytes: usize) -> LoadResult {
    match serde_json::from_str::<ReplyFrame<'_>>(text) {
        Ok(ReplyFrame::Response { data }) if data == answer_to(question, answer_bytes) => {
            LoadResult::Answered
        }
        Ok(ReplyFrame::Error) => LoadResult::Refused,
        Ok(ReplyFrame::Response { .. }) | Err(_) => LoadResult::Wrong,
    }
}

/// Frames come in order: what the gateway sent unasked stands before the pong of a ping sent now.
async fn listen_to_the_end(socket: &mut LoadSocket, rules: &SessionRules) {
    if socket.send(Message::Ping(END_MARK.into())).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(_) | Message::Binary(_) => rules.scores.record_stray(),
            Message::Pong(mark) if mark.as_ref() == END_MARK => return,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) | Message::Close(_) => {}
        }
    }
}

#[derive(Serialize)]
struct AskFrame<'a> {
    r#type: &'static str,
    content: &'a str,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum ReplyFrame<'a> {
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
        let judged = |text: &str| judge_answer(text, "a question", 80);
        assert_eq!(
            judged(&response(&answer_to("a question", 80))),
            LoadResult::Answered
        );
        assert_eq!(
            judged(&response(&answer_to("another", 80))),
            LoadResult::Wrong
        );
        assert_eq!(
            judged(&response(&answer_to("a question", 79))),
            LoadResult::Wrong
        );
        assert_eq!(judged(r#"{"type":"welcome"}"#), LoadResult::Wrong);
        assert_eq!(judged("no JSON"), LoadResult::Wrong);
    }

    #[test]
    fn an_error_frame_is_a_refusal() {
        let told = judge_answer(
            r#"{"type":"error","message":"No response in time"}"#,
            "a question",
            80,
        );
        assert_eq!(told, LoadResult::Refused);
    }
}
