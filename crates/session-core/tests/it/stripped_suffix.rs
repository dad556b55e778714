//! An answering side that strips the suffix off wire ids costs the sessions that ask under one, and no other.

use expect_test::expect;

use crate::script::{Run, check};

#[test]
fn a_stripped_suffix_makes_no_other_session_ask_under_one() {
    check(
        "
        settings answer_timeout=10s answer_ttl=20s
        connect a1
        connect b1
        ask a1 q1
        published q1
        wait 10s
        ask a1 q2
        published q2
        answer a
        answer a
        wait 10s
        answer a
        ask b1 q3
        published q3
        answer b
        ",
        expect![[r#"
            > connect a1
            > connect b1
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > wait 10s
              (AnswerDeadline after 10s)
              send a1 timed out
              a1 ended: expired 10s
            > ask a1 q2
              publish q2 as a~q2
            > published q2
              a1 accepted 0ns
            > answer a
              record: late
            > answer a
              record: late
            > wait 10s
              (AnswerDeadline after 10s)
              send a1 timed out
              a1 ended: expired 10s
            > answer a
              record: late
            > ask b1 q3
              publish q3 as b
            > published q3
              b1 accepted 0ns
            > answer b
              send b1 r4 (Some(0ns) of 0ns)
              b1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_third_bare_answer_in_a_row_is_named_and_one_under_a_suffix_clears_it() {
    check(
        "
        settings question
        connect a1
        ask a1 q1
        answer a
        answer a
        answer a
        answer a~q1
        ask a1 q2
        answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a~q1
            > answer a
              record: late
            > answer a
              record: late
            > answer a
              suffix stripped, as in a
              record: late
            > answer a~q1
              a1 accepted 0ns
              send a1 r4 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q2
              publish q2 as a~q2
            > answer a
              record: late
        "#]],
    );
}

#[test]
fn bare_answers_that_name_their_question_are_attributed_and_break_nothing() {
    check(
        "
        settings question
        connect a1
        ask a1 q1
        answer a echo=q1
        answer a echo=q1
        answer a echo=q1
        answer a echo=q1
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a~q1
            > answer a echo=q1
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > answer a echo=q1
              record: duplicate
            > answer a echo=q1
              record: duplicate
            > answer a echo=q1
              record: duplicate
        "#]],
    );
}

#[test]
fn it_stays_named_for_the_time_an_answer_may_be_late() {
    let mut run = Run::of(
        "
        settings question answer_timeout=10s answer_ttl=20s
        connect a1
        ask a1 q1
        answer a
        answer a
        ",
    );
    assert!(!run.is_suffix_stripped());
    run.line("answer a");
    assert!(run.is_suffix_stripped());
    run.line("wait 19s");
    assert!(run.is_suffix_stripped());
    run.line("wait 1s");
    assert!(!run.is_suffix_stripped());
}
