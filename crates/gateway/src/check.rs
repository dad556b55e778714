//! `answer-gateway check`: settings, then Kafka and the registry, then, if asked, one question through
//! all of it.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};

use gateway::cli::ask;
use gateway::cli::check::{Arguments, Teller};
use gateway::config::{Command, Config, DeliveryMode, Loaded, WireId};
use kafka_ingest::Finding;
use tokio::sync::oneshot;

use crate::open_files::{OpenFileLimit, Shortage};
use crate::{process, translate};

/// Looks at everything and tells `out`. Returns the exit code; see the command's help.
///
/// # Errors
///
/// When `out` or `err` cannot be written.
pub(crate) fn run(
    arguments: &Arguments,
    out: &mut (dyn Write + Send),
    err: &mut dyn Write,
) -> io::Result<u8> {
    let loaded = match arguments.settings.load(Command::Run) {
        Ok(loaded) => loaded,
        Err(errors) => {
            writeln!(err, "{errors}")?;
            return Ok(2);
        }
    };
    let mut teller = Teller::new(out, arguments.json);
    if loaded.warnings.is_empty() {
        teller.tell(Finding::ok("settings", "every setting is valid"));
    }
    for warning in &loaded.warnings {
        teller.tell(Finding::warning("settings", warning, ""));
    }
    teller.tell(open_files(&loaded.config));
    let runtime = tokio::runtime::Runtime::new()?;
    let settings = translate::check(&loaded.config);
    let looked = runtime.block_on(kafka_ingest::check(&settings, &mut |one| teller.tell(one)));
    if let Err(error) = looked {
        writeln!(err, "error: {error}")?;
        return Ok(2);
    }
    if let Some(question) = &arguments.ask {
        let finding = if teller.all_well() {
            runtime.block_on(answered(loaded, question))
        } else {
            Finding::skipped(PROBE, "not asked: something before it fails")
        };
        teller.tell(finding);
    }
    // A call to Kafka that is under way is of no interest any more.
    runtime.shutdown_background();
    teller.finish()
}

/// The limit of open files that `run` would have here, held against the settings.
fn open_files(config: &Config) -> Finding {
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
async fn answered(loaded: Loaded, question: &str) -> Finding {
    if loaded.config.delivery.mode == DeliveryMode::Group {
        let seen = "not asked: in mode `group` this would take partitions from the running gateway";
        return Finding::warning(PROBE, seen, "ask the running gateway: answer-gateway ask");
    }
    let patience = loaded.config.session.answer_timeout + loaded.config.kafka.publish_timeout;
    let prepared = match process::prepare_quietly(loaded, as_a_probe) {
        Ok(prepared) => prepared,
        Err(error) => return Finding::failure(PROBE, format!("{error:#}"), ""),
    };
    let port = prepared.ports.public().port();
    let (on_ready, ready) = oneshot::channel();
    let asking = async {
        // An error is a gateway that has ended, which the other branch tells.
        if ready.await.is_err() {
            return std::future::pending().await;
        }
        ask::once(port, question, patience).await
    };
    tokio::select! {
        answered = asking => match answered {
            Ok(()) => Finding::ok(PROBE, "a question went through Kafka and its answer came back"),
            Err(problem) => Finding::failure(
                PROBE,
                format!("no answer came back: {problem}"),
                "the answering side reads the questions' topic and writes `session_id` as it stood in the \
                 question, with the suffix that begins with `~`, or copies the header `question-id`: look \
                 at its logs, and at both topics",
            ),
        },
        ended = process::serve(prepared, move || {
            // Nobody asks any more when the receiver is gone.
            on_ready.send(()).unwrap_or_default();
        }) => {
            let why = ended.err().map_or_else(|| "it was asked to end".to_owned(), |error| format!("{error:#}"));
            Finding::failure(PROBE, format!("the gateway does not run: {why}"), "")
        }
    }
}

/// Listens on loopback only, and asks under a suffix: any question may have one, and an answering side that
/// strips it is to be found here.
fn as_a_probe(config: &mut Config) {
    config.session.wire_id = WireId::Question;
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    (config.server.address, config.server.port) = (loopback, 0);
    (config.admin.address, config.admin.port) = (loopback, 0);
}

const PROBE: &str = "answer";
