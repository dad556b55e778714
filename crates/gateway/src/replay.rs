//! `answer-gateway replay`: from settings to a run, with a bar where somebody watches.

use std::io::{self, Write};
use std::time::Duration;

use gateway::cli::replay::{ReplayArguments, print_result};
use gateway::config::Purpose;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kafka_ingest::{Replay, ReplaySettings};

use crate::component_settings;

/// Replays and says how it went. Returns the exit code; see the command's help.
///
/// # Errors
///
/// When `out` or `err` cannot be written.
pub(crate) fn run_replay(
    arguments: &ReplayArguments,
    watched: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let mut replay = match prepare_replay(arguments) {
        Ok(replay) => replay,
        Err(problem) => {
            writeln!(err, "{problem}")?;
            return Ok(2);
        }
    };
    let bar = replay_progress_bar(watched);
    let outcome = replay.run(&mut |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    print_result(outcome, arguments.mode(), replay.summary(), out, err)
}

fn prepare_replay(arguments: &ReplayArguments) -> Result<Replay, String> {
    let loaded = arguments.settings.load(Purpose::Run);
    let config = loaded.map_err(|errors| errors.to_string())?.config;
    let Some(dead_letter_topic) = config.kafka.dead_letter_topic.clone() else {
        return Err(
            "error: there is no topic of dead letters: set GATEWAY__KAFKA__DEAD_LETTER_TOPIC \
             (kafka.dead_letter_topic) as `run` has it"
                .to_owned(),
        );
    };
    let settings = ReplaySettings {
        kafka: component_settings::kafka_settings(&config.kafka),
        dead_letter_topic,
        answers_topic: config.kafka.answers_topic,
        selection: arguments.selection(),
        mode: arguments.mode(),
    };
    Replay::new(settings).map_err(|error| format!("error: {error}"))
}

fn replay_progress_bar(watched: bool) -> ProgressBar {
    const TICK: Duration = Duration::from_millis(250);
    if !watched {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(
        "reading dead letters [{bar:40}] {pos}/{len} ({per_sec}, {eta} left)",
    )
    .expect("the template is a constant");
    let target = ProgressDrawTarget::stderr();
    let bar = ProgressBar::with_draw_target(None, target).with_style(style);
    bar.enable_steady_tick(TICK);
    bar
}
