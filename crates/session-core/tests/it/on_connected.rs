//! Sockets are accepted.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_newer_connection_closes_the_older_and_ends_its_question() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            skip 3s
            connect a2
            disconnect a1
            disconnect a2
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > skip 3s
            > connect a2
              a1 ended: undeliverable 3s
              close a1 superseded
            > disconnect a1
            > disconnect a2
        "#]],
    );
}

#[test]
fn a_takeover_before_the_report_is_counted_when_the_report_comes() {
    check(
        "
            connect a1
            ask a1 q1
            connect a2
            skip 1s
            published q1
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > connect a2
              close a1 superseded
            > skip 1s
            > published q1
              a1 accepted 1s
              a1 ended: undeliverable 1s
        "#]],
    );
}

#[test]
fn an_idle_session_that_is_replaced_owes_nothing() {
    check(
        "
            connect a1
            connect a2
            ask a2 q1
        ",
        expect![[r#"
            > connect a1
            > connect a2
              close a1 superseded
            > ask a2 q1
              publish q1 as a
        "#]],
    );
}

#[test]
fn of_two_sockets_that_raced_the_older_is_closed_whichever_came_first() {
    check(
        "
            connect a2
            connect a1
            ask a1 q1
            ask a2 q2
            disconnect a1
            answer a
        ",
        expect![[r#"
            > connect a2
            > connect a1
              close a1 superseded
            > ask a1 q1
            > ask a2 q2
              publish q2 as a
            > disconnect a1
            > answer a
              a2 accepted 0ns
              send a2 r1 (None of 0ns)
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn the_same_connection_told_twice_is_one() {
    check(
        "
            connect a1
            ask a1 q1
            connect a1
            answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > connect a1
            > answer a
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_socket_told_to_close_is_not_told_again_when_it_is_replaced() {
    check(
        "
            connect a1
            drain 1
            connect a2
            drain 1
        ",
        expect![[r#"
            > connect a1
            > drain 1
              close a1 draining
            > connect a2
            > drain 1
              close a2 draining
        "#]],
    );
}

#[test]
fn a_session_that_comes_back_has_its_debts_and_is_not_forgotten_while_here() {
    check(
        "
            connect a1
            ask a1 q1
            disconnect a1
            skip 100s
            connect a2
            wait 139s
            ask a2 q2
            answer a~q2
            wait 1s
            ask a2 q3
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > disconnect a1
            > skip 100s
            > connect a2
            > wait 139s
            > ask a2 q2
              publish q2 as a~q2
            > answer a~q2
              a2 accepted 0ns
              send a2 r1 (None of 0ns)
              a2 ended: answered 0ns
              record: delivered
            > wait 1s
            > ask a2 q3
              publish q3 as a
        "#]],
    );
}
