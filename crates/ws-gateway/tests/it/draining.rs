//! Tests the frames and closes that a client sees when its process ends.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::task::JoinHandle;
use ws_gateway::{DrainPlan, DrainSummary};

use crate::support::Sessions;
use crate::support::client::{BUSY, NOT_SENT, TIMED_OUT, response};

/// Shorter than any other deadline.
const BUDGET: Duration = Duration::from_secs(20);

fn drain(sessions: &Sessions, close_rate: u32) -> JoinHandle<DrainSummary> {
    let plan = DrainPlan {
        close_rate: NonZeroU32::new(close_rate).unwrap(),
        budget: BUDGET,
    };
    let manager = sessions.manager.clone();
    tokio::spawn(async move { manager.drain(plan).await })
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_is_closed_4001_and_counts_nowhere() {
    let sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client.assert_nothing_more().await;
    let drained = drain(&sessions, 1_000);
    assert_eq!(client.close_code().await, 4001);
    let expected = DrainSummary {
        sessions: 1,
        unanswered: 0,
    };
    assert_eq!(drained.await.unwrap(), expected);
    assert_eq!(sessions.ended(), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_session_gets_its_answer_and_then_4001() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client.ask("onde?").await;
    let asked = sessions.questions.next_taken().await;
    let drained = drain(&sessions, 1_000);
    client.ask("quando?").await;
    assert_eq!(client.receive().await, BUSY);
    sessions.answer(&asked, "ali");
    assert_eq!(client.receive().await, response("ali"));
    assert_eq!(client.close_code().await, 4001);
    assert_eq!(drained.await.unwrap().unanswered, 0);
    assert_eq!(sessions.counted("questions_total", "answered"), 1.0);
    assert_eq!(sessions.ended(), 1.0);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_the_budget_a_waiting_session_is_told_and_then_closed_4001() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client.ask("onde?").await;
    let asked = sessions.questions.next_taken().await;
    let begun = tokio::time::Instant::now();
    let drained = drain(&sessions, 1_000);
    assert_eq!(client.receive().await, TIMED_OUT);
    assert!(begun.elapsed() >= BUDGET);
    assert_eq!(client.close_code().await, 4001);
    assert_eq!(drained.await.unwrap().unanswered, 1);
    assert_eq!(sessions.counted("questions_total", "expired"), 1.0);
    sessions.answer(&asked, "ali");
    assert_eq!(sessions.ended(), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_question_while_the_process_drains_is_refused_and_counts_nowhere() {
    let sessions = Sessions::new();
    let mut closed_first = sessions.connect("s-1").await;
    let mut closed_last = sessions.connect("s-2").await;
    sessions.wait_connected(2).await;
    let drained = drain(&sessions, 1);
    assert_eq!(closed_first.close_code().await, 4001);
    closed_last.ask("onde?").await;
    assert_eq!(closed_last.receive().await, NOT_SENT);
    assert_eq!(closed_last.close_code().await, 4001);
    assert_eq!(drained.await.unwrap().unanswered, 0);
    assert_eq!(sessions.questions.waiting(), 0);
    assert_eq!(sessions.ended(), 0.0);
}
