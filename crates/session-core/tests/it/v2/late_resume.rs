//! A session is resumed after its deadline, twice, or from an old token.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_deadline_that_passed_meanwhile_is_told_after_the_past_is_known() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        disconnect a1
        wait 130s
        start a2 t2 last=0
        recovered a2 q1
        wait 0s
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > disconnect a1
              a1 ended: handed_off 0ns
            > wait 130s
            > start a2 t2 last=0
              recover a2 q1 as a~q1
            > recovered a2 q1
              a2 adopted
              tell a2 hello resumed, q1 pending [t3: seq 0 waits q1 until 130s]
            > wait 0s
              (AnswerDeadline after 0ns)
              tell a2 error q1 Timeout [t4: seq 0]
              a2 ended: expired 0ns
        "#]],
    );
}

#[test]
fn an_answer_in_time_is_shown_though_its_client_comes_late() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        disconnect a1
        answer a~q1
        wait 130s
        start a2 t2 last=0
        recovered a2 q1 r1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > disconnect a1
              a1 ended: handed_off 0ns
            > answer a~q1
              record: handed_off
            > wait 130s
            > start a2 t2 last=0
              recover a2 q1 as a~q1
            > recovered a2 q1 r1
              a2 adopted
              tell a2 hello resumed, q1 pending [t3: seq 0 waits q1 until 130s]
              tell a2 answer q1: 1/0 r1. [t4: seq 1 answered q1]
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_newer_socket_with_the_token_takes_the_question_along() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        start a2 t2 last=0
        recovered a2 q1
        answer a~q1
        disconnect a1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > start a2 t2 last=0
              a1 ended: handed_off 0ns
              close a1 superseded
              recover a2 q1 as a~q1
            > recovered a2 q1
              a2 adopted
              tell a2 hello resumed, q1 pending [t3: seq 0 waits q1 until 120s]
            > answer a~q1
              tell a2 answer q1: 1/0 r1. [t4: seq 1 answered q1]
              a2 ended: answered 0ns
              record: delivered
            > disconnect a1
        "#]],
    );
}

#[test]
fn a_newer_socket_without_a_token_leaves_a_live_session_alone() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        start a2
        answer a~q1
        ask a2 q2 named
        published q2
        answer a~q2
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > start a2
              a2 session id in use
              tell a2 session id in use
            > answer a~q1
              tell a1 answer q1: 1/0 r1. [t3: seq 1 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > ask a2 q2 named
            > published q2
            > answer a~q2
              record: late
        "#]],
    );
}

#[test]
fn a_token_from_a_hello_of_a_resumed_session_resumes_again() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        replica 2
        start a2 t2 last=0
        recovered a2 q1
        replica 3
        start a3 t3 last=0
        recovered a3 q1
        answer a~q1 text=abcdef
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > replica 2
            > start a2 t2 last=0
              recover a2 q1 as a~q1
            > recovered a2 q1
              a2 adopted
              tell a2 hello resumed, q1 pending [t3: seq 0 waits q1 until 120s]
            > replica 3
            > start a3 t3 last=0
              recover a3 q1 as a~q1
            > recovered a3 q1
              a3 adopted
              tell a3 hello resumed, q1 pending [t4: seq 0 waits q1 until 120s]
            > answer a~q1 text=abcdef
              tell a3 answer q1: 1/0 abcd, 2/1 ef. [t5: seq 2 answered q1]
              a3 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_replay_of_a_spent_token_shows_the_answer_once_more_and_no_other() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 text=abcdef
        ask a1 q2 named
        published q2
        start a2 t2 last=0
        recovered a2 q1 r1
        answer a~q2
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 text=abcdef
              tell a1 answer q1: 1/0 abcd, 2/1 ef. [t3: seq 2 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q2 named
              publish q2 as a~q2
            > published q2
              a1 accepted 0ns
              tell a1 accepted q2 [t4: seq 2 waits q2 until 120s answered q1]
            > start a2 t2 last=0
              a1 ended: handed_off 0ns
              close a1 superseded
              recover a2 q1 as a~q1
            > recovered a2 q1 r1
              a2 adopted
              tell a2 hello resumed, q1 pending [t5: seq 0 waits q1 until 120s]
              tell a2 answer q1: 1/0 abcd, 2/1 ef. [t6: seq 2 answered q1]
              a2 ended: answered 0ns
              record: delivered
            > answer a~q2
              record: late
        "#]],
    );
}

#[test]
fn a_resume_at_the_end_of_a_drain_is_closed_with_a_token() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        record a~q1
        replica 2
        start a2 t2 last=0
        drain_expired
        recovered a2 q1 r1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > record a~q1
            > replica 2
            > start a2 t2 last=0
              recover a2 q1 as a~q1
            > drain_expired
              close a2 draining [t3: seq 0 waits q1 until 120s]
            > recovered a2 q1 r1
        "#]],
    );
}
