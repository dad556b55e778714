//! Deadlines pass.

use expect_test::expect;

use crate::script::check;

#[test]
fn the_deadline_runs_from_the_question_not_from_its_report() {
    check(
        "
            connect a1
            ask a1 q1
            skip 100s
            published q1
            wait 19s
            wait 1s
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > skip 100s
            > published q1
              a1 accepted 100s
            > wait 19s
            > wait 1s
              (AnswerDeadline after 1s)
              send a1 timed out
              a1 ended: expired 120s
        "#]],
    );
}

#[test]
fn each_session_has_its_own_deadline() {
    check(
        "
            connect a1
            connect b2
            ask b2 qb
            skip 10s
            ask a1 qa
            wait 110s
            wait 10s
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask b2 qb
              publish qb as b
            > skip 10s
            > ask a1 qa
              publish qa as a
            > wait 110s
              (AnswerDeadline after 110s)
              send b2 timed out
            > wait 10s
              (AnswerDeadline after 10s)
              send a1 timed out
        "#]],
    );
}

#[test]
fn an_answered_question_leaves_no_deadline() {
    check(
        "
            connect a1
            ask a1 q1
            answer a
            wait 1000s
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > answer a
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > wait 1000s
        "#]],
    );
}

#[test]
fn a_tick_too_early_does_nothing_and_one_too_late_does_all() {
    check(
        "
            connect a1
            connect b2
            ask a1 qa
            ask b2 qb
            skip 119s
            tick
            skip 100s
            tick
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask a1 qa
              publish qa as a
            > ask b2 qb
              publish qb as b
            > skip 119s
            > tick
            > skip 100s
            > tick
              send a1 timed out
              send b2 timed out
        "#]],
    );
}

#[test]
fn an_answer_after_the_deadline_and_before_the_tick_is_still_delivered() {
    check(
        "
            connect a1
            ask a1 q1
            skip 121s
            answer a
            tick
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > skip 121s
            > answer a
              a1 accepted 121s
              send a1 r1 (None of 121s)
              a1 ended: answered 121s
              record: delivered
            > tick
        "#]],
    );
}

#[test]
fn a_late_answer_is_not_given_to_the_next_question() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            wait 120s
            ask a1 q2
            answer a
            answer a~q2
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
            > answer a
              record: late
            > answer a~q2
              a1 accepted 0ns
              send a1 r2 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}
