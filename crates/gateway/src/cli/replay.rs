//! `answer-gateway replay`: what can be typed, and how a run is told. The run itself is the binary's,
//! since it needs Kafka.

use std::io::{self, Write};

use clap::Args;
use clap::builder::PossibleValuesParser;
use kafka_ingest::{DEAD_LETTER_REASONS, ReplayError, ReplayMode, ReplaySelection, ReplaySummary};

use super::ConfigArguments;

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  answer-gateway replay --dry-run                       how many there are, by reason; nothing is written
  answer-gateway replay                                 all that were not replayed yet
  answer-gateway replay --reason schema_not_found       once the schema is registered
  answer-gateway replay --partition 0 --from 120 --until 180
  answer-gateway replay --limit 10                      try with a few

Reads the topic kafka.dead_letter_topic to the end it has now and writes each letter once to
kafka.answers_topic: key, bytes and headers as they were, without the dlq-* ones, with a header
`replayed-from: topic/partition/offset`. What was replayed is committed under the consumer group
answer-gateway-replay once Kafka has confirmed it, so a second run writes nothing; letters that were
not chosen stay for another run. A run that is killed may repeat its last 100 letters next time.
A schema that was missing is asked for again only a minute after it was denied: wait that long.
Resetting that group's offsets makes letters replayable again.
Letters with the reason batch_unreadable hold no record, only where a batch stood that nobody could
unpack (dlq-offset to dlq-last-offset): they are counted, and nothing is written for them.

Takes the settings of `run`. Needs Describe and Read on the dead letters' topic, Describe and Write on
the answers' topic, Read on the group.

Exit codes: 0 everything chosen is replayed · 1 ended early, run it again · 2 not begun: settings,
arguments, Kafka, a topic or a right. Keys, values and headers are never shown.")]
pub struct ReplayArguments {
    /// Settings, as `run` would be given them.
    #[command(flatten)]
    pub settings: ConfigArguments,
    /// Count by reason and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Only letters with this reason; may be given several times
    #[arg(long, value_name = "REASON", value_parser = reason_values())]
    reason: Vec<String>,
    /// Only this partition of the dead letters' topic
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Only from this offset of the dead letters' topic on, in each partition
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    from: Option<i64>,
    /// Only up to this offset, itself included
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    until: Option<i64>,
    /// At most this many letters
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

impl ReplayArguments {
    /// Returns the mode: only count, or write.
    pub fn mode(&self) -> ReplayMode {
        if self.dry_run {
            ReplayMode::DryRun
        } else {
            ReplayMode::Write
        }
    }

    /// Returns the letters that are replayed.
    pub fn selection(&self) -> ReplaySelection {
        ReplaySelection {
            reasons: self.reason.clone(),
            partition: self.partition,
            from: self.from,
            until: self.until,
            limit: self.limit,
        }
    }
}

/// Says how a run ended: what was done to `out`, what went wrong to `err`. Returns the exit code.
///
/// # Errors
///
/// When `out` or `err` cannot be written.
pub fn print_result(
    outcome: Result<(), ReplayError>,
    mode: ReplayMode,
    summary: &ReplaySummary,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let begun = summary.read > 0;
    if outcome.is_ok() || begun {
        write_summary(out, mode, summary)?;
    }
    let Err(error) = outcome else { return Ok(0) };
    writeln!(err, "error: {error}")?;
    if !begun {
        return Ok(2);
    }
    writeln!(err, "ended early: run it again, it goes on from there")?;
    Ok(1)
}

fn write_summary(out: &mut dyn Write, mode: ReplayMode, summary: &ReplaySummary) -> io::Result<()> {
    const WIDTH: usize = 20;
    let ReplaySummary {
        read,
        chosen,
        replayed,
        already_replayed: already,
        duplicates,
        left,
        foreign,
        position_only: positions,
        unreadable,
    } = summary;
    match mode {
        ReplayMode::Write => {
            writeln!(out, "{replayed} dead letters replayed, {read} records read")?
        }
        ReplayMode::DryRun => {
            let all: u64 = chosen.values().sum();
            writeln!(
                out,
                "{all} dead letters would be replayed, {read} records read"
            )?;
        }
    }
    for (reason, count) in chosen {
        writeln!(out, "  {reason:WIDTH$} {count}")?;
    }
    for (what, count) in [
        ("replayed before", already),
        ("further copies", duplicates),
        ("not chosen", left),
        ("no dead letters of the answers' topic", foreign),
        (
            "not to be replayed, since they only say where a batch stood that cannot be unpacked",
            positions,
        ),
        (
            "batches of the dead letters' topic that cannot be unpacked",
            unreadable,
        ),
    ] {
        if *count > 0 {
            writeln!(out, "{what}: {count}")?;
        }
    }
    Ok(())
}

fn reason_values() -> PossibleValuesParser {
    PossibleValuesParser::new(DEAD_LETTER_REASONS.iter().copied().chain(["other"]))
}
