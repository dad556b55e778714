//! Tests answers that come a second time: because their question was written twice, or is put back, or under a
//! suffix.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_session_that_departs_owed_and_comes_back_takes_suffixes() {
    check(
        "
            connect a1
            ask a1 q1
            wait 120s
            disconnect a1
            skip 200s
            connect a2
            ask a2 q2
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
            > disconnect a1
            > skip 200s
            > connect a2
            > ask a2 q2
              publish q2 as a~q2
        "#]],
    );
}

#[test]
fn a_question_that_may_be_written_twice_makes_every_session_take_suffixes() {
    check(
        "
            connect a1
            connect b2
            ask a1 q1
            publish_failed q1 maybe
            ask b2 qb
            published qb
            answer b~qb
            skip 239s
            ask b2 qc
            published qc
            answer b~qc
            skip 1s
            ask b2 qd
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask a1 q1
              publish q1 as a
            > publish_failed q1 maybe
              send a1 publish failed
              a1 ended: publish_failed 0ns
            > ask b2 qb
              publish qb as b~qb
            > published qb
              b2 accepted 0ns
            > answer b~qb
              send b2 r1 (Some(0ns) of 0ns)
              b2 ended: answered 0ns
              record: delivered
            > skip 239s
            > ask b2 qc
              publish qc as b~qc
            > published qc
              b2 accepted 0ns
            > answer b~qc
              send b2 r2 (Some(0ns) of 0ns)
              b2 ended: answered 0ns
              record: delivered
            > skip 1s
            > ask b2 qd
              publish qd as b
        "#]],
    );
}

#[test]
fn a_question_that_was_under_way_when_another_was_given_up_may_be_answered_twice() {
    check(
        "
            connect a1
            connect b2
            ask b2 qb
            ask a1 q1
            publish_failed q1 maybe
            published qb
            answer b
            ask b2 qc
            published qc
            answer b
            answer b~qc
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask b2 qb
              publish qb as b
            > ask a1 q1
              publish q1 as a
            > publish_failed q1 maybe
              send a1 publish failed
              a1 ended: publish_failed 0ns
            > published qb
              b2 accepted 0ns
            > answer b
              send b2 r1 (Some(0ns) of 0ns)
              b2 ended: answered 0ns
              record: delivered
            > ask b2 qc
              publish qc as b~qc
            > published qc
              b2 accepted 0ns
            > answer b
              record: late
            > answer b~qc
              send b2 r3 (Some(0ns) of 0ns)
              b2 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn an_answer_that_comes_again_because_its_question_was_written_again_is_not_the_next_ones() {
    check(
        "
            connect a1
            ask a1 q1
            answer a
            ask a1 q2
            published q2
            answer a
            answer a~q2
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
            > ask a1 q2
              publish q2 as a~q2
            > published q2
              a1 accepted 0ns
            > answer a
              record: late
            > answer a~q2
              send a1 r3 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_part_proves_that_a_question_is_written_and_not_that_it_is_not_written_again() {
    check(
        "
            connect a1
            ask a1 q1
            answer a part=0 text=a
            answer a part=1 text=b final
            ask a1 q2
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > answer a part=0 text=a
              a1 accepted 0ns
              record: part
            > answer a part=1 text=b final
              send a1 ab (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q2
              publish q2 as a~q2
        "#]],
    );
}

#[test]
fn a_duplicate_under_a_suffix_is_no_sign_against_plain_ids() {
    check(
        "
            settings question
            connect a1
            ask a1 q1
            answer a~q1
            answer a~q1
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a~q1
            > answer a~q1
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > answer a~q1
              record: duplicate
        "#]],
    );
}

#[test]
fn a_record_put_back_from_the_dead_letters_is_no_sign_of_duplicates() {
    check(
        "
            connect a1
            connect b2
            ask a1 q1
            published q1
            answer a
            answer a replayed
            ask b2 qb
            published qb
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
            > answer a replayed
              record: late
            > ask b2 qb
              publish qb as b
            > published qb
              b2 accepted 0ns
        "#]],
    );
}
