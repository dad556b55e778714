//! When a question takes a suffix, and for how long.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_session_with_nothing_unclear_asks_under_its_own_id() {
    check(
        "
            connect a1
            ask a1 q1
            answer a
            ask a1 q2
            answer a failed
            ask a1 q3
            publish_failed q3 no
            ask a1 q4
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
              publish q2 as a
            > answer a failed
              a1 accepted 0ns
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
fn a_second_answer_to_one_question_makes_every_session_take_suffixes() {
    check(
        "
            connect a1
            connect b2
            ask a1 q1
            answer a
            answer a
            ask b2 qb
            answer b~qb
            skip 239s
            ask b2 qc
            answer b~qc
            skip 1s
            ask b2 qd
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask a1 q1
              publish q1 as a
            > answer a
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > answer a
              duplicates seen
              record: duplicate
            > ask b2 qb
              publish qb as b~qb
            > answer b~qb
              b2 accepted 0ns
              send b2 r3 (None of 0ns)
              b2 ended: answered 0ns
              record: delivered
            > skip 239s
            > ask b2 qc
              publish qc as b~qc
            > answer b~qc
              b2 accepted 0ns
              send b2 r4 (None of 0ns)
              b2 ended: answered 0ns
              record: delivered
            > skip 1s
            > ask b2 qd
              publish qd as b
        "#]],
    );
}

#[test]
fn a_later_duplicate_starts_the_time_anew() {
    check(
        "
            connect a1
            ask a1 q1
            answer a
            answer a
            skip 239s
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
            > answer a
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
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
            > answer a~q2
              a1 accepted 0ns
              send a1 r4 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > skip 1s
            > ask a1 q3
              publish q3 as a
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
            wait 120s
            skip 240s
            ask a1 q2
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
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
            > skip 240s
            > ask a1 q2
              publish q2 as a
            > answer a
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
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
              duplicates seen
              record: duplicate
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
              record: duplicate
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
            answer a
            ask a1 q2 floor=5
            answer a at=4
            ask b2 qb
            answer a at=5
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask a1 q1
              publish q1 as a
            > answer a
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q2 floor=5
              publish q2 as a
            > answer a at=4
              duplicates seen
              record: late
            > ask b2 qb
              publish qb as b~qb
            > answer a at=5
              a1 accepted 0ns
              send a1 r3 (None of 0ns)
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

#[test]
fn a_record_put_back_from_the_dead_letters_is_no_sign_of_duplicates() {
    check(
        "
            connect a1
            connect b2
            ask a1 q1
            answer a
            answer a replayed
            ask b2 qb
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask a1 q1
              publish q1 as a
            > answer a
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > answer a replayed
              record: late
            > ask b2 qb
              publish qb as b
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
fn while_the_owed_table_is_full_every_question_takes_a_suffix() {
    check(
        "
            settings max_owed=1
            connect a1
            connect b2
            ask a1 q1
            ask b2 qb
            answer b
            disconnect a1
            ask b2 qc
            answer b~qc
            wait 240s
            ask b2 qd
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask a1 q1
              publish q1 as a
            > ask b2 qb
              publish qb as b
            > answer b
              b2 accepted 0ns
              send b2 r1 (None of 0ns)
              b2 ended: answered 0ns
              record: delivered
            > disconnect a1
            > ask b2 qc
              publish qc as b~qc
            > answer b~qc
              b2 accepted 0ns
              send b2 r2 (None of 0ns)
              b2 ended: answered 0ns
              record: delivered
            > wait 240s
              (DebtExpiry after 240s)
            > ask b2 qd
              publish qd as b
        "#]],
    );
}

#[test]
fn a_debt_that_found_no_room_makes_every_session_take_suffixes() {
    check(
        "
            settings max_owed=1
            connect a1
            connect b2
            connect c3
            ask a1 qa
            ask b2 qb
            disconnect a1
            disconnect b2
            wait 239s
            connect a4
            ask c3 qc
            answer c~qc
            connect b5
            answer b
            skip 1s
            ask c3 qd
            answer c~qd
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > connect c3
            > ask a1 qa
              publish qa as a
            > ask b2 qb
              publish qb as b
            > disconnect a1
            > disconnect b2
              b2 accepted 0ns
              b2 ended: undeliverable 0ns
              owed table full
            > wait 239s
            > connect a4
            > ask c3 qc
              publish qc as c~qc
            > answer c~qc
              c3 accepted 0ns
              send c3 r1 (None of 0ns)
              c3 ended: answered 0ns
              record: delivered
            > connect b5
            > answer b
              duplicates seen
              record: duplicate
            > skip 1s
            > ask c3 qd
              publish qd as c~qd
            > answer c~qd
              c3 accepted 0ns
              send c3 r3 (None of 0ns)
              c3 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_session_that_left_and_found_no_room_is_unknown() {
    check(
        "
            settings max_owed=0
            connect a1
            ask a1 q1
            answer a~q1
            ask a1 q2
            disconnect a1
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
            > disconnect a1
              a1 accepted 0ns
              a1 ended: undeliverable 0ns
              owed table full
            > answer a~q2
              record: foreign
        "#]],
    );
}
