//! Version 1 as its clients see it: one frame a question, and nothing else.

use expect_test::expect;

use crate::script::check;

#[test]
fn an_answer_reaches_the_session_that_asked() {
    check(
        "
            connect a1
            connect b2
            ask a1 qa
            skip 1s
            published qa
            ask b2 qb
            skip 2s
            answer b
            answer a
            published qb
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask a1 qa
              publish qa as a
            > skip 1s
            > published qa
              a1 accepted 1s
            > ask b2 qb
              publish qb as b
            > skip 2s
            > answer b
              b2 accepted 2s
              send b2 r1 (None of 2s)
              b2 ended: answered 2s
              record: delivered
            > answer a
              send a1 r2 (Some(1s) of 3s)
              a1 ended: answered 3s
              record: delivered
            > published qb
        "#]],
    );
}

#[test]
fn a_question_while_one_is_outstanding_is_refused_and_the_outstanding_one_goes_on() {
    check(
        "
            connect a1
            ask a1 q1
            ask a1 q2
            published q1
            ask a1 q3
            answer a
            ask a1 q4
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > ask a1 q2
              send a1 busy
            > published q1
              a1 accepted 0ns
            > ask a1 q3
              send a1 busy
            > answer a
              send a1 r1 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q4
              publish q4 as a
        "#]],
    );
}

#[test]
fn a_question_that_kafka_did_not_take_frees_the_session() {
    check(
        "
            connect a1
            ask a1 q1
            skip 5s
            publish_failed q1 no
            ask a1 q2
            published q2
            answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > skip 5s
            > publish_failed q1 no
              send a1 publish failed
              a1 ended: publish_failed 5s
            > ask a1 q2
              publish q2 as a
            > published q2
              a1 accepted 0ns
            > answer a
              send a1 r1 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_question_without_an_answer_times_out_and_frees_the_session() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            wait 120s
            ask a1 q2
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
              a1 ended: expired 120s
            > ask a1 q2
              publish q2 as a~q2
        "#]],
    );
}

#[test]
fn a_failed_answer_is_told_and_frees_the_session() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            answer a failed
            ask a1 q2
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > answer a failed
              send a1 answer failed
              a1 ended: failed 0ns
              record: delivered
            > ask a1 q2
              publish q2 as a
        "#]],
    );
}

#[test]
fn a_second_connection_replaces_the_first_and_inherits_nothing() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            connect a2
            answer a
            disconnect a1
            ask a2 q2
            answer a~q2
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > connect a2
              a1 ended: undeliverable 0ns
              close a1 superseded
            > answer a
              record: undeliverable
            > disconnect a1
            > ask a2 q2
              publish q2 as a~q2
            > answer a~q2
              a2 accepted 0ns
              send a2 r2 (None of 0ns)
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn an_answer_for_a_lost_socket_is_not_shown_to_the_next_connection() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            disconnect a1
            answer a
            connect a2
            answer a
            ask a2 q2
            answer a
            answer a~q2
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > disconnect a1
              a1 ended: undeliverable 0ns
            > answer a
              record: undeliverable
            > connect a2
            > answer a
              duplicates seen
              record: duplicate
            > ask a2 q2
              publish q2 as a~q2
            > answer a
              record: late
            > answer a~q2
              a2 accepted 0ns
              send a2 r4 (None of 0ns)
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn the_end_of_a_drain_is_told_to_who_waits() {
    check(
        "
            connect a1
            connect b2
            ask a1 q1
            published q1
            drain_expired
            answer a
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > drain_expired
              send a1 timed out
              a1 ended: expired 0ns
              close a1 draining
              close b2 draining
            > answer a
              record: late
        "#]],
    );
}
