//! Answers that go to nobody.

use expect_test::expect;

use crate::script::check;

#[test]
fn an_answer_for_a_session_that_was_never_here_is_foreign() {
    check(
        "
            answer a
            answer a~q1
            answer a echo=q1
        ",
        expect![[r#"
            > answer a
              record: foreign
            > answer a~q1
              record: foreign
            > answer a echo=q1
              record: foreign
        "#]],
    );
}

#[test]
fn an_answer_for_a_departed_session_is_undeliverable() {
    check(
        "
            connect a1
            ask a1 q1
            disconnect a1
            answer a~q1
            answer a echo=q1
            answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > disconnect a1
            > answer a~q1
              record: undeliverable
            > answer a echo=q1
              record: undeliverable
            > answer a
              record: undeliverable
        "#]],
    );
}

#[test]
fn an_answer_to_a_socket_that_was_told_to_close_is_not_sent() {
    check(
        "
            connect a1
            ask a1 q1
            wait 120s
            drain 1
            answer a
            answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
            > drain 1
              close a1 draining
            > answer a
              record: late
            > answer a
              duplicates seen
              record: duplicate
        "#]],
    );
}

#[test]
fn equal_text_is_no_sign_of_a_duplicate_and_a_replaced_socket_gets_nothing() {
    check(
        "
            connect a1
            ask a1 q1
            connect a2
            ask a2 q2
            answer a echo=q1
            answer a~q2
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > connect a2
              close a1 superseded
            > ask a2 q2
              publish q2 as a~q2
            > answer a echo=q1
              record: undeliverable
            > answer a~q2
              a2 accepted 0ns
              send a2 r2 (None of 0ns)
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}
