//! Questions of version 2 that end without an answer: timeout, failure, cancel.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_question_times_out_after_what_its_client_wanted_at_most() {
    check(
        "
        start a1
        ask a1 q1 named timeout=5s
        published q1
        wait 5s
        answer a~q1
        ask a1 q2 named timeout=500s
        published q2
        wait 120s
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named timeout=5s
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 5s]
            > wait 5s
              (AnswerDeadline after 5s)
              tell a1 error q1 Timeout [t3: seq 0]
              a1 ended: expired 5s
            > answer a~q1
              record: late
            > ask a1 q2 named timeout=500s
              publish q2 as a~q2
            > published q2
              a1 accepted 0ns
              tell a1 accepted q2 [t4: seq 0 waits q2 until 125s]
            > wait 120s
              (AnswerDeadline after 120s)
              tell a1 error q2 Timeout [t5: seq 0]
              a1 ended: expired 120s
        "#]],
    );
}

#[test]
fn a_failed_answer_is_told() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 failed
        ask a1 q1 named suffix=second
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 failed
              tell a1 error q1 AnswerFailed [t3: seq 0]
              a1 ended: failed 0ns
              record: delivered
            > ask a1 q1 named suffix=second
              publish q1 as a~second
        "#]],
    );
}

#[test]
fn a_failure_after_some_parts_is_told() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 part=0 text=abcdef
        answer a~q1 failed
        ask a1 q2 named
        published q2
        answer a~q2 text=xyz
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 part=0 text=abcdef
              tell a1 answer q1: 1/0 abcd, 2/1 ef
              record: part
            > answer a~q1 failed
              tell a1 error q1 AnswerFailed [t3: seq 2]
              a1 ended: failed 0ns
              record: delivered
            > ask a1 q2 named
              publish q2 as a~q2
            > published q2
              a1 accepted 0ns
              tell a1 accepted q2 [t4: seq 2 waits q2 until 120s]
            > answer a~q2 text=xyz
              tell a1 answer q2: 3/0 xyz. [t5: seq 3 answered q2]
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_cancelled_question_frees_the_session_at_once() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        cancel a1 q1
        answer a~q1
        ask a1 q2 named
        cancel a1 q1
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
            > cancel a1 q1
              tell a1 error q1 Cancelled [t3: seq 0]
              a1 ended: cancelled 0ns
            > answer a~q1
              record: late
            > ask a1 q2 named
              publish q2 as a~q2
            > cancel a1 q1
            > published q2
              a1 accepted 0ns
              tell a1 accepted q2 [t4: seq 0 waits q2 until 120s]
            > answer a~q2
              tell a1 answer q2: 1/0 r2. [t5: seq 1 answered q2]
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_question_cancelled_before_its_report_is_counted_when_the_report_comes() {
    check(
        "
        start a1
        ask a1 q1 named
        cancel a1 q1
        published q1
        ask a1 q2 named
        cancel a1 q2
        publish_failed q2 no
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > cancel a1 q1
              tell a1 error q1 Cancelled [t2: seq 0]
            > published q1
              a1 accepted 0ns
              a1 ended: cancelled 0ns
            > ask a1 q2 named
              publish q2 as a~q2
            > cancel a1 q2
              tell a1 error q2 Cancelled [t3: seq 0]
            > publish_failed q2 no
              a1 ended: publish_failed 0ns
        "#]],
    );
}

#[test]
fn to_cancel_an_unknown_or_a_finished_question_changes_nothing() {
    check(
        "
        start a1
        cancel a1 q1
        ask a1 q1 named
        published q1
        answer a~q1
        cancel a1 q1
        cancel b1 q1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > cancel a1 q1
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1
              tell a1 answer q1: 1/0 r1. [t3: seq 1 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > cancel a1 q1
            > cancel b1 q1
        "#]],
    );
}

#[test]
fn an_ack_of_more_than_was_sent_counts_as_all_that_was() {
    check(
        "
        start a1
        ack a1 9
        ask a1 q1 named
        published q1
        answer a~q1 text=abcdef
        ask a1 q1 named
        recovered a1 q1 r1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ack a1 9
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 text=abcdef
              tell a1 answer q1: 1/0 abcd, 2/1 ef. [t3: seq 2 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q1 named
              recover a1 q1 as a~q1
            > recovered a1 q1 r1
              a1 adopted
              tell a1 accepted q1 [t4: seq 0 waits q1 until 120s answered q1]
              tell a1 answer q1: 1/0 abcd, 2/1 ef. [t5: seq 2 answered q1]
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

/// A caller's mistake, not a client's: the edge knows which version it speaks.
#[test]
fn a_session_of_one_version_is_not_asked_in_the_other() {
    check(
        "
        start a1
        ask a1 q1
        connect b1
        ask b1 q1 named
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1
            > connect b1
            > ask b1 q1 named
        "#]],
    );
}
