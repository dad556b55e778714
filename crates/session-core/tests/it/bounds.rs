//! Everything has a bound, and something decent happens at it.

use expect_test::expect;

use crate::script::{Run, check, question_id};

/// A registry that remembers two of each, after these lines.
fn run(lines: &[&str]) -> Run {
    let mut run = Run::of("settings max_owed=2");
    for line in lines {
        run.line(line);
    }
    run
}

#[test]
fn no_more_departed_sessions_are_remembered_than_the_bound_and_none_is_evicted() {
    let mut run = run(&[]);
    for session in ["a", "b", "c", "d"] {
        for line in ["connect S1", "ask S1 qS", "disconnect S1"] {
            run.line(&line.replace('S', session));
        }
        assert!(run.registry.stats().departed <= 2);
    }
    assert_eq!(run.registry.stats().departed, 2);
    assert_eq!(run.trace.matches("owed table full").count(), 2);

    run.line("answer a");
    run.line("answer b");
    assert_eq!(run.trace.matches("record: undeliverable").count(), 2);
    run.line("answer c");
    run.line("answer d");
    assert_eq!(run.trace.matches("record: foreign").count(), 2);
}

#[test]
fn questions_that_end_unreported_are_remembered_up_to_the_bound_and_counted_at_once_past_it() {
    let mut run = run(&[
        "connect a1",
        "connect b1",
        "connect c1",
        "ask a1 qa",
        "ask b1 qb",
        "ask c1 qc",
        "wait 120s",
    ]);
    let stats = run.registry.stats();
    assert_eq!((stats.unreported, stats.waiting), (2, 0));
    assert_eq!((stats.ledger.accepted, stats.ledger.expired), (1, 1));

    for line in ["published qa", "published qb", "publish_failed qc maybe"] {
        run.line(line);
    }
    let stats = run.registry.stats();
    assert_eq!(stats.unreported, 0);
    assert_eq!((stats.ledger.accepted, stats.ledger.expired), (3, 3));
    assert_eq!(stats.ledger.publish_failed, 0);
}

#[test]
fn a_thousand_rounds_leave_nothing_behind() {
    let mut run = run(&["connect z1"]);
    let idle = run.registry.stats();
    for round in 0..1000 {
        for line in [
            "connect aN",
            "ask aN qN",
            "published qN",
            "answer a",
            "disconnect aN",
        ] {
            run.line(&line.replace('N', &(round + 1).to_string()));
        }
        assert_eq!(run.registry.poll_timeout(), None, "a dead deadline");
    }
    let stats = run.registry.stats();
    assert_eq!(stats.ledger.answered, 1000);
    assert_eq!(
        (
            stats.connected_count,
            stats.waiting,
            stats.departed,
            stats.unreported
        ),
        (idle.connected_count, 0, 0, 0)
    );
}

#[test]
fn a_session_that_times_out_over_and_over_has_one_deadline_and_one_debt() {
    let mut run = run(&["connect a1"]);
    for round in 0..300 {
        run.line(&format!("ask a1 q{round}"));
        run.line(&format!("published q{round}"));
        run.line("wait 120s");
        assert_eq!(run.registry.poll_timeout(), None);
    }
    assert_eq!(run.registry.stats().ledger.expired, 300);
    run.line("answer a");
    run.line("answer a");
    assert_eq!(run.trace.matches("record: late").count(), 2);
    assert_eq!(run.trace.matches("duplicates seen").count(), 0);
}

#[test]
fn a_departed_session_has_one_deadline_however_often_it_comes_and_goes() {
    let mut run = run(&["connect a1", "ask a1 q1", "disconnect a1"]);
    let forgotten = run.registry.poll_timeout();
    assert!(forgotten.is_some());
    for generation in 2..100 {
        run.line(&format!("connect a{generation}"));
        assert_eq!(run.registry.poll_timeout(), None);
        assert_eq!(run.registry.stats().departed, 0);
        run.line(&format!("disconnect a{generation}"));
        assert_eq!(run.registry.poll_timeout(), forgotten);
        assert_eq!(run.registry.stats().departed, 1);
    }
    run.line("wait 240s");
    assert_eq!(run.registry.stats().departed, 0);
    assert_eq!(run.registry.poll_timeout(), None);
}

#[test]
fn the_stats_tell_who_is_here_and_who_waits() {
    let mut run = run(&["connect a1", "connect b1", "connect c1", "ask b1 qb"]);
    let stats = run.registry.stats();
    assert_eq!((stats.connected_count, stats.waiting), (3, 1));
    run.line("published qb");
    assert_eq!(run.registry.stats().ledger.pending, 1);
    for line in ["connect b2", "disconnect a1", "disconnect b1"] {
        run.line(line);
    }
    let stats = run.registry.stats();
    assert_eq!(
        (stats.connected_count, stats.waiting, stats.departed),
        (2, 0, 0)
    );
    for line in ["ask c1 qc", "publish_failed qc no"] {
        run.line(line);
    }
    assert_eq!(run.registry.stats().ledger.publish_failed, 1);
}

#[test]
fn a_session_is_here_while_it_has_a_socket() {
    let mut run = run(&["connect a1"]);
    assert!(run.registry.is_connected("a") && run.registry.is_connected("a~zz"));
    assert!(
        !run.registry.is_connected("b")
            && !run.registry.is_connected("")
            && !run.registry.is_connected("~a")
    );
    run.line("ask a1 q1");
    assert!(run.registry.is_connected("a"));
    run.line("disconnect a1");
    assert!(
        !run.registry.is_connected("a"),
        "departed, though owed an answer"
    );
    run.line("connect a2");
    run.line("drain 1");
    assert!(
        run.registry.is_connected("a"),
        "told to close, not yet gone"
    );
}

#[test]
fn a_session_is_known_while_it_is_here_or_owed_something() {
    let mut run = run(&["connect a1", "ask a1 q1", "disconnect a1", "connect b2"]);
    assert!(
        run.registry.is_session_known("a") && run.registry.is_session_known("a~zz"),
        "owed"
    );
    assert!(run.registry.is_session_known("b~zz"), "here");
    assert!(!run.registry.is_session_known("c") && !run.registry.is_session_known("~a"));
    run.line("wait 240s");
    assert!(!run.registry.is_session_known("a"), "owed nothing any more");
}

#[test]
fn a_question_is_awaited_from_its_asking_until_its_answer_is_whole() {
    let mut run = run(&["connect a1", "connect b2", "connect c3"]);
    for line in ["ask c3 qc", "disconnect c3", "ask b2 qb", "ask a1 qa"] {
        run.line(line);
    }
    let awaits = |run: &Run, question| run.registry.is_question_outstanding(question_id(question));
    assert!(awaits(&run, "qa") && awaits(&run, "qb") && !awaits(&run, "qc"));
    run.line("answer b part=next");
    assert!(awaits(&run, "qb"));
    run.line("answer b part=next final");
    assert!(!awaits(&run, "qb"));
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
              (DepartedSessionExpiry after 240s)
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
