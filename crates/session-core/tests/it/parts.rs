//! Answers that come in parts are given joined, once, and wait from part to part.

use expect_test::expect;

use crate::script::check;

#[test]
fn parts_are_given_joined_in_one_frame() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            answer a part=1 text=b
            answer a part=0 text=a
            answer a part=2 text=c final
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > answer a part=1 text=b
              record: part
            > answer a part=0 text=a
              record: part
            > answer a part=2 text=c final
              send a1 abc (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn each_part_gives_the_next_its_time_and_all_have_a_last_moment() {
    check(
        "
            connect a1
            ask a1 q1
            wait 119s
            answer a part=0
            wait 29s
            answer a part=1
            wait 30s
            ask a1 q2
            answer a~q2 part=next
            wait 29s
            answer a~q2 part=next
            skip 540s
            answer a~q2 part=next
            wait 10s
            wait 10s
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > wait 119s
            > answer a part=0
              a1 accepted 119s
              record: part
            > wait 29s
            > answer a part=1
              record: part
            > wait 30s
              (AnswerDeadline after 30s)
              send a1 timed out
              a1 ended: expired 178s
            > ask a1 q2
              publish q2 as a~q2
            > answer a~q2 part=next
              a1 accepted 0ns
              record: part
            > wait 29s
            > answer a~q2 part=next
              record: part
            > skip 540s
            > answer a~q2 part=next
              record: part
            > wait 10s
            > wait 10s
        "#]],
    );
}

#[test]
fn a_first_part_proves_that_the_question_was_accepted() {
    check(
        "
            connect a1
            ask a1 q1
            answer a part=0
            publish_failed q1 maybe
            answer a part=1 final
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > answer a part=0
              a1 accepted 0ns
              record: part
            > publish_failed q1 maybe
            > answer a part=1 final
              send a1 r1r2 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn another_attempt_starts_the_answer_anew() {
    check(
        "
            connect a1
            ask a1 q1
            answer a part=0 text=old
            answer a part=0 attempt=1 text=new-
            answer a part=1 text=old final
            answer a part=1 attempt=1 text=new final
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > answer a part=0 text=old
              a1 accepted 0ns
              record: part
            > answer a part=0 attempt=1 text=new-
              record: part
            > answer a part=1 text=old final
              record: late
            > answer a part=1 attempt=1 text=new final
              send a1 new-new (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn an_error_or_a_whole_answer_ends_what_came_in_parts() {
    check(
        "
            connect a1
            ask a1 q1
            answer a part=0
            answer a part=1 failed
            ask a1 q2
            answer a part=0
            answer a text=whole
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > answer a part=0
              a1 accepted 0ns
              record: part
            > answer a part=1 failed
              send a1 answer failed
              a1 ended: failed 0ns
              record: delivered
            > ask a1 q2
              publish q2 as a~q2
            > answer a part=0
              record: late
            > answer a text=whole
              record: late
        "#]],
    );
}

#[test]
fn parts_that_contradict_each_other_or_are_too_long_end_their_question() {
    check(
        "
            connect a1
            ask a1 q1
            answer a part=0
            answer a part=next
            ask a1 q2
            answer a part=0 text=12345678901234567890
            answer a part=1 text=1 final
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > answer a part=0
              a1 accepted 0ns
              record: part
            > answer a part=next
              parts broken
              send a1 answer failed
              a1 ended: failed 0ns
              record: delivered
            > ask a1 q2
              publish q2 as a~q2
            > answer a part=0 text=12345678901234567890
              record: late
            > answer a part=1 text=1 final
              record: late
        "#]],
    );
}

#[test]
fn a_lost_sockets_parts_are_undeliverable_to_the_last() {
    check(
        "
            connect a1
            ask a1 q1
            answer a part=0
            disconnect a1
            connect a2
            answer a part=1
            answer a part=2 final
            answer a part=2 final
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > answer a part=0
              a1 accepted 0ns
              record: part
            > disconnect a1
              a1 ended: undeliverable 0ns
            > connect a2
            > answer a part=1
              record: undeliverable
            > answer a part=2 final
              record: undeliverable
            > answer a part=2 final
              duplicates seen
              record: duplicate
        "#]],
    );
}

#[test]
fn the_next_question_takes_a_suffix_where_more_parts_may_come() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            answer a part=0 final
            ask a1 q2
            published q2
            answer a part=0
            answer a part=0 attempt=1 final
            ask a1 q3
            published q3
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > answer a part=0 final
              send a1 r1 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q2
              publish q2 as a
            > published q2
              a1 accepted 0ns
            > answer a part=0
              record: part
            > answer a part=0 attempt=1 final
              send a1 r3 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q3
              publish q3 as a~q3
            > published q3
              a1 accepted 0ns
        "#]],
    );
}

#[test]
fn a_part_that_comes_again_tells_of_duplicates_where_it_could_be_another_questions() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            answer a part=0
            answer a part=0 echo=q1 replayed
            answer a part=1 final
            ask a1 q2
            published q2
            answer a part=0
            answer a part=0
            answer a part=1 final
            ask a1 q3
            answer a~q3 part=0
            answer a~q3 part=0
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > answer a part=0
              record: part
            > answer a part=0 echo=q1 replayed
              record: duplicate
            > answer a part=1 final
              send a1 r1r3 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q2
              publish q2 as a
            > published q2
              a1 accepted 0ns
            > answer a part=0
              record: part
            > answer a part=0
              duplicates seen
              record: duplicate
            > answer a part=1 final
              send a1 r4r6 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q3
              publish q3 as a~q3
            > answer a~q3 part=0
              a1 accepted 0ns
              record: part
            > answer a~q3 part=0
              record: duplicate
        "#]],
    );
}

#[test]
fn an_answer_at_the_limit_is_given_and_one_over_it_is_not() {
    check(
        "
            connect a1
            ask a1 q1
            published q1
            answer a text=12345678901234567890
            ask a1 q2
            published q2
            answer a text=123456789012345678901
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > published q1
              a1 accepted 0ns
            > answer a text=12345678901234567890
              send a1 12345678901234567890 (Some(0ns) of 0ns)
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q2
              publish q2 as a
            > published q2
              a1 accepted 0ns
            > answer a text=123456789012345678901
              answer too large
              send a1 answer failed
              a1 ended: failed 0ns
              record: delivered
        "#]],
    );
}
