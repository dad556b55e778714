//! Tests when a question takes a suffix, and for how long.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_session_with_nothing_unclear_asks_under_its_own_id() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            answer a
            ask a1 q2
            published q2
            answer a failed
            ask a1 q3
            publish_failed q3 no
            ask a1 q4
            published q4
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
            > answer a failed
              send a1 answer failed
              a1 ended: failed 0ns
              record: delivered
            > ask a1 q3
              publish q3 as a
            > publish_failed q3 no
              send a1 publish failed
              a1 ended: publish_failed 0ns
            > ask a1 q4
              publish q4 as a
            > published q4
              a1 accepted 0ns
        "#]],
    );
}

#[test]
fn by_setting_every_question_takes_a_suffix() {
    check(
        "
            settings question
            connect a1
            ask a1 q1
            answer a~q1
            ask a1 q2
            answer a
            answer a~q1
            answer a~q2
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
            > ask a1 q2
              publish q2 as a~q2
            > answer a
              record: late
            > answer a~q1
              record: duplicate
            > answer a~q2
              a1 accepted 0ns
              send a1 r4 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_timeout_makes_the_session_take_suffixes_until_the_time_to_live_is_over() {
    check(
        "
            connect a1
            connect b9
            ask a1 q1
            wait 120s
            ask a1 q2
            answer a~q2
            skip 239s
            ask a1 q3
            answer a~q3
            skip 1s
            ask a1 q4
            ask b9 qb
        ",
        expect![[r#"
            > connect a1
            > connect b9
            > ask a1 q1
              publish q1 as a
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
            > ask a1 q2
              publish q2 as a~q2
            > answer a~q2
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > skip 239s
            > ask a1 q3
              publish q3 as a~q3
            > answer a~q3
              a1 accepted 0ns
              send a1 r2 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > skip 1s
            > ask a1 q4
              publish q4 as a
            > ask b9 qb
              publish qb as b
        "#]],
    );
}

#[test]
fn a_lost_socket_makes_the_session_take_suffixes_until_the_time_to_live_is_over() {
    check(
        "
            connect a1
            connect b9
            ask a1 q1
            disconnect a1
            connect a2
            ask a2 q2
            answer a~q2
            skip 239s
            ask a2 q3
            answer a~q3
            skip 1s
            ask a2 q4
            ask b9 qb
        ",
        expect![[r#"
            > connect a1
            > connect b9
            > ask a1 q1
              publish q1 as a
            > disconnect a1
            > connect a2
            > ask a2 q2
              publish q2 as a~q2
            > answer a~q2
              a2 accepted 0ns
              send a2 r1 (None of 0ns)
              a2 ended: answered 0ns
              record: delivered
            > skip 239s
            > ask a2 q3
              publish q3 as a~q3
            > answer a~q3
              a2 accepted 0ns
              send a2 r2 (None of 0ns)
              a2 ended: answered 0ns
              record: delivered
            > skip 1s
            > ask a2 q4
              publish q4 as a
            > ask b9 qb
              publish qb as b
        "#]],
    );
}

#[test]
fn a_takeover_makes_the_session_take_suffixes_until_the_time_to_live_is_over() {
    check(
        "
            connect a1
            connect b9
            ask a1 q1
            connect a2
            ask a2 q2
            answer a~q2
            skip 239s
            ask a2 q3
            answer a~q3
            skip 1s
            ask a2 q4
            ask b9 qb
        ",
        expect![[r#"
            > connect a1
            > connect b9
            > ask a1 q1
              publish q1 as a
            > connect a2
              close a1 superseded
            > ask a2 q2
              publish q2 as a~q2
            > answer a~q2
              a2 accepted 0ns
              send a2 r1 (None of 0ns)
              a2 ended: answered 0ns
              record: delivered
            > skip 239s
            > ask a2 q3
              publish q3 as a~q3
            > answer a~q3
              a2 accepted 0ns
              send a2 r2 (None of 0ns)
              a2 ended: answered 0ns
              record: delivered
            > skip 1s
            > ask a2 q4
              publish q4 as a
            > ask b9 qb
              publish qb as b
        "#]],
    );
}

#[test]
fn a_publish_that_may_have_persisted_makes_the_session_take_suffixes_until_the_time_to_live_is_over()
 {
    check(
        "
            connect a1
            connect b9
            ask a1 q1
            publish_failed q1 maybe
            ask a1 q2
            answer a~q2
            skip 239s
            ask a1 q3
            answer a~q3
            skip 1s
            ask a1 q4
            ask b9 qb
        ",
        expect![[r#"
            > connect a1
            > connect b9
            > ask a1 q1
              publish q1 as a
            > publish_failed q1 maybe
              send a1 publish failed
              a1 ended: publish_failed 0ns
            > ask a1 q2
              publish q2 as a~q2
            > answer a~q2
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > skip 239s
            > ask a1 q3
              publish q3 as a~q3
            > answer a~q3
              a1 accepted 0ns
              send a1 r2 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > skip 1s
            > ask a1 q4
              publish q4 as a
            > ask b9 qb
              publish qb as b
        "#]],
    );
}

#[test]
fn suffixes_last_their_time_even_when_the_owed_answer_has_come() {
    check(
        "
            connect a1
            ask a1 q1
            wait 120s
            answer a
            skip 239s
            ask a1 q2
            answer a~q2
            skip 1s
            ask a1 q3
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
            > answer a
              record: late
            > skip 239s
            > ask a1 q2
              publish q2 as a~q2
            > answer a~q2
              a1 accepted 0ns
              send a1 r2 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > skip 1s
            > ask a1 q3
              publish q3 as a
        "#]],
    );
}

#[test]
fn a_second_ambiguity_starts_the_time_anew() {
    check(
        "
            connect a1
            ask a1 q1
            wait 120s
            skip 200s
            ask a1 q2
            wait 120s
            skip 239s
            ask a1 q3
            answer a~q3
            skip 1s
            ask a1 q4
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
            > skip 200s
            > ask a1 q2
              publish q2 as a~q2
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
            > skip 239s
            > ask a1 q3
              publish q3 as a~q3
            > answer a~q3
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > skip 1s
            > ask a1 q4
              publish q4 as a
        "#]],
    );
}
