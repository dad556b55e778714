//! Version 2, one session on several sockets, here and at another replica.

use serde_json::json;
use tokio_util::sync::CancellationToken;
use types::{AnswerBody, AnswerText};
use ws_gateway::{DrainPlan, ResumeTokenKeys, SessionSettings};

use crate::support::questions::{Asked, answer_to};
use crate::support::{Sessions, eventually, limit, replica};

fn text(asked: &Asked, text: &str) -> types::Answer {
    answer_to(asked, AnswerBody::Text(AnswerText::new(text)))
}

/// A session whose question is in Kafka and whose socket is gone: its token, and the question.
async fn left(sessions: &mut Sessions) -> (String, Asked) {
    let mut client = sessions.connect_v2("s-1").await;
    client.start().await;
    client.ask("q-1", "onde?").await;
    let asked = sessions.questions.next_taken().await;
    let (_, token) = client.receive_with_token().await;
    drop(client);
    sessions.wait_connected(0).await;
    (token, asked)
}

#[tokio::test(start_paused = true)]
async fn at_another_replica_the_answer_that_was_written_meanwhile_is_shown() {
    let (mut here, mut there) = (Sessions::with(replica()), Sessions::with(replica()));
    let (token, asked) = left(&mut here).await;
    assert_eq!(here.counted("questions_total", "handed_off"), 1.0);

    let mut client = there.connect_v2("another-path").await;
    client.resume(&token, 0).await;
    there.history.next().await.found(vec![text(&asked, "ali")]);
    let (hello, _) = client.receive_with_token().await;
    assert_eq!(
        hello["session_id"], "s-1",
        "the token's, whatever the path says"
    );
    assert_eq!(
        (&hello["resumed"], &hello["pending"]),
        (&json!(true), &json!("q-1"))
    );
    let (answer, newer) = client.receive_with_token().await;
    let expected =
        json!({"type": "answer", "id": "q-1", "seq": 1, "part": 0, "final": true, "data": "ali"});
    assert_eq!(answer, expected);
    assert_eq!(there.counted("questions_adopted_total", "2"), 1.0);
    assert_eq!(there.counted("resumptions_total", "resumed"), 1.0);

    let mut again = here.connect_v2("s-1").await;
    again.resume(&newer, 1).await;
    let (hello, _) = again.receive_with_token().await;
    assert_eq!(
        (&hello["resumed"], &hello["pending"]),
        (&json!(true), &json!(null))
    );
    again.ask("q-1", "onde?").await;
    assert_eq!(again.receive().await["code"], "already_answered");
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_the_resumption_is_shown_too_and_frames_before_hello_are_refused() {
    let (mut here, mut there) = (Sessions::with(replica()), Sessions::with(replica()));
    let (token, asked) = left(&mut here).await;
    let mut client = there.connect_v2("s-1").await;
    client.resume(&token, 0).await;
    let wanted = there.history.next().await;
    client.ask("q-2", "como?").await;
    assert_eq!(client.receive().await["code"], "invalid_frame");
    wanted.found(Vec::new());
    assert_eq!(client.receive().await["pending"], "q-1");
    there.answer(&asked, "ali");
    assert_eq!(client.receive().await["data"], "ali");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_resumed_begins_anew_under_a_new_id() {
    let (mut here, mut there) = (Sessions::with(replica()), Sessions::with(replica()));
    let (token, asked) = left(&mut here).await;
    let mut client = there.connect_v2("s-1").await;
    client.resume(&token, 0).await;
    there.history.next().await.lost();
    let (hello, _) = client.receive_with_token().await;
    assert_eq!(hello["resumed"], false);
    assert_ne!(hello["session_id"], "s-1");
    assert_eq!(there.counted("resumptions_total", "not_resumed"), 1.0);
    there.answer(&asked, "ali");
    client.ask("q-1", "onde?").await;
    let again = there.questions.next_taken().await;
    assert_eq!(client.receive().await["type"], "accepted");
    there.answer(&again, "ali");
    assert_eq!(client.receive().await["seq"], 1);
    assert_eq!(there.manager.stats().connected_count, 1);
    drop(client);
    there.wait_connected(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_key_that_nobody_has_any_more_begins_anew() {
    let with = |current: &[u8], previous: Option<&[u8]>| {
        Sessions::with(SessionSettings {
            token_keys: ResumeTokenKeys::new(current, previous),
            ..SessionSettings::default()
        })
    };
    let mut here = with(b"old", None);
    let (token, _) = left(&mut here).await;
    let stranger = with(b"new", None);
    let mut client = stranger.connect_v2("s-1").await;
    client.resume(&token, 0).await;
    let (hello, _) = client.receive_with_token().await;
    assert_eq!(hello["resumed"], false);
    assert_ne!(hello["session_id"], "s-1");
    assert_eq!(stranger.counted("resumptions_total", "stale_token"), 1.0);

    let mut changing = with(b"new", Some(b"old"));
    let mut client = changing.connect_v2("s-1").await;
    client.resume(&token, 0).await;
    changing.history.next().await.found(Vec::new());
    assert_eq!(client.receive().await["resumed"], true);
}

#[tokio::test(start_paused = true)]
async fn a_forged_token_closes() {
    let mut sessions = Sessions::with(replica());
    let (token, _) = left(&mut sessions).await;
    let mut client = sessions.connect_v2("s-1").await;
    let forged = format!("{}AAAA", token.strip_suffix(|_: char| true).unwrap());
    client.resume(&forged, 0).await;
    assert_eq!(client.0.close_code().await, 4500);
    assert_eq!(sessions.counted("resumptions_total", "invalid_token"), 1.0);
    assert_eq!(sessions.counted("sockets_closed_total", "4500"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_newer_socket_takes_the_question_along_only_with_the_token() {
    let mut sessions = Sessions::with(replica());
    let mut first = sessions.connect_v2("s-1").await;
    first.start().await;
    first.ask("q-1", "onde?").await;
    let asked = sessions.questions.next_taken().await;
    let (_, token) = first.receive_with_token().await;

    let mut second = sessions.connect_v2("s-1").await;
    second.resume(&token, 0).await;
    assert_eq!(first.0.close_code().await, 4509);
    sessions.history.next().await.found(Vec::new());
    assert_eq!(second.receive().await["pending"], "q-1");

    let mut third = sessions.connect_v2("s-1").await;
    assert_ne!(third.start_anew().await, "s-1", "it is in use");
    assert_eq!(sessions.counted("sessions_id_conflicts_total", "2"), 1.0);
    sessions.answer(&asked, "ali");
    assert_eq!(second.receive().await["data"], "ali");
    third.0.assert_nothing_more().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_token_is_not_shown_the_answer_to_an_older_question_of_its_session_and_ask_id()
 {
    let mut sessions = Sessions::with(replica());
    let mut before = sessions.connect_v2("s-1").await;
    before.start().await;
    before.ask("q-1", "onde?").await;
    let first = sessions.questions.next_taken().await;
    before.receive().await;
    drop(before);
    sessions.wait_connected(0).await;

    let mut after = sessions.connect_v2("s-1").await;
    assert_eq!(after.start_anew().await, "s-1");
    after.ask("q-1", "quando?").await;
    let second = sessions.questions.next_taken().await;
    assert_ne!(first.question.question_id, second.question.question_id);
    after.receive().await;
    sessions.answer(&first, "ali");
    sessions.answer(&second, "hoje");
    assert_eq!(after.receive().await["data"], "hoje");
}

#[tokio::test(start_paused = true)]
async fn version_1_does_not_replace_a_live_session_of_version_2() {
    let mut sessions = Sessions::with(replica());
    let mut owner = sessions.connect_v2("s-1").await;
    owner.start().await;
    let mut newcomer = sessions.connect("s-1").await;
    assert_eq!(newcomer.close_code().await, 4509);
    assert_eq!(sessions.counted("sessions_id_conflicts_total", "1"), 1.0);
    owner.ask("q-1", "onde?").await;
    sessions.questions.next_taken().await;
    assert_eq!(owner.receive().await["type"], "accepted");
}

#[tokio::test(start_paused = true)]
async fn a_drain_hands_every_session_a_token_to_go_on_with() {
    let (mut here, mut there) = (Sessions::with(replica()), Sessions::with(replica()));
    let mut waiting = here.connect_v2("s-1").await;
    waiting.start().await;
    waiting.ask("q-1", "onde?").await;
    let asked = here.questions.next_taken().await;
    waiting.receive().await;
    let mut idle = here.connect_v2("s-2").await;
    idle.start().await;
    let plan = DrainPlan {
        close_rate: limit(1_000).unwrap(),
        budget: std::time::Duration::from_secs(1),
    };
    let manager = here.manager.clone();
    let drain = tokio::spawn(async move { manager.drain(plan).await });
    let (closing, _) = idle.receive_with_token().await;
    assert_eq!(closing["type"], "closing");
    assert!(closing["retry_after_ms"].as_u64().unwrap() < 1_000);
    assert_eq!(idle.0.close_code().await, 4001);
    let (closing, token) = waiting.receive_with_token().await;
    assert_eq!(closing["type"], "closing");
    assert_eq!(waiting.0.close_code().await, 4001);
    drain.await.unwrap();
    assert_eq!(here.counted("questions_total", "handed_off"), 1.0);

    let mut client = there.connect_v2("s-1").await;
    client.resume(&token, 0).await;
    there.history.next().await.found(vec![text(&asked, "ali")]);
    assert_eq!(client.receive().await["resumed"], true);
    assert_eq!(client.receive().await["data"], "ali");
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_is_dropped_counts_as_lost() {
    let (mut here, mut there) = (Sessions::with(replica()), Sessions::with(replica()));
    let (token, _) = left(&mut here).await;
    let mut client = there.connect_v2("s-1").await;
    client.resume(&token, 0).await;
    drop(there.history.next().await);
    assert_eq!(client.receive().await["resumed"], false);
    let stop: &CancellationToken = &there.stop;
    stop.cancel();
    eventually("it is gone", || there.manager.stats().connected_count == 0).await;
}
