//! Tests the attribution of answers.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_question_id_decides_whatever_the_wire_id_and_the_position_say() {
    check(
        "
            connect a1
            ask a1 q1 floor=50
            published q1
            answer a~zz echo=q1 at=3
            ask a1 q2
            published q2
            answer a echo=q2 replayed
            wait 0s
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1 floor=50
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > answer a~zz echo=q1 at=3
              send a1 r1 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q2
              publish q2 as a
            > published q2
              a1 accepted 0ns
            > answer a echo=q2 replayed
              send a1 r2 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > wait 0s
        "#]],
    );
}

#[test]
fn a_question_id_that_contradicts_the_session_is_invalid() {
    check(
        "
            connect a1
            connect b2
            ask a1 q1
            answer b echo=q1
            answer c echo=q1
            answer a echo=q1
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask a1 q1
              publish q1 as a
            > answer b echo=q1
              record: invalid
            > answer c echo=q1
              record: invalid
            > answer a echo=q1
              a1 accepted 0ns
              send a1 r3 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_question_id_of_no_open_question_is_never_attributed() {
    check(
        "
            connect a1
            ask a1 q1
            answer a echo=zz
            answer a echo=foreign
            answer b echo=zz
            answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > answer a echo=zz
              duplicates seen
              record: late
            > answer a echo=foreign
              duplicates seen
              record: late
            > answer b echo=zz
              record: foreign
            > answer a
              a1 accepted 0ns
              send a1 r4 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_question_id_of_a_question_that_timed_out_is_late() {
    check(
        "
            connect a1
            ask a1 q1
            wait 120s
            answer a echo=q1
            ask a1 q2
            answer a~q2 echo=q1
            answer a~q2 echo=q2
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
            > answer a echo=q1
              record: late
            > ask a1 q2
              publish q2 as a~q2
            > answer a~q2 echo=q1
              record: late
            > answer a~q2 echo=q2
              a1 accepted 0ns
              send a1 r3 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_second_answer_with_the_same_question_id_is_a_duplicate() {
    check(
        "
            settings question
            connect a1
            ask a1 q1
            answer a~q1 echo=q1
            answer a~q1 echo=q1
            ask a1 q2
            answer a~q1 echo=q1
            answer a~q2
            answer a~q2 echo=q2
            answer a~q1 echo=q1
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a~q1
            > answer a~q1 echo=q1
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > answer a~q1 echo=q1
              record: duplicate
            > ask a1 q2
              publish q2 as a~q2
            > answer a~q1 echo=q1
              record: duplicate
            > answer a~q2
              a1 accepted 0ns
              send a1 r4 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > answer a~q2 echo=q2
              record: duplicate
            > answer a~q1 echo=q1
              record: late
        "#]],
    );
}

#[test]
fn a_second_plain_answer_with_the_same_question_id_settles_no_debt() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            answer a
            ask a1 q2
            published q2
            wait 120s
            answer a echo=q1
            answer a
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
            > ask a1 q2
              publish q2 as a
            > published q2
              a1 accepted 0ns
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
              a1 ended: expired 120s
            > answer a echo=q1
              duplicates seen
              record: duplicate
            > answer a
              record: late
            > answer a
              duplicates seen
              record: duplicate
        "#]],
    );
}

#[test]
fn a_suffix_must_be_that_of_the_open_question() {
    check(
        "
            settings question
            connect a1
            ask a1 q1
            answer a
            answer a~zz
            answer b~q1
            answer a~q1 at=0 replayed
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a~q1
            > answer a
              record: late
            > answer a~zz
              record: late
            > answer b~q1
              record: foreign
            > answer a~q1 at=0 replayed
              a1 accepted 0ns
              send a1 r4 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn an_answer_under_an_old_suffix_is_late_and_under_the_last_one_a_duplicate() {
    check(
        "
            settings question
            connect a1
            ask a1 q1
            wait 120s
            ask a1 q2
            answer a~q1
            answer a~q2
            answer a~q1
            answer a~q2
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a~q1
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
            > ask a1 q2
              publish q2 as a~q2
            > answer a~q1
              record: late
            > answer a~q2
              a1 accepted 0ns
              send a1 r2 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > answer a~q1
              record: late
            > answer a~q2
              record: duplicate
        "#]],
    );
}

#[test]
fn a_plain_answer_from_before_the_question_is_late() {
    check(
        "
            connect a1
            ask a1 q1 floor=10
            answer a at=9
            answer a at=10
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1 floor=10
              publish q1 as a
            > answer a at=9
              duplicates seen
              record: late
            > answer a at=10
              a1 accepted 0ns
              send a1 r2 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_plain_answer_put_back_from_the_dead_letters_is_not_attributed() {
    check(
        "
            connect a1
            ask a1 q1
            answer a replayed
            answer a
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > answer a replayed
              record: late
            > answer a
              a1 accepted 0ns
              send a1 r2 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_plain_answer_does_not_answer_a_suffixed_question() {
    check(
        "
            connect a1
            ask a1 q1
            publish_failed q1 maybe
            ask a1 q2
            answer a
            answer a~q2
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > publish_failed q1 maybe
              send a1 publish failed
              a1 ended: publish_failed 0ns
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
