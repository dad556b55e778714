//! Version 2, one session on one socket: start, ask, parts, errors, heartbeats, closing.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use types::{AnswerBody, AnswerText};
use types::{Persisted, PublishFailure};
use ws_gateway::SessionSettings;

use crate::support::questions::answer_to;
use crate::support::{ANSWER_TIMEOUT, Sessions, limit};

#[tokio::test(start_paused = true)]
async fn a_session_starts_with_hello_and_its_limits() {
    let sessions = Sessions::new();
    let mut client = sessions.connect_v2("s-1").await;
    client.send(json!({"type": "start", "unknown": 7})).await;
    let (hello, _) = client.receive_with_token().await;
    let expected = json!({
        "type": "hello",
        "session_id": "s-1",
        "resumed": false,
        "pending": null,
        "limits": {
            "max_message_bytes": 65_536,
            "max_question_bytes": 32_768,
            "answer_timeout_ms": 120_000,
            "resume_window_ms": 600_000,
            "heartbeat_ms": 25_000,
        },
    });
    assert_eq!(hello, expected);
    assert_eq!(sessions.counted("sockets_opened_total", "2"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_question_is_accepted_and_its_answer_comes_in_parts() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect_v2("s-1").await;
    client.start().await;
    client.ask("q-1", "onde?").await;
    let mut asked = sessions.questions.next().await;
    assert_eq!(asked.text(), "onde?");
    assert!(!asked.question.wire_id.is_plain(), "always with a suffix");
    client.0.assert_nothing_more().await;
    asked.report(Ok(()));
    let (accepted, _) = client.receive_with_token().await;
    assert_eq!(accepted, json!({"type": "accepted", "id": "q-1"}));

    let long = "ç".repeat(40_000);
    sessions.answer(&asked, &long);
    let first = client.receive().await;
    let (last, _) = client.receive_with_token().await;
    for (frame, seq, part, is_final) in [(&first, 1, 0, false), (&last, 2, 1, true)] {
        assert_eq!(frame["type"], "answer");
        assert_eq!(frame["id"], "q-1");
        assert_eq!(
            (frame["seq"].clone(), frame["part"].clone()),
            (json!(seq), json!(part))
        );
        assert_eq!(frame["final"], is_final);
    }
    assert_eq!(first.get("resume_token"), None, "with the last part only");
    let data = |frame: &serde_json::Value| frame["data"].as_str().unwrap().to_owned();
    assert_eq!(data(&first) + &data(&last), long);
    client.send(json!({"type": "ack", "seq": 2})).await;
    client.0.assert_nothing_more().await;
    assert_eq!(sessions.counted("acknowledgements_total", "2"), 1.0);
    assert_eq!(sessions.counted("questions_accepted_total", "2"), 1.0);
    assert_eq!(sessions.counted("questions_total", "answered"), 1.0);
    sessions
        .wait_counted("deliveries_total", "success", 1.0)
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_same_question_has_the_same_name_in_kafka_and_is_published_once() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect_v2("s-1").await;
    client.start().await;
    client.ask("q-1", "onde?").await;
    let mut asked = sessions.questions.next().await;
    client.ask("q-1", "onde?").await;
    client.ask("q-2", "como?").await;
    let busy = client.receive().await;
    assert_eq!(
        (busy["code"].clone(), busy["id"].clone()),
        (json!("busy"), json!("q-1"))
    );
    asked.report(Err(PublishFailure {
        persisted: Persisted::Maybe,
    }));
    let (failed, _) = client.receive_with_token().await;
    assert_eq!(failed["code"], "publish_failed");
    assert_eq!(failed["retryable"], true);
    client.ask("q-1", "onde?").await;
    let again = sessions.questions.next_taken().await;
    assert_eq!(again.question.question_id, asked.question.question_id);
    assert_ne!(again.question.wire_id, asked.question.wire_id);
    assert_eq!(client.receive().await["type"], "accepted");
    sessions.answer(&again, "ali");
    assert_eq!(client.receive().await["data"], "ali");
    client.send(json!({"type": "ack", "seq": 1})).await;
    client.ask("q-1", "onde?").await;
    let refused = client.receive().await;
    assert_eq!(refused["code"], "already_answered");
    assert_eq!(refused["retryable"], false);
    assert_eq!(sessions.questions.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_parts_that_were_not_received_are_looked_up_and_sent_again() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect_v2("s-1").await;
    client.start().await;
    client.ask("q-1", "onde?").await;
    let asked = sessions.questions.next_taken().await;
    client.receive().await;
    sessions.answer(&asked, "ali");
    let (first, _) = client.receive_with_token().await;
    client.ask("q-1", "onde?").await;
    let wanted = sessions.history.next().await;
    assert_eq!(wanted.wire_id, asked.question.wire_id);
    wanted.found(vec![answer_to(
        &asked,
        AnswerBody::Text(AnswerText::new("ali")),
    )]);
    assert_eq!(client.receive().await["type"], "accepted");
    let (second, _) = client.receive_with_token().await;
    assert_eq!(second, first);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_cancelled_or_expires_ends_with_an_error() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect_v2("s-1").await;
    client.start().await;
    client.ask("q-1", "onde?").await;
    sessions.questions.next_taken().await;
    client.receive().await;
    client.send(json!({"type": "cancel", "id": "q-9"})).await;
    client.0.assert_nothing_more().await;
    client.send(json!({"type": "cancel", "id": "q-1"})).await;
    let (cancelled, _) = client.receive_with_token().await;
    assert_eq!(cancelled["code"], "cancelled");
    assert_eq!(sessions.counted("questions_total", "cancelled"), 1.0);

    let short = json!({"type": "ask", "id": "q-2", "content": "como?", "timeout_ms": 5_000});
    client.send(short).await;
    sessions.questions.next_taken().await;
    client.receive().await;
    let asked_at = Instant::now();
    let (expired, _) = client.receive_with_token().await;
    assert_eq!(
        (expired["code"].clone(), expired["id"].clone()),
        (json!("timeout"), json!("q-2"))
    );
    assert_eq!(asked_at.elapsed().as_secs(), 5);
    assert!(ANSWER_TIMEOUT > Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_frame_is_refused_and_the_connection_stays() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect_v2("s-1").await;
    client.start().await;
    for (frame, code, id) in [
        (
            json!({"type": "message", "content": "version 1"}),
            "invalid_frame",
            None,
        ),
        (json!({"type": "start"}), "invalid_frame", None),
        (
            json!({"type": "ask", "id": "q-1"}),
            "invalid_frame",
            Some("q-1"),
        ),
        (
            json!({"type": "ask", "id": "q-1", "content": "x".repeat(32_769)}),
            "too_large",
            Some("q-1"),
        ),
    ] {
        client.send(frame).await;
        let refused = client.receive().await;
        assert_eq!(
            (&refused["type"], &refused["code"]),
            (&json!("error"), &json!(code))
        );
        assert_eq!(refused.get("id"), id.map(|id| json!(id)).as_ref());
        assert_eq!(refused.get("resume_token"), None);
    }
    client.send(json!({"type": "renew", "token": "x"})).await;
    client.ask("q-2", "onde?").await;
    sessions.questions.next_taken().await;
    assert_eq!(client.receive().await["type"], "accepted");
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_breaks_the_silence_and_brings_a_token_when_half_the_time_is_spent() {
    let settings = SessionSettings {
        heartbeat_interval: Duration::from_secs(20),
        resume_window: Duration::from_secs(80),
        ..SessionSettings::default()
    };
    let sessions = Sessions::with(settings);
    let mut client = sessions.connect_v2("s-1").await;
    client.start().await;
    let begun = Instant::now();
    let mut with_token = Vec::new();
    for count in 1..=10 {
        let heartbeat = client.receive().await;
        assert_eq!(heartbeat["type"], "heartbeat");
        assert_eq!(begun.elapsed().as_secs(), count * 20);
        if heartbeat.get("resume_token").is_some() {
            with_token.push(count);
        }
    }
    // Half of answer timeout and window is 100 s.
    assert_eq!(with_token, [5, 10]);
}

#[tokio::test(start_paused = true)]
async fn too_many_frames_are_refused_and_far_too_many_close() {
    let settings = SessionSettings {
        frames_per_second: limit(5),
        ..SessionSettings::default()
    };
    let sessions = Sessions::with(settings);
    let mut client = sessions.connect_v2("s-1").await;
    client.start().await;
    for _ in 0..11 {
        client.send(json!({"type": "ack", "seq": 0})).await;
    }
    for _ in 0..5 {
        let refused = client.receive().await;
        assert_eq!(refused["code"], "rate_limited");
        assert!(refused["retry_after_ms"].as_u64().unwrap() > 0);
    }
    assert_eq!(client.0.close_code().await, 4013);
}
