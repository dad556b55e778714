//! Answers leave in numbered parts, as they come.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_question_is_accepted_then_answered_in_numbered_parts() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 text=abcdefghi
        ask a1 q2 named
        published q2
        answer a~q2 text=xyz
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 text=abcdefghi
              tell a1 answer q1: 1/0 abcd, 2/1 efgh, 3/2 i. [t3: seq 3 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q2 named
              publish q2 as a~q2
            > published q2
              a1 accepted 0ns
              tell a1 accepted q2 [t4: seq 3 waits q2 until 120s answered q1]
            > answer a~q2 text=xyz
              tell a1 answer q2: 4/0 xyz. [t5: seq 4 answered q1 q2]
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn an_answer_before_the_delivery_report_proves_acceptance_first() {
    check(
        "
        start a1
        ask a1 q1 named
        answer a~q1 part=0 text=abc
        answer a~q1 part=1 final text=def
        published q1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > answer a~q1 part=0 text=abc
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
              tell a1 answer q1: 1/0 abc
              record: part
            > answer a~q1 part=1 final text=def
              tell a1 answer q1: 2/1 def. [t3: seq 2 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > published q1
        "#]],
    );
}

#[test]
fn a_whole_answer_before_the_delivery_report_is_accepted_first() {
    check(
        "
        start a1
        ask a1 q1 named
        answer a~q1 text=abc
        publish_failed q1 maybe
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > answer a~q1 text=abc
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
              tell a1 answer q1: 1/0 abc. [t3: seq 1 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > publish_failed q1 maybe
        "#]],
    );
}

#[test]
fn parts_leave_as_they_come_in_index_order_and_a_gap_holds_the_rest_back() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 part=0 text=abcdef
        answer a~q1 part=2 final text=z
        answer a~q1 part=1 text=gh
        answer a~q1 part=1 text=gh
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 part=0 text=abcdef
              tell a1 answer q1: 1/0 abcd, 2/1 ef
              record: part
            > answer a~q1 part=2 final text=z
              record: part
            > answer a~q1 part=1 text=gh
              tell a1 answer q1: 3/2 gh
              tell a1 answer q1: 4/3 z. [t3: seq 4 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > answer a~q1 part=1 text=gh
              record: duplicate
        "#]],
    );
}

#[test]
fn unnumbered_parts_leave_in_offset_order() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 part=next text=ab
        answer a~q1 part=next text=cd
        answer a~q1 part=next final text=ef
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 part=next text=ab
              tell a1 answer q1: 1/0 ab
              record: part
            > answer a~q1 part=next text=cd
              tell a1 answer q1: 2/1 cd
              record: part
            > answer a~q1 part=next final text=ef
              tell a1 answer q1: 3/2 ef. [t3: seq 3 answered q1]
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_second_attempt_after_parts_were_seen_is_a_failure_worth_asking_again() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 part=0 text=ab
        answer a~q1 part=0 attempt=1 text=xy
        answer a~q1 part=1 attempt=1 final text=z
        ask a1 q1 named suffix=q1again
        published q1
        answer a~q1again text=new
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 part=0 text=ab
              tell a1 answer q1: 1/0 ab
              record: part
            > answer a~q1 part=0 attempt=1 text=xy
              answer restarted
              tell a1 error q1 AnswerFailed [t3: seq 1]
              a1 ended: failed 0ns
              record: delivered
            > answer a~q1 part=1 attempt=1 final text=z
              record: duplicate
            > ask a1 q1 named suffix=q1again
              publish q1 as a~q1again
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t4: seq 1 waits q1 until 120s]
            > answer a~q1again text=new
              tell a1 answer q1: 2/0 new. [t5: seq 2 answered q1]
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_second_attempt_before_any_part_left_replaces_the_first() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 part=1 text=b
        answer a~q1 part=0 attempt=1 text=xy
        answer a~q1 part=1 attempt=1 final text=z
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 part=1 text=b
              record: part
            > answer a~q1 part=0 attempt=1 text=xy
              tell a1 answer q1: 1/0 xy
              record: part
            > answer a~q1 part=1 attempt=1 final text=z
              tell a1 answer q1: 2/1 z. [t3: seq 2 answered q1]
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn an_answer_longer_than_version_1_may_have_leaves_in_parts() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 text=abcdefghijklmnopqrstuvwxyz
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 text=abcdefghijklmnopqrstuvwxyz
              tell a1 answer q1: 1/0 abcd, 2/1 efgh, 3/2 ijkl, 4/3 mnop, 5/4 qrst, 6/5 uvwx, 7/6 yz. [t3: seq 7 answered q1]
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn what_waits_behind_a_gap_is_bounded() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 part=1 text=abcdefghijklmnopqrst
        answer a~q1 part=2 text=abcdefghijklmnopqrstu
        answer a~q1 part=3 text=u
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 part=1 text=abcdefghijklmnopqrst
              record: part
            > answer a~q1 part=2 text=abcdefghijklmnopqrstu
              record: part
            > answer a~q1 part=3 text=u
              answer too large
              tell a1 error q1 AnswerFailed [t3: seq 0]
              a1 ended: failed 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_whole_answer_after_parts_were_seen_contradicts_them() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 part=0 text=ab
        answer a~q1 text=whole
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 part=0 text=ab
              tell a1 answer q1: 1/0 ab
              record: part
            > answer a~q1 text=whole
              parts broken
              tell a1 error q1 AnswerFailed [t3: seq 1]
              a1 ended: failed 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn metadata_comes_with_the_last_part() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 part=0 text=ab metadata=[1]
        answer a~q1 part=1 final text=cd
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 part=0 text=ab metadata=[1]
              tell a1 answer q1: 1/0 ab
              record: part
            > answer a~q1 part=1 final text=cd
              tell a1 answer q1: 2/1 cd. ([1]) [t3: seq 2 answered q1]
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}
