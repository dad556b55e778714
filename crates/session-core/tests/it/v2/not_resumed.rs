//! Tests that a session that cannot be resumed whole is not resumed.

use expect_test::expect;

use crate::script::check;

/// The token says that two parts were sent; the client has one, and which answer the other was of is gone.
#[test]
fn parts_before_the_token_that_the_client_lacks_cannot_be_resumed() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 text=abcdef
        start a2 t3 last=1
        start a3
        replica 2
        start a2 t3 last=1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 text=abcdef
              tell a1 answer q1: 1/0 abcd, 2/1 ef. [t3: seq 2 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > start a2 t3 last=1
              close a1 superseded
              tell a2 not resumed
              a2 not resumed
            > start a3
              tell a3 hello fresh, nothing pending [t4: seq 0]
            > replica 2
            > start a2 t3 last=1
              tell a2 not resumed
              a2 not resumed
        "#]],
    );
}

#[test]
fn what_nobody_can_know_is_not_resumed() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        replica 2
        start a2 t2 last=0
        recovered a2 q1 lost
        answer a~q1
        disconnect a2
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > replica 2
            > start a2 t2 last=0
              recover a2 q1 as a~q1
            > recovered a2 q1 lost
              tell a2 not resumed
              a2 not resumed
            > answer a~q1
              record: handed_off
            > disconnect a2
        "#]],
    );
}

#[test]
fn a_look_up_that_never_ends_is_not_resumed() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        record a~q1
        replica 2
        start a2 t2 last=0
        wait 15s
        recovered a2 q1 r1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > record a~q1
            > replica 2
            > start a2 t2 last=0
              recover a2 q1 as a~q1
            > wait 15s
              (AnswerDeadline after 15s)
              tell a2 not resumed
              a2 not resumed
            > recovered a2 q1 r1
        "#]],
    );
}

#[test]
fn more_records_than_can_be_held_meanwhile_are_not_resumed() {
    check(
        "
        settings max_answer=300
        start a1
        ask a1 q1 named
        published q1
        replica 2
        start a2 t2 last=0
        answer a~q1 part=0 text=abcd
        answer a~q1 part=1 text=abcd
        answer a~q1 part=2 text=abcd
        recovered a2 q1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > replica 2
            > start a2 t2 last=0
              recover a2 q1 as a~q1
            > answer a~q1 part=0 text=abcd
            > answer a~q1 part=1 text=abcd
            > answer a~q1 part=2 text=abcd
            > recovered a2 q1
              tell a2 not resumed
              a2 not resumed
        "#]],
    );
}

/// Nobody knows of which of the two the client has the beginning.
#[test]
fn two_answers_in_two_partitions_are_not_resumed_in_the_middle() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        record a~q1 text=abcdef in=0
        record a~q1 text=uvwxyz in=1
        replica 2
        start a2 t2 last=1
        recovered a2 q1 r1 r2
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > record a~q1 text=abcdef in=0
            > record a~q1 text=uvwxyz in=1
            > replica 2
            > start a2 t2 last=1
              recover a2 q1 as a~q1
            > recovered a2 q1 r1 r2
              tell a2 not resumed
              a2 not resumed
        "#]],
    );
}

#[test]
fn two_answers_in_two_partitions_are_resumed_from_the_beginning() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        record a~q1 text=abcdef in=0
        record a~q1 text=uvwxyz in=1
        replica 2
        start a2 t2 last=0
        recovered a2 q1 r1 r2
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > record a~q1 text=abcdef in=0
            > record a~q1 text=uvwxyz in=1
            > replica 2
            > start a2 t2 last=0
              recover a2 q1 as a~q1
            > recovered a2 q1 r1 r2
              a2 adopted
              tell a2 hello resumed, q1 pending [t3: seq 0 waits q1 until 120s]
              tell a2 answer q1: 1/0 abcd, 2/1 ef. [t4: seq 2 answered q1]
              a2 ended: answered 0ns
              record: delivered
              record: duplicate
        "#]],
    );
}

#[test]
fn numbered_parts_in_several_partitions_are_resumed() {
    check(
        "
        settings max_answer=2000
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 part=0 text=ab in=1
        record a~q1 part=1 text=cd in=0
        record a~q1 part=1 text=cd in=2
        record a~q1 part=2 final text=ef in=1
        replica 2
        start a2 t2 last=1
        recovered a2 q1 r1 r2 r3 r4
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 part=0 text=ab in=1
              tell a1 answer q1: 1/0 ab
              record: part
            > record a~q1 part=1 text=cd in=0
            > record a~q1 part=1 text=cd in=2
            > record a~q1 part=2 final text=ef in=1
            > replica 2
            > start a2 t2 last=1
              recover a2 q1 as a~q1
            > recovered a2 q1 r1 r2 r3 r4
              a2 adopted
              tell a2 hello resumed, q1 pending [t3: seq 0 waits q1 until 120s]
              record: part
              tell a2 answer q1: 2/1 cd
              record: part
              tell a2 answer q1: 3/2 ef. [t4: seq 3 answered q1]
              a2 ended: answered 0ns
              record: delivered
              record: duplicate
        "#]],
    );
}

#[test]
fn two_attempts_in_several_partitions_are_not_resumed_in_the_middle() {
    check(
        "
        settings max_answer=2000
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 part=0 text=ab in=1
        record a~q1 part=0 attempt=1 text=cd in=0
        replica 2
        start a2 t2 last=1
        recovered a2 q1 r1 r2
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 part=0 text=ab in=1
              tell a1 answer q1: 1/0 ab
              record: part
            > record a~q1 part=0 attempt=1 text=cd in=0
            > replica 2
            > start a2 t2 last=1
              recover a2 q1 as a~q1
            > recovered a2 q1 r1 r2
              tell a2 not resumed
              a2 not resumed
        "#]],
    );
}

#[test]
fn the_same_text_in_two_partitions_is_resumed() {
    check(
        "
        settings max_answer=2000
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 text=abcdef in=1
        record a~q1 text=abcdef in=0
        replica 2
        start a2 t2 last=1
        recovered a2 q1 r1 r2
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 text=abcdef in=1
              tell a1 answer q1: 1/0 abcd, 2/1 ef. [t3: seq 2 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > record a~q1 text=abcdef in=0
            > replica 2
            > start a2 t2 last=1
              recover a2 q1 as a~q1
            > recovered a2 q1 r1 r2
              a2 adopted
              tell a2 hello resumed, q1 pending [t4: seq 0 waits q1 until 120s]
              tell a2 answer q1: 2/1 ef. [t5: seq 2 answered q1]
              a2 ended: answered 0ns
              record: delivered
              record: duplicate
        "#]],
    );
}
