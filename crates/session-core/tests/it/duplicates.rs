//! An answering side that answers twice: how it is noticed, and what explains a plain answer that
//! nobody waits for.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_second_answer_to_one_question_makes_every_session_take_suffixes() {
    check(
        "
            connect a1
            connect b2
            ask a1 q1
            published q1
            answer a
            answer a
            ask b2 qb
            published qb
            answer b~qb
            skip 239s
            ask b2 qc
            published qc
            answer b~qc
            skip 1s
            ask b2 qd
            published qd
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > answer a
              send a1 r1 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > answer a
              duplicates seen
              record: duplicate
            > ask b2 qb
              publish qb as b~qb
            > published qb
              b2 accepted 0ns
            > answer b~qb
              send b2 r3 (Some(0ns) of 0ns)
              b2 ended: answered 0ns
              record: delivered
            > skip 239s
            > ask b2 qc
              publish qc as b~qc
            > published qc
              b2 accepted 0ns
            > answer b~qc
              send b2 r4 (Some(0ns) of 0ns)
              b2 ended: answered 0ns
              record: delivered
            > skip 1s
            > ask b2 qd
              publish qd as b
            > published qd
              b2 accepted 0ns
        "#]],
    );
}

#[test]
fn a_later_duplicate_starts_the_time_anew() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            answer a
            answer a
            skip 239s
            answer a
            skip 239s
            ask a1 q2
            published q2
            answer a~q2
            skip 1s
            ask a1 q3
            published q3
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
            > answer a
              duplicates seen
              record: duplicate
            > skip 239s
            > answer a
              duplicates seen
              record: duplicate
            > skip 239s
            > ask a1 q2
              publish q2 as a~q2
            > published q2
              a1 accepted 0ns
            > answer a~q2
              send a1 r4 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > skip 1s
            > ask a1 q3
              publish q3 as a
            > published q3
              a1 accepted 0ns
        "#]],
    );
}

#[test]
fn one_owed_answer_explains_one_plain_answer() {
    check(
        "
            connect a1
            connect b2
            ask a1 q1
            wait 120s
            answer a
            ask b2 qb
            answer b
            answer a
            ask b2 qc
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask a1 q1
              publish q1 as a
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
            > answer a
              record: late
            > ask b2 qb
              publish qb as b
            > answer b
              b2 accepted 0ns
              send b2 r2 (None of 0ns)
              b2 ended: answered 0ns
              record: delivered
            > answer a
              duplicates seen
              record: duplicate
            > ask b2 qc
              publish qc as b~qc
        "#]],
    );
}

#[test]
fn an_owed_answer_explains_nothing_once_its_time_is_over() {
    check(
        "
            connect a1
            ask a1 q1
            wait 120s
            skip 240s
            answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
            > skip 240s
            > answer a
              duplicates seen
              record: duplicate
        "#]],
    );
}

#[test]
fn a_debt_of_long_ago_does_not_explain_an_answer_of_now() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            wait 120s
            skip 240s
            ask a1 q2
            published q2
            answer a
            ask a1 q3
            publish_failed q3 maybe
            answer a
            answer a
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
            > skip 240s
            > ask a1 q2
              publish q2 as a
            > published q2
              a1 accepted 0ns
            > answer a
              send a1 r1 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q3
              publish q3 as a
            > publish_failed q3 maybe
              send a1 publish failed
              a1 ended: publish_failed 0ns
            > answer a
              record: late
            > answer a
              duplicates seen
              record: duplicate
        "#]],
    );
}

#[test]
fn a_second_debt_keeps_the_first_one_alive() {
    check(
        "
            connect a1
            ask a1 q1
            wait 120s
            ask a1 q2
            wait 239s
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
            > ask a1 q2
              publish q2 as a~q2
            > wait 239s
              (AnswerDeadline after 120s)
              send a1 timed out
            > answer a
              record: late
            > answer a
              record: late
        "#]],
    );
}

#[test]
fn a_suffixed_question_that_is_owed_explains_no_plain_answer() {
    check(
        "
            settings question
            connect a1
            ask a1 q1
            wait 120s
            answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a~q1
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
            > answer a
              record: late
        "#]],
    );
}

#[test]
fn a_plain_answer_that_nothing_explains_tells_of_duplicates_while_another_is_awaited() {
    check(
        "
            connect a1
            connect b2
            ask a1 q1
            published q1
            answer a
            ask a1 q2 floor=5
            published q2
            answer a at=4
            ask b2 qb
            published qb
            answer a at=5
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > answer a
              send a1 r1 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q2 floor=5
              publish q2 as a
            > published q2
              a1 accepted 0ns
            > answer a at=4
              duplicates seen
              record: late
            > ask b2 qb
              publish qb as b~qb
            > published qb
              b2 accepted 0ns
            > answer a at=5
              send a1 r3 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_plain_answer_to_a_departed_session_is_no_sign_of_duplicates() {
    check(
        "
            connect a1
            connect b2
            ask a1 q1
            disconnect a1
            answer a
            answer a
            answer c
            ask b2 qb
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask a1 q1
              publish q1 as a
            > disconnect a1
            > answer a
              record: undeliverable
            > answer a
              record: undeliverable
            > answer c
              record: foreign
            > ask b2 qb
              publish qb as b
        "#]],
    );
}
