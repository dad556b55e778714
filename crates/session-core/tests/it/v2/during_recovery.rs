//! Things happen while a resumed session's past is looked up.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_socket_lost_while_the_past_is_looked_up_is_resumed_by_the_next() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        record a~q1 text=abc
        replica 2
        start a2 t2 last=0
        disconnect a2
        recovered a2 q1 r1
        start a3 t2 last=0
        recovered a3 q1 r1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > record a~q1 text=abc
            > replica 2
            > start a2 t2 last=0
              recover a2 q1 as a~q1
            > disconnect a2
            > recovered a2 q1 r1
            > start a3 t2 last=0
              recover a3 q1 as a~q1
            > recovered a3 q1 r1
              a3 adopted
              tell a3 hello resumed, q1 pending [t3: seq 0 waits q1 until 120s]
              tell a3 answer q1: 1/0 abc. [t4: seq 1 answered q1]
              a3 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_question_cancelled_while_its_past_is_looked_up_is_gone() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        record a~q1
        replica 2
        start a2 t2 last=0
        cancel a2 q1
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
            > cancel a2 q1
              tell a2 error q1 Cancelled [t3: seq 0]
            > recovered a2 q1 r1
        "#]],
    );
}

#[test]
fn a_failure_written_meanwhile_is_told_after_the_hello() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        record a~q1 failed
        replica 2
        start a2 t2 last=0
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
            > record a~q1 failed
            > replica 2
            > start a2 t2 last=0
              recover a2 q1 as a~q1
            > recovered a2 q1 r1
              a2 adopted
              tell a2 hello resumed, q1 pending [t3: seq 0 waits q1 until 120s]
              tell a2 error q1 AnswerFailed [t4: seq 0]
              a2 ended: failed 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn replicas_number_parts_alike() {
    check(
        "
        settings part=2
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 part=0 text=abc
        answer a~q1 part=1 text=defg
        replica 2
        start a2 t2 last=3
        record a~q1 part=2 final text=h
        recovered a2 q1 r1 r2 r3
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 part=0 text=abc
              tell a1 answer q1: 1/0 ab, 2/1 c
              record: part
            > answer a~q1 part=1 text=defg
              tell a1 answer q1: 3/2 de, 4/3 fg
              record: part
            > replica 2
            > start a2 t2 last=3
              recover a2 q1 as a~q1
            > record a~q1 part=2 final text=h
            > recovered a2 q1 r1 r2 r3
              a2 adopted
              tell a2 hello resumed, q1 pending [t3: seq 0 waits q1 until 120s]
              record: part
              tell a2 answer q1: 4/3 fg
              record: part
              tell a2 answer q1: 5/4 h. [t4: seq 5 answered q1]
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn another_attempt_meanwhile_is_a_failure_when_the_client_has_parts_of_the_first() {
    check(
        "
        settings max_answer=2000
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 part=0 text=abc
        record a~q1 part=0 attempt=1 text=uvw
        record a~q1 part=1 attempt=1 final text=xyz
        replica 2
        start a2 t2 last=1
        recovered a2 q1 r1 r2 r3
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 part=0 text=abc
              tell a1 answer q1: 1/0 abc
              record: part
            > record a~q1 part=0 attempt=1 text=uvw
            > record a~q1 part=1 attempt=1 final text=xyz
            > replica 2
            > start a2 t2 last=1
              recover a2 q1 as a~q1
            > recovered a2 q1 r1 r2 r3
              a2 adopted
              tell a2 hello resumed, q1 pending [t3: seq 0 waits q1 until 120s]
              record: part
              answer restarted
              tell a2 error q1 AnswerFailed [t4: seq 1]
              a2 ended: failed 0ns
              record: delivered
              record: duplicate
        "#]],
    );
}

#[test]
fn an_unaccepted_question_is_asked_again_at_another_replica() {
    check(
        "
        start a1
        ask a1 q1 named
        disconnect a1
        replica 2
        start a2 t1 last=0
        ask a2 q1 named suffix=second
        published q1
        answer a~q1 text=first
        answer a~second text=second
        replica 1
        published q1
        again r2
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > disconnect a1
            > replica 2
            > start a2 t1 last=0
              tell a2 hello resumed, nothing pending [t2: seq 0]
            > ask a2 q1 named suffix=second
              publish q1 as a~second
            > published q1
              a2 accepted 0ns
              tell a2 accepted q1 [t3: seq 0 waits q1 until 120s]
            > answer a~q1 text=first
              record: late
            > answer a~second text=second
              tell a2 answer q1: 1/0 seco, 2/1 nd. [t4: seq 2 answered q1]
              a2 ended: answered 0ns
              record: delivered
            > replica 1
            > published q1
              a1 accepted 0ns
              a1 ended: handed_off 0ns
            > again r2
              record: handed_off
        "#]],
    );
}
