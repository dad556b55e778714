//! A process that drains hands its sessions of version 2 over to others.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_drain_tells_idle_sessions_from_where_to_go_on() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 text=abcdef
        drain 1
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
            > drain 1
              close a1 draining [t4: seq 2 answered q1]
        "#]],
    );
}

#[test]
fn a_drain_serves_who_waits_then_closes() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        drain 9
        answer a~q1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > drain 9
            > answer a~q1
              tell a1 answer q1: 1/0 r1. [t3: seq 1 answered q1]
              a1 ended: answered 0ns
              record: delivered
              close a1 draining [t4: seq 1 answered q1]
        "#]],
    );
}

#[test]
fn a_question_during_a_drain_is_refused_and_may_be_asked_elsewhere() {
    check(
        "
        start a1
        drain 0
        ask a1 q1 named
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > drain 0
            > ask a1 q1 named
              tell a1 error q1 Draining
        "#]],
    );
}

#[test]
fn the_end_of_a_drain_hands_questions_over_with_a_token() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        start b1
        ask b1 q2 named
        drain_expired
        published q2
        replica 2
        start a2 t4 last=0
        recovered a2 q1
        answer a~q1 text=later
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > start b1
              tell b1 hello fresh, nothing pending [t3: seq 0]
            > ask b1 q2 named
              publish q2 as b~q2
            > drain_expired
              a1 ended: handed_off 0ns
              close a1 draining [t4: seq 0 waits q1 until 120s]
              close b1 draining [t5: seq 0]
            > published q2
              b1 accepted 0ns
              b1 ended: handed_off 0ns
            > replica 2
            > start a2 t4 last=0
              recover a2 q1 as a~q1
            > recovered a2 q1
              a2 adopted
              tell a2 hello resumed, q1 pending [t6: seq 0 waits q1 until 120s]
            > answer a~q1 text=later
              tell a2 answer q1: 1/0 late, 2/1 r. [t7: seq 2 answered q1]
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}
