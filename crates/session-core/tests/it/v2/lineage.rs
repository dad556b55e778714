//! Two clients on one session id, or one page before and after it is loaded again, share no question.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_page_that_is_loaded_again_is_not_shown_the_answer_to_the_question_it_asked_before_under_the_same_id()
 {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        disconnect a1
        start a2
        ask a2 q1 named suffix=q1b
        published q1
        answer a~q1 echo=a1:q1
        answer a~q1
        answer a~q1b echo=a2:q1
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
            > start a2
              tell a2 hello fresh, nothing pending [t3: seq 0]
            > ask a2 q1 named suffix=q1b
              publish q1 as a~q1b
            > published q1
              a2 accepted 0ns
              tell a2 accepted q1 [t4: seq 0 waits q1 until 120s]
            > answer a~q1 echo=a1:q1
              record: late
            > answer a~q1
              record: late
            > answer a~q1b echo=a2:q1
              tell a2 answer q1: 1/0 r3. [t5: seq 1 answered q1]
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_client_at_another_replica_is_not_shown_the_answer_to_an_older_question_of_the_same_id() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        replica 2
        start a2
        ask a2 q1 named suffix=q1b
        published q1
        answer a~q1 echo=a1:q1
        answer a~q1b echo=a2:q1
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
            > start a2
              tell a2 hello fresh, nothing pending [t3: seq 0]
            > ask a2 q1 named suffix=q1b
              publish q1 as a~q1b
            > published q1
              a2 accepted 0ns
              tell a2 accepted q1 [t4: seq 0 waits q1 until 120s]
            > answer a~q1 echo=a1:q1
              record: late
            > answer a~q1b echo=a2:q1
              tell a2 answer q1: 1/0 r2. [t5: seq 1 answered q1]
              a2 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_question_keeps_its_id_through_resumption_and_retry() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        disconnect a1
        replica 2
        start a2 t2 last=0
        recovered a2 q1
        ask a2 q1 named
        answer a~q1 echo=a1:q1
        ask a2 q1 named
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
            > replica 2
            > start a2 t2 last=0
              recover a2 q1 as a~q1
            > recovered a2 q1
              a2 adopted
              tell a2 hello resumed, q1 pending [t3: seq 0 waits q1 until 120s]
            > ask a2 q1 named
              tell a2 accepted q1 [t4: seq 0 waits q1 until 120s]
            > answer a~q1 echo=a1:q1
              tell a2 answer q1: 1/0 r1. [t5: seq 1 answered q1]
              a2 ended: answered 0ns
              record: delivered
            > ask a2 q1 named
              recover a2 q1 as a~q1
        "#]],
    );
}

#[test]
fn the_owner_of_a_session_comes_back_with_its_token_after_a_newcomer_took_its_id() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        disconnect a1
        start a2
        ask a2 q1 named suffix=q1b
        published q1
        start a3 t2 last=0
        recovered a3 a1:q1
        answer a~q1b echo=a2:q1
        answer a~q1 echo=a1:q1
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
            > start a2
              tell a2 hello fresh, nothing pending [t3: seq 0]
            > ask a2 q1 named suffix=q1b
              publish q1 as a~q1b
            > published q1
              a2 accepted 0ns
              tell a2 accepted q1 [t4: seq 0 waits q1 until 120s]
            > start a3 t2 last=0
              a2 ended: handed_off 0ns
              close a2 superseded
              recover a3 q1 as a~q1
            > recovered a3 a1:q1
              a3 adopted
              tell a3 hello resumed, q1 pending [t5: seq 0 waits q1 until 120s]
            > answer a~q1b echo=a2:q1
              record: late
            > answer a~q1 echo=a1:q1
              tell a3 answer q1: 1/0 r2. [t6: seq 1 answered q1]
              a3 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn no_socket_without_a_token_replaces_the_socket_of_a_live_version_2_session() {
    check(
        "
        start a1
        start a2
        connect a3
        disconnect a2
        disconnect a3
        ask a1 q1 named
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > start a2
              a2 session id in use
              tell a2 session id in use
            > connect a3
              a3 session id in use
              close a3 superseded
            > disconnect a2
            > disconnect a3
            > ask a1 q1 named
              publish q1 as a~q1
        "#]],
    );
}

#[test]
fn a_fresh_start_leaves_a_live_version_1_session_alone() {
    check(
        "
        connect a1
        start a2
        ask a1 q1
        ",
        expect![[r#"
            > connect a1
            > start a2
              a2 session id in use
              tell a2 session id in use
            > ask a1 q1
              publish q1 as a
        "#]],
    );
}
