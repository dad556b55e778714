//! Tests the arguments of `replay`, and the report of a run.

use std::collections::BTreeMap;

use clap::Parser;
use gateway::cli::replay::{ReplayArguments, print_result};
use gateway::cli::{Cli, CliCommand};
use kafka_ingest::status::MissingPrerequisite;
use kafka_ingest::{ReplayError, ReplayMode, ReplaySelection, ReplaySummary};

fn parsed(line: &str) -> Result<ReplayArguments, clap::Error> {
    let words = ["answer-gateway"]
        .into_iter()
        .chain(line.split_whitespace());
    let command = Cli::try_parse_from(words)?.into_command();
    let CliCommand::Replay(arguments) = command else {
        panic!("{command:?}")
    };
    Ok(arguments)
}

/// The report, and the exit code.
fn told(
    outcome: Result<(), ReplayError>,
    mode: ReplayMode,
    summary: &ReplaySummary,
) -> (String, String, u8) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = print_result(outcome, mode, summary, &mut out, &mut err).expect("written");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(out), text(err), code)
}

fn some() -> ReplaySummary {
    ReplaySummary {
        read: 9,
        chosen: BTreeMap::from([("magic", 2), ("schema_not_found", 1)]),
        replayed: 3,
        already_replayed: 4,
        left: 2,
        ..ReplaySummary::default()
    }
}

#[test]
fn everything_is_chosen_unless_something_is() {
    let all = parsed("replay").expect("right");
    assert_eq!(all.selection(), ReplaySelection::default());
    assert_eq!(all.mode(), ReplayMode::Write);
    let some = parsed(
        "--set a=1 replay --dry-run --reason magic --reason other --partition 1 --from 2 --until 3 --limit 4 --set b=2",
    );
    let some = some.expect("right");
    assert_eq!(some.mode(), ReplayMode::DryRun);
    assert_eq!(some.settings.set, ["a=1", "b=2"]);
    let selection = ReplaySelection {
        reasons: vec!["magic".to_owned(), "other".to_owned()],
        partition: Some(1),
        from: Some(2),
        until: Some(3),
        limit: Some(4),
    };
    assert_eq!(some.selection(), selection);
}

#[test]
fn a_wrong_argument_is_told_with_what_would_be_right() {
    let wrong = parsed("replay --reason bad").expect_err("no such reason");
    assert!(wrong.to_string().contains("schema_not_found"), "{wrong}");
    for line in ["--from -1", "--partition x", "--limit 0"] {
        assert!(parsed(&format!("replay {line}")).is_err(), "{line}");
    }
}

#[test]
fn a_run_is_told_by_reason() {
    let (out, err, code) = told(Ok(()), ReplayMode::Write, &some());
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        out,
        "3 dead letters replayed, 9 records read\n  magic                2\n  schema_not_found     1\n\
         replayed before: 4\nnot chosen: 2\n"
    );
}

#[test]
fn a_dry_run_says_what_would_be_done() {
    let summary = ReplaySummary {
        replayed: 0,
        ..some()
    };
    let (out, _, code) = told(Ok(()), ReplayMode::DryRun, &summary);
    assert_eq!(code, 0);
    assert!(out.starts_with("3 dead letters would be replayed, 9 records read\n"));
}

#[test]
fn a_run_that_ended_early_says_so_and_what_it_did() {
    let refused = Err(ReplayError::NotWritten("refused".to_owned()));
    let (out, err, code) = told(refused, ReplayMode::Write, &some());
    assert_eq!(code, 1);
    assert!(out.starts_with("3 dead letters replayed"), "{out}");
    assert!(
        err.contains("refused") && err.contains("run it again"),
        "{err}"
    );
}

#[test]
fn a_run_that_did_not_begin_says_what_is_missing() {
    let topic = "respostas.dlq".to_owned();
    let missing = Err(ReplayError::Missing(MissingPrerequisite::Topic { topic }));
    let nothing = ReplaySummary::default();
    let (out, err, code) = told(missing, ReplayMode::Write, &nothing);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(err, "error: the topic respostas.dlq does not exist\n");
}
