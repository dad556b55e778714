//! Every row of version 1 that leaves the socket open: one frame in, one frame out.

use std::time::Duration;

use tokio_tungstenite::tungstenite::Message;
use types::{
    AnswerBody, AnswerError, AnswerPart, AnswerText, PartOrder, QuestionId, QuestionIdEcho,
    UserName,
};
use types::{Persisted, PublishFailure};
use ws_gateway::SessionSettings;

use crate::support::client::{BUSY, INVALID, NOT_SENT, TIMED_OUT, message, response};
use crate::support::questions::answer_to;
use crate::support::{ANSWER_TIMEOUT, Sessions, core};

#[tokio::test(start_paused = true)]
async fn a_question_is_answered_by_one_frame_and_nothing_is_sent_unasked() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client.assert_nothing_more().await;
    client.ask("onde fica \"isto\"?").await;
    let asked = sessions.questions.next_taken().await;
    assert_eq!(asked.text(), "onde fica \"isto\"?");
    assert_eq!(asked.question.session_id.as_str(), "s-1");
    assert_eq!(asked.question.wire_id.as_str(), "s-1");
    client.assert_nothing_more().await;
    sessions.answer(&asked, "ali\nà direita");
    assert_eq!(client.receive().await, response("ali\nà direita"));
    client.assert_nothing_more().await;
    assert_eq!(sessions.counted("questions_total", "answered"), 1.0);
    sessions
        .wait_counted("deliveries_total", "success", 1.0)
        .await;
}

#[tokio::test]
async fn no_answer_comes_between_the_floor_of_a_question_and_the_question() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client.ask("first").await;
    let first = sessions.questions.next_taken().await;
    let answer = answer_to(&first, AnswerBody::Text(AnswerText::new("its answer")));
    let manager = sessions.manager.clone();
    sessions.questions.while_the_floor_is_read(move || {
        let (delivered, done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            manager.deliver(answer, None);
            delivered.send(()).ok();
        });
        // It would be given at once, if it could be; then the floor would not exclude its copies.
        done.recv_timeout(Duration::from_millis(100)).ok();
    });
    client.ask("second").await;
    assert_eq!(client.receive().await, BUSY);
    assert_eq!(client.receive().await, response("its answer"));
    assert_eq!(sessions.questions.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_users_name_goes_along() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client
        .send(r#"{"type":"message","content":"onde?","user_name":"ana"}"#)
        .await;
    let asked = sessions.questions.next().await;
    assert_eq!(asked.question.user_name, Some(UserName::new("ana")));
}

#[tokio::test(start_paused = true)]
async fn one_question_follows_the_other_and_each_gets_its_own_answer() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    for number in 0..20 {
        let (question, answer) = (format!("q{number}"), format!("a{number}"));
        client.ask(&question).await;
        let asked = sessions.questions.next_taken().await;
        assert_eq!(asked.text(), question);
        sessions.answer(&asked, &answer);
        assert_eq!(client.receive().await, response(&answer));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_before_the_confirmation_is_shown_and_the_confirmation_changes_nothing() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client.ask("onde?").await;
    let mut asked = sessions.questions.next().await;
    sessions.answer(&asked, "ali");
    assert_eq!(client.receive().await, response("ali"));
    asked.report(Ok(()));
    client.assert_nothing_more().await;
    let ledger = sessions.manager.stats().ledger;
    assert_eq!((ledger.accepted, ledger.answered), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_question_while_one_waits_is_refused_and_the_first_goes_on() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client.ask("first").await;
    let asked = sessions.questions.next_taken().await;
    client.ask("second").await;
    assert_eq!(client.receive().await, BUSY);
    sessions.answer(&asked, "to the first");
    assert_eq!(client.receive().await, response("to the first"));
    client.assert_nothing_more().await;
    assert_eq!(
        sessions.questions.waiting(),
        0,
        "a refused question was published"
    );
}

#[tokio::test(start_paused = true)]
async fn text_that_is_no_question_is_refused_and_disturbs_nothing() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client.send("onde?").await;
    assert_eq!(client.receive().await, INVALID);
    client.ask("onde?").await;
    let asked = sessions.questions.next_taken().await;
    client.send(r#"{"type":"ask","content":"onde?"}"#).await;
    assert_eq!(client.receive().await, INVALID);
    sessions.answer(&asked, "ali");
    assert_eq!(client.receive().await, response("ali"));
    assert_eq!(sessions.counted("frames_refused_total", "malformed"), 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_too_long_is_refused_as_busy_while_one_waits_and_else_as_not_sent() {
    let mut sessions = Sessions::with(SessionSettings {
        max_question_bytes: 8,
        ..SessionSettings::default()
    });
    let mut client = sessions.connect("s-1").await;
    client.ask("123456789").await;
    assert_eq!(client.receive().await, NOT_SENT);
    client.ask("12345678").await;
    let asked = sessions.questions.next_taken().await;
    client.ask("123456789").await;
    assert_eq!(client.receive().await, BUSY);
    sessions.answer(&asked, "ali");
    assert_eq!(client.receive().await, response("ali"));
    assert_eq!(sessions.questions.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_refused_ends_no_question() {
    let mut sessions = Sessions::with(SessionSettings {
        max_question_bytes: 8,
        ..SessionSettings::default()
    });
    let mut client = sessions.connect("s-1").await;
    client.ask("onde?").await;
    let asked = sessions.questions.next_taken().await;
    for (frame, refusal) in [
        (message("onde?"), BUSY),
        (message("123456789"), BUSY),
        (message(""), INVALID),
        ("onde?".to_owned(), INVALID),
    ] {
        client.send(frame).await;
        assert_eq!(client.receive().await, refusal);
    }
    assert_eq!(sessions.ended(), 0.0);
    sessions.answer(&asked, "ali");
    assert_eq!(client.receive().await, response("ali"));
    assert_eq!(sessions.ended(), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_question_in_fragments_is_one_question() {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

    let mut sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    let frame = message("onde fica?");
    let (head, tail) = frame.split_at(20);
    let first = Frame::message(head.to_owned(), OpCode::Data(Data::Text), false);
    let last = Frame::message(tail.to_owned(), OpCode::Data(Data::Continue), true);
    client.send_message(Message::Frame(first)).await;
    client.send_message(Message::Frame(last)).await;
    assert_eq!(sessions.questions.next().await.text(), "onde fica?");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_kafka_does_not_take_is_told_and_the_session_is_free() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client.ask("first").await;
    let persisted = Persisted::No;
    let mut asked = sessions.questions.next().await;
    asked.report(Err(PublishFailure { persisted }));
    assert_eq!(client.receive().await, NOT_SENT);

    client.ask("second").await;
    let mut asked = sessions.questions.next().await;
    assert!(
        asked.question.wire_id.is_plain(),
        "the first was never sent"
    );
    asked.lose_report();
    assert_eq!(client.receive().await, NOT_SENT);

    client.ask("third").await;
    let asked = sessions.questions.next_taken().await;
    assert!(
        !asked.question.wire_id.is_plain(),
        "the second may have been sent"
    );
    sessions.answer(&asked, "ali");
    assert_eq!(client.receive().await, response("ali"));
    assert_eq!(sessions.counted("questions_total", "publish_failed"), 2.0);
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_in_time_the_session_is_told_free_and_not_shown_a_late_one() {
    let mut sessions = Sessions::with(SessionSettings {
        ping_interval: 2 * ANSWER_TIMEOUT,
        ..SessionSettings::default()
    });
    let mut client = sessions.connect("s-1").await;
    client.ask("first").await;
    let late = sessions.questions.next_taken().await;
    tokio::time::advance(ANSWER_TIMEOUT).await;
    assert_eq!(client.receive().await, TIMED_OUT);

    client.ask("second").await;
    let asked = sessions.questions.next_taken().await;
    assert!(
        !asked.question.wire_id.is_plain(),
        "an answer is owed still"
    );
    sessions.answer(&late, "late");
    client.assert_nothing_more().await;
    sessions.answer(&asked, "in time");
    assert_eq!(client.receive().await, response("in time"));
    assert_eq!(sessions.counted("answers_total", "late"), 1.0);
    assert_eq!(sessions.counted("questions_total", "expired"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_an_error_or_too_large_ends_its_question() {
    let mut sessions = Sessions::new();
    let longest = "x".repeat(core().max_answer_bytes);
    let mut client = sessions.connect("s-1").await;
    for body in [
        AnswerBody::Failed(Some(AnswerError::new("no idea"))),
        AnswerBody::Failed(None),
        AnswerBody::Text(AnswerText::new(longest.clone() + "x")),
    ] {
        client.ask("onde?").await;
        let asked = sessions.questions.next_taken().await;
        sessions.deliver(answer_to(&asked, body));
        assert_eq!(client.receive().await, TIMED_OUT);
    }
    assert_eq!(sessions.counted("questions_total", "failed"), 3.0);
    assert_eq!(sessions.counted("errors_total", "answer_too_large"), 1.0);

    client.ask("onde?").await;
    let asked = sessions.questions.next_taken().await;
    sessions.answer(&asked, &longest);
    assert_eq!(client.receive().await, response(&longest));
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_parts_comes_joined_in_one_frame() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client.ask("onde?").await;
    let asked = sessions.questions.next_taken().await;
    let piece = |number, text: &str| {
        let body = AnswerBody::Text(AnswerText::new(text));
        types::Answer {
            part: AnswerPart::Piece {
                order: PartOrder::Numbered(number),
                is_final: number == 2,
                attempt: 0,
            },
            ..answer_to(&asked, body)
        }
    };
    for (number, text) in [(1, "li "), (0, "a"), (1, "li ")] {
        sessions.deliver(piece(number, text));
        client.assert_nothing_more().await;
    }
    sessions.deliver(piece(2, "mesmo"));
    assert_eq!(client.receive().await, response("ali mesmo"));
    client.assert_nothing_more().await;
    for (outcome, count) in [("part", 2.0), ("duplicate", 1.0), ("delivered", 1.0)] {
        assert_eq!(
            sessions.counted("answers_total", outcome),
            count,
            "{outcome}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_answers_nothing_is_shown_to_nobody() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    let mut other = sessions.connect("s-2").await;
    client.ask("onde?").await;
    let asked = sessions.questions.next_taken().await;
    let answer = || answer_to(&asked, AnswerBody::Text(AnswerText::new("ali")));

    let mut contradiction = answer();
    contradiction.wire_id = types::WireId::parse("s-2").unwrap();
    sessions.deliver(contradiction);
    let mut foreign = answer();
    foreign.wire_id = types::WireId::parse("s-3").unwrap();
    foreign.question_id = QuestionIdEcho::Echoed(QuestionId::from_bytes([7; 16]));
    sessions.deliver(foreign);
    client.assert_nothing_more().await;
    other.assert_nothing_more().await;

    sessions.deliver(answer());
    sessions.deliver(answer());
    assert_eq!(client.receive().await, response("ali"));
    client.assert_nothing_more().await;
    for outcome in ["invalid", "foreign", "delivered", "duplicate"] {
        assert_eq!(sessions.counted("answers_total", outcome), 1.0, "{outcome}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_sockets_answer_is_not_shown_to_its_successor() {
    let mut sessions = Sessions::new();
    let mut client = sessions.connect("s-1").await;
    client.ask("onde?").await;
    let asked = sessions.questions.next_taken().await;
    drop(client);
    sessions.wait_connected(0).await;
    let mut successor = sessions.connect("s-1").await;
    sessions.wait_connected(1).await;
    sessions.answer(&asked, "ali");
    successor.assert_nothing_more().await;
    assert_eq!(sessions.counted("questions_total", "undeliverable"), 1.0);
    assert_eq!(sessions.counted("answers_total", "undeliverable"), 1.0);
    assert_eq!(sessions.manager.stats().ledger.answered, 0);
}
