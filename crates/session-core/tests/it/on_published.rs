//! Delivery reports, good and bad.

use expect_test::expect;

use crate::script::check;

#[test]
fn an_answer_before_the_report_proves_acceptance_and_the_report_is_ignored() {
    check(
        "
            connect a1
            ask a1 q1
            skip 1s
            answer a
            published q1
            publish_failed q1 maybe
            ask a1 q2
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > skip 1s
            > answer a
              a1 accepted 1s
              send a1 r1 (None of 1s)
              a1 ended: answered 1s
              record: delivered
            > published q1
            > publish_failed q1 maybe
            > ask a1 q2
              publish q2 as a~q2
        "#]],
    );
}

#[test]
fn only_the_first_report_counts() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            skip 1s
            published q1
            publish_failed q1 maybe
            skip 1s
            answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > skip 1s
            > published q1
            > publish_failed q1 maybe
            > skip 1s
            > answer a
              send a1 r1 (Some(0ns) of 2s)
              a1 ended: answered 2s
              record: delivered
        "#]],
    );
}

#[test]
fn a_report_about_an_unknown_question_changes_nothing() {
    check(
        "
            connect a1
            published q9
            publish_failed q9 no
            ask a1 q1
        ",
        expect![[r#"
            > connect a1
            > published q9
            > publish_failed q9 no
            > ask a1 q1
              publish q1 as a
        "#]],
    );
}

#[test]
fn a_question_that_timed_out_unreported_is_counted_when_the_report_comes() {
    check(
        "
            connect a1
            ask a1 q1
            wait 120s
            skip 1s
            published q1
            answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
            > skip 1s
            > published q1
              a1 accepted 121s
              a1 ended: expired 121s
            > answer a
              record: late
        "#]],
    );
}

#[test]
fn a_question_that_timed_out_and_then_failed_stands_outside_the_accounts() {
    check(
        "
            connect a1
            ask a1 q1
            wait 120s
            skip 1s
            publish_failed q1 no
            publish_failed q1 no
            ask a1 q2
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
            > skip 1s
            > publish_failed q1 no
              a1 ended: publish_failed 121s
            > publish_failed q1 no
            > ask a1 q2
              publish q2 as a~q2
        "#]],
    );
}

#[test]
fn a_failed_publish_of_a_replaced_connection_is_not_told_to_its_successor() {
    check(
        "
            connect a1
            ask a1 q1
            connect a2
            ask a2 q2
            publish_failed q1 no
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > connect a2
              close a1 superseded
            > ask a2 q2
              publish q2 as a~q2
            > publish_failed q1 no
              a1 ended: publish_failed 0ns
        "#]],
    );
}

#[test]
fn a_failed_publish_while_draining_closes_the_socket() {
    check(
        "
            connect a1
            ask a1 q1
            drain 1
            publish_failed q1 no
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > drain 1
            > publish_failed q1 no
              send a1 publish failed
              a1 ended: publish_failed 0ns
              close a1 draining
        "#]],
    );
}
