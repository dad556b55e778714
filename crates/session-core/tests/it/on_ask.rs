//! Questions are asked.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_question_of_an_old_connection_is_not_asked() {
    check(
        "
            connect a1
            connect a2
            ask a1 q1
            ask b1 q2
        ",
        expect![[r#"
            > connect a1
            > connect a2
              close a1 superseded
            > ask a1 q1
            > ask b1 q2
        "#]],
    );
}

#[test]
fn a_socket_that_was_told_to_close_asks_nothing() {
    check(
        "
            connect a1
            drain 1
            ask a1 q1
        ",
        expect![[r#"
            > connect a1
            > drain 1
              close a1 draining
            > ask a1 q1
        "#]],
    );
}

#[test]
fn a_question_while_draining_is_refused_and_not_published() {
    check(
        "
            connect a1
            drain 0
            ask a1 q1
        ",
        expect![[r#"
            > connect a1
            > drain 0
            > ask a1 q1
              send a1 draining
        "#]],
    );
}

#[test]
fn a_second_question_while_draining_is_told_to_wait() {
    check(
        "
            connect a1
            ask a1 q1
            drain 0
            ask a1 q2
            answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > drain 0
            > ask a1 q2
              send a1 busy
            > answer a
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
              close a1 draining
        "#]],
    );
}
