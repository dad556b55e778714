//! A session goes on at a new socket, here or at another replica, and gets what it lacks.

use expect_test::expect;

use crate::script::check;

#[test]
fn an_answer_written_while_no_socket_was_there_is_found_and_shown() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        disconnect a1
        answer a~q1 text=abcdef
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
            > disconnect a1
              a1 ended: handed_off 0ns
            > answer a~q1 text=abcdef
              record: handed_off
            > start a2 t2 last=0
              recover a2 q1 as a~q1
            > recovered a2 q1 r1
              a2 adopted
              tell a2 hello resumed, q1 pending [t3: seq 0 waits q1 until 120s]
              tell a2 answer q1: 1/0 abcd, 2/1 ef. [t4: seq 2 answered q1]
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn at_another_replica_the_question_goes_on_waiting_with_what_is_left_of_its_time() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        wait 100s
        replica 2
        start a2 t2 last=0
        recovered a2 q1
        ask a2 q2 named
        wait 20s
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > wait 100s
            > replica 2
            > start a2 t2 last=0
              recover a2 q1 as a~q1
            > recovered a2 q1
              a2 adopted
              tell a2 hello resumed, q1 pending [t3: seq 0 waits q1 until 120s]
            > ask a2 q2 named
              tell a2 error q1 Busy
            > wait 20s
              (AnswerDeadline after 20s)
              tell a2 error q1 Timeout [t4: seq 0]
              a2 ended: expired 20s
        "#]],
    );
}

#[test]
fn what_comes_while_the_past_is_looked_up_is_shown_once_and_in_order() {
    check(
        "
        settings max_answer=2000
        start a1
        ask a1 q1 named
        published q1
        replica 2
        start a2 t2 last=0
        record a~q1 part=0 text=ab
        record a~q1 part=1 text=cd
        again r2
        answer a~q1 part=2 final text=ef
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
            > replica 2
            > start a2 t2 last=0
              recover a2 q1 as a~q1
            > record a~q1 part=0 text=ab
            > record a~q1 part=1 text=cd
            > again r2
            > answer a~q1 part=2 final text=ef
            > recovered a2 q1 r1 r2
              a2 adopted
              tell a2 hello resumed, q1 pending [t3: seq 0 waits q1 until 120s]
              tell a2 answer q1: 1/0 ab
              record: part
              tell a2 answer q1: 2/1 cd
              record: part
              tell a2 answer q1: 3/2 ef. [t4: seq 3 answered q1]
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn parts_that_the_client_has_are_not_sent_again() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 part=0 text=abcdef
        answer a~q1 part=1 text=ghi
        replica 2
        start a2 t2 last=2
        recovered a2 q1 r2 r1
        answer a~q1 part=2 final text=jk
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
            > answer a~q1 part=1 text=ghi
              tell a1 answer q1: 3/2 ghi
              record: part
            > replica 2
            > start a2 t2 last=2
              recover a2 q1 as a~q1
            > recovered a2 q1 r2 r1
              a2 adopted
              tell a2 hello resumed, q1 pending [t3: seq 0 waits q1 until 120s]
              record: part
              tell a2 answer q1: 3/2 ghi
              record: part
            > answer a~q1 part=2 final text=jk
              tell a2 answer q1: 4/3 jk. [t4: seq 4 answered q1]
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_whole_answer_cut_in_the_middle_goes_on_where_the_client_stopped() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 text=abcdefghijkl
        replica 2
        start a2 t2 last=2
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
            > answer a~q1 text=abcdefghijkl
              tell a1 answer q1: 1/0 abcd, 2/1 efgh, 3/2 ijkl. [t3: seq 3 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > replica 2
            > start a2 t2 last=2
              recover a2 q1 as a~q1
            > recovered a2 q1 r1
              a2 adopted
              tell a2 hello resumed, q1 pending [t4: seq 0 waits q1 until 120s]
              tell a2 answer q1: 3/2 ijkl. [t5: seq 3 answered q1]
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn an_answer_the_client_has_all_of_leaves_nothing_pending() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 text=abcdef
        replica 2
        start a2 t2 last=2
        recovered a2 q1 r1
        ask a2 q2 named
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
            > answer a~q1 text=abcdef
              tell a1 answer q1: 1/0 abcd, 2/1 ef. [t3: seq 2 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > replica 2
            > start a2 t2 last=2
              recover a2 q1 as a~q1
            > recovered a2 q1 r1
              a2 adopted
              tell a2 hello resumed, nothing pending [t4: seq 2 answered q1]
              a2 ended: answered 0ns
              record: delivered
            > ask a2 q2 named
              publish q2 as a~q2
            > published q2
              a2 accepted 0ns
              tell a2 accepted q2 [t5: seq 2 waits q2 until 120s answered q1]
            > answer a~q2 text=xyz
              tell a2 answer q2: 3/0 xyz. [t6: seq 3 answered q1 q2]
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_token_without_a_question_goes_on_numbering() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 text=abcdef
        replica 2
        start a2 t3 last=2
        ask a2 q1 named
        ask a2 q2 named
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
            > answer a~q1 text=abcdef
              tell a1 answer q1: 1/0 abcd, 2/1 ef. [t3: seq 2 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > replica 2
            > start a2 t3 last=2
              tell a2 hello resumed, nothing pending [t4: seq 2 answered q1]
            > ask a2 q1 named
              tell a2 error q1 AlreadyAnswered
            > ask a2 q2 named
              publish q2 as a~q2
            > published q2
              a2 accepted 0ns
              tell a2 accepted q2 [t5: seq 2 waits q2 until 120s answered q1]
            > answer a~q2 text=xyz
              tell a2 answer q2: 3/0 xyz. [t6: seq 3 answered q1 q2]
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}
