//! Everything has a bound, and something decent happens at it.

use crate::script::Run;

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
        assert!(run.registry.stats().owed <= 2);
    }
    assert_eq!(run.registry.stats().owed, 2);
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
        for line in ["connect aN", "ask aN qN", "answer a", "disconnect aN"] {
            run.line(&line.replace('N', &(round + 1).to_string()));
        }
        assert_eq!(run.registry.poll_timeout(), None, "a dead deadline");
    }
    let stats = run.registry.stats();
    assert_eq!(stats.ledger.answered, 1000);
    assert_eq!(
        (stats.connected, stats.waiting, stats.owed, stats.unreported),
        (idle.connected, 0, 0, 0)
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
    assert_eq!(run.trace.matches("record: late").count(), 1);
    assert_eq!(run.trace.matches("duplicates seen").count(), 1);
}

#[test]
fn a_departed_session_has_one_deadline_however_often_it_comes_and_goes() {
    let mut run = run(&["connect a1", "ask a1 q1", "disconnect a1"]);
    let forgotten = run.registry.poll_timeout();
    assert!(forgotten.is_some());
    for generation in 2..100 {
        run.line(&format!("connect a{generation}"));
        assert_eq!(run.registry.poll_timeout(), None);
        assert_eq!(run.registry.stats().owed, 0);
        run.line(&format!("disconnect a{generation}"));
        assert_eq!(run.registry.poll_timeout(), forgotten);
        assert_eq!(run.registry.stats().owed, 1);
    }
    run.line("wait 240s");
    assert_eq!(run.registry.stats().owed, 0);
    assert_eq!(run.registry.poll_timeout(), None);
}

#[test]
fn the_stats_tell_who_is_here_and_who_waits() {
    let mut run = run(&["connect a1", "connect b1", "connect c1", "ask b1 qb"]);
    let stats = run.registry.stats();
    assert_eq!((stats.connected, stats.waiting), (3, 1));
    run.line("published qb");
    assert_eq!(run.registry.stats().ledger.pending, 1);
    for line in ["connect b2", "disconnect a1", "disconnect b1"] {
        run.line(line);
    }
    let stats = run.registry.stats();
    assert_eq!((stats.connected, stats.waiting, stats.owed), (2, 0, 0));
}

#[test]
fn a_session_is_here_while_it_has_a_socket() {
    let mut run = run(&["connect a1"]);
    assert!(run.registry.is_here("a") && run.registry.is_here("a~zz"));
    assert!(!run.registry.is_here("b") && !run.registry.is_here("") && !run.registry.is_here("~a"));
    run.line("ask a1 q1");
    assert!(run.registry.is_here("a"));
    run.line("disconnect a1");
    assert!(
        !run.registry.is_here("a"),
        "departed, though owed an answer"
    );
    run.line("connect a2");
    run.line("drain 1");
    assert!(run.registry.is_here("a"), "told to close, not yet gone");
}
