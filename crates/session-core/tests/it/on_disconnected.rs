//! Sockets go.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_late_close_of_an_old_socket_does_not_evict_its_successor() {
    check(
        "
            connect a1
            connect a2
            disconnect a1
            ask a2 q1
            answer a
        ",
        expect![[r#"
            > connect a1
            > connect a2
              close a1 superseded
            > disconnect a1
            > ask a2 q1
              publish q1 as a
            > answer a
              a2 accepted 0ns
              send a2 r1 (None of 0ns)
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_question_whose_socket_is_gone_is_undeliverable() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            skip 2s
            disconnect a1
            wait 500s
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > skip 2s
            > disconnect a1
              a1 ended: undeliverable 2s
            > wait 500s
              (DepartedSessionExpiry after 240s)
        "#]],
    );
}

#[test]
fn a_question_whose_socket_is_gone_before_the_report_is_counted_when_the_report_comes() {
    check(
        "
            connect a1
            ask a1 q1
            disconnect a1
            skip 2s
            published q1
            published q1
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > disconnect a1
            > skip 2s
            > published q1
              a1 accepted 2s
              a1 ended: undeliverable 2s
            > published q1
        "#]],
    );
}

#[test]
fn a_session_that_is_owed_nothing_is_forgotten_at_once() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            answer a
            disconnect a1
            answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > answer a
              send a1 r1 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > disconnect a1
            > answer a
              record: foreign
        "#]],
    );
}

#[test]
fn a_departed_session_is_remembered_until_nothing_can_be_owed() {
    check(
        "
            connect a1
            ask a1 q1
            disconnect a1
            wait 239s
            answer a
            wait 1s
            answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > disconnect a1
            > wait 239s
            > answer a
              record: undeliverable
            > wait 1s
              (DepartedSessionExpiry after 1s)
            > answer a
              record: foreign
        "#]],
    );
}

#[test]
fn a_session_whose_debts_have_lapsed_is_forgotten_at_once() {
    check(
        "
            connect a1
            ask a1 q1
            wait 360s
            disconnect a1
            answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > wait 360s
              (AnswerDeadline after 120s)
              send a1 timed out
            > disconnect a1
            > answer a
              record: foreign
        "#]],
    );
}

#[test]
fn a_socket_gone_twice_or_never_here_changes_nothing() {
    check(
        "
            disconnect a1
            connect a1
            disconnect a1
            disconnect a1
            connect b2
            disconnect b1
            ask b2 q1
        ",
        expect![[r#"
            > disconnect a1
            > connect a1
            > disconnect a1
            > disconnect a1
            > connect b2
            > disconnect b1
            > ask b2 q1
              publish q1 as b
        "#]],
    );
}

#[test]
fn a_departed_session_asks_nothing_and_its_socket_cannot_go_again() {
    check(
        "
            connect a1
            ask a1 q1
            disconnect a1
            ask a1 q2
            disconnect a1
            published q1
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > disconnect a1
            > ask a1 q2
            > disconnect a1
            > published q1
              a1 accepted 0ns
              a1 ended: undeliverable 0ns
        "#]],
    );
}
