//! `answer-gateway check`: settings, then Kafka and the registry, then, if asked, one question through
//! all of it.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};

use gateway::cli::ask;
use gateway::cli::check::{CheckArguments, FindingReporter};
use gateway::config::{Config, DeliveryMode, LoadedConfig, Purpose, WireId};
use kafka_ingest::Finding;
use tokio::sync::oneshot;

use crate::open_files::{OpenFileLimit, Shortage};
use crate::{component_settings, process};

/// Looks at everything and tells `out`. Returns the exit code; see the command's help.
///
/// # Errors
///
/// When `out` or `err` cannot be written.
pub(crate) fn run_check(
    arguments: &CheckArguments,
    out: &mut (dyn Write + Send),
    err: &mut dyn Write,
) -> io::Result<u8> {
    let loaded = match arguments.settings.load(Purpose::Run) {
        Ok(loaded) => loaded,
        Err(errors) => {
            writeln!(err, "{errors}")?;
            return Ok(2);
        }
    };
    let mut teller = FindingReporter::new(out, arguments.json);
    if loaded.warnings.is_empty() {
        teller.report(Finding::ok("settings", "every setting is valid"));
    }
    for warning in &loaded.warnings {
        teller.report(Finding::warning("settings", warning, ""));
    }
    teller.report(check_open_files(&loaded.config));
    let runtime = tokio::runtime::Runtime::new()?;
    let settings = component_settings::check_settings(&loaded.config);
    let looked = runtime.block_on(kafka_ingest::run_checks(&settings, &mut |one| {
        teller.report(one)
    }));
    if let Err(error) = looked {
        writeln!(err, "error: {error}")?;
        return Ok(2);
    }
    if let Some(question) = &arguments.ask {
        let finding = if teller.has_no_failures() {
            runtime.block_on(check_answer(loaded, question))
        } else {
            Finding::skipped(ANSWER_CHECK, "not asked: something before it fails")
        };
        teller.report(finding);
    }
    // A call to Kafka that is under way is of no interest any more.
    runtime.shutdown_background();
    teller.finish()
}

/// The limit of open files that `run` would have here, held against the settings.
fn check_open_files(config: &Config) -> Finding {
    const CHECK: &str = "process.open_files";
    let limit = OpenFileLimit::raise();
    match limit.shortage(config) {
        None => Finding::ok(
            CHECK,
            format!("a limit of {} has room for every connection", limit.now),
        ),
        Some(Shortage { seen, advice }) => Finding::warning(CHECK, seen, advice),
    }
}

/// Asks a gateway of this process's own, which reads and writes as `run` would.
async fn check_answer(loaded: LoadedConfig, question: &str) -> Finding {
    if loaded.config.delivery.mode == DeliveryMode::Group {
        let seen = "not asked: in mode `group` this would take partitions from the running gateway";
        return Finding::warning(
            ANSWER_CHECK,
            seen,
            "ask the running gateway: answer-gateway ask",
        );
    }
    let patience = loaded.config.session.answer_timeout + loaded.config.kafka.publish_timeout;
    let prepared = match process::prepare_quietly(loaded, configure_probe) {
        Ok(prepared) => prepared,
        Err(error) => return Finding::failure(ANSWER_CHECK, format!("{error:#}"), ""),
    };
    let port = prepared.ports.public().port();
    let (on_ready, ready) = oneshot::channel();
    let asking = async {
        // An error is a gateway that has ended, which the other branch tells.
        if ready.await.is_err() {
            return std::future::pending().await;
        }
        ask::ask_once(port, question, patience).await
    };
    tokio::select! {
        answered = asking => match answered {
            Ok(()) => Finding::ok(ANSWER_CHECK, "a question went through Kafka and its answer came back"),
            Err(problem) => Finding::failure(
                ANSWER_CHECK,
                format!("no answer came back: {problem}"),
                "the answering side reads the questions' topic and writes `session_id` as it stood in the \
                 question, with the suffix that begins with `~`, or copies the header `question-id`: look \
                 at its logs, and at both topics",
            ),
        },
        ended = process::serve_prepared(prepared, move || {
            // Nobody asks any more when the receiver is gone.
            on_ready.send(()).unwrap_or_default();
        }) => {
            let why = ended.err().map_or_else(|| "it was asked to end".to_owned(), |error| format!("{error:#}"));
            Finding::failure(ANSWER_CHECK, format!("the gateway does not run: {why}"), "")
        }
    }
}

/// Listens on loopback only, and asks under a suffix: any question may have one, and an answering side that
/// strips it is to be found here.
fn configure_probe(config: &mut Config) {
    config.session.wire_id = WireId::Question;
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    (config.server.address, config.server.port) = (loopback, 0);
    (config.admin.address, config.admin.port) = (loopback, 0);
}

const ANSWER_CHECK: &str = "answer";
