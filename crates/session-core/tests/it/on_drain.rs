//! The process is asked to end.

use expect_test::expect;

use crate::script::check;

#[test]
fn idle_sessions_are_closed_a_few_at_a_time() {
    check(
        "
            connect c3
            connect a1
            connect b2
            drain 2
            drain 2
            drain 2
        ",
        expect![[r#"
            > connect c3
            > connect a1
            > connect b2
            > drain 2
              close a1 draining
              close b2 draining
            > drain 2
              close c3 draining
            > drain 2
        "#]],
    );
}

#[test]
fn a_waiting_session_gets_its_answer_and_then_its_close() {
    check(
        "
            connect a1
            connect b2
            ask a1 q1
            drain 5
            answer a
            drain 5
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > ask a1 q1
              publish q1 as a
            > drain 5
              close b2 draining
            > answer a
              a1 accepted 0ns
              send a1 r1 (None of 0ns)
              a1 ended: answered 0ns
              record: delivered
              close a1 draining
            > drain 5
        "#]],
    );
}

#[test]
fn a_waiting_session_that_times_out_is_closed() {
    check(
        "
            connect a1
            ask a1 q1
            drain 5
            wait 120s
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > drain 5
            > wait 120s
              (AnswerDeadline after 120s)
              send a1 timed out
              close a1 draining
        "#]],
    );
}

#[test]
fn a_socket_that_comes_while_draining_is_closed_by_the_next_drain() {
    check(
        "
            drain 1
            connect a1
            ask a1 q1
            drain 1
        ",
        expect![[r#"
            > drain 1
            > connect a1
            > ask a1 q1
              send a1 draining
            > drain 1
              close a1 draining
        "#]],
    );
}

#[test]
fn a_takeover_while_draining_closes_both() {
    check(
        "
            connect a1
            ask a1 q1
            drain 1
            connect a2
            drain 1
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > drain 1
            > connect a2
              close a1 superseded
            > drain 1
              close a2 draining
        "#]],
    );
}

#[test]
fn a_socket_that_went_by_itself_is_not_closed() {
    check(
        "
            connect a1
            connect b2
            drain 0
            disconnect a1
            drain 1
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > drain 0
            > disconnect a1
            > drain 1
              close b2 draining
        "#]],
    );
}

#[test]
fn a_departed_session_needs_no_close() {
    check(
        "
            connect a1
            ask a1 q1
            disconnect a1
            drain 5
            drain_expired
        ",
        expect![[r#"
            > connect a1
            > ask a1 q1
              publish q1 as a
            > disconnect a1
            > drain 5
            > drain_expired
        "#]],
    );
}

#[test]
fn the_end_of_the_budget_tells_who_waits_and_closes_everybody() {
    check(
        "
            connect a1
            connect b2
            connect c3
            ask b2 qb
            ask a1 qa
            published qa
            drain 0
            drain_expired
            published qb
            drain_expired
        ",
        expect![[r#"
            > connect a1
            > connect b2
            > connect c3
            > ask b2 qb
              publish qb as b
            > ask a1 qa
              publish qa as a
            > published qa
              a1 accepted 0ns
            > drain 0
            > drain_expired
              send a1 timed out
              a1 ended: expired 0ns
              close a1 draining
              send b2 timed out
              close b2 draining
              close c3 draining
            > published qb
              b2 accepted 0ns
              b2 ended: expired 0ns
            > drain_expired
        "#]],
    );
}

#[test]
fn the_end_of_the_budget_does_not_need_a_drain_before() {
    check(
        "
            connect a1
            drain_expired
            ask a1 q1
            connect b2
            ask b2 q2
            drain_expired
        ",
        expect![[r#"
            > connect a1
            > drain_expired
              close a1 draining
            > ask a1 q1
            > connect b2
            > ask b2 q2
              send b2 draining
            > drain_expired
              close b2 draining
        "#]],
    );
}
