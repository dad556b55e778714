//! Dead letters in again: after a repair each is written once more to the answers' topic, as it was.
//!
//! What was replayed is committed under [`REPLAY_GROUP`] once Kafka has confirmed it, so a second run
//! finds nothing to do. A run that is cut off between a confirmation and its commit has written at
//! most [`BATCH`] letters that the next run writes again; each carries `replayed-from`, which names
//! its dead letter. ADR 0012 has the why.

mod choice;
mod done;
mod scan;
mod topics;

use std::time::Duration;

use rdkafka::message::{BorrowedMessage, Message};
use types::RecordPosition;

pub use choice::{ReplaySummary, Selection};

use crate::dead_letter::{Mark, Origin};
use crate::status::Missing;
use crate::{KafkaSettings, StartError, native};
use choice::{Sorter, Verdict};
use topics::Topics;

/// The consumer group that remembers what was replayed.
pub const REPLAY_GROUP: &str = "answer-gateway-replay";

/// What a [`Replay`] is built from.
#[derive(Debug, Clone)]
pub struct ReplaySettings {
    /// How Kafka is reached.
    pub kafka: KafkaSettings,
    /// Where the dead letters are.
    pub dead_letter_topic: String,
    /// Where they came from and are written to; letters of other topics are left alone.
    pub answers_topic: String,
    /// Which of them.
    pub selection: Selection,
    /// Whether anything is written.
    pub mode: ReplayMode,
}

/// Whether a run writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayMode {
    /// Only counts.
    DryRun,
    /// Writes and commits.
    Write,
}

/// How far a run is, in offsets of the dead letters' topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayProgress {
    /// Looked at.
    pub done: u64,
    /// There when the run began.
    pub total: u64,
}

/// Why a run ended early. What was confirmed before is in the summary, and committed unless this
/// says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Somebody has to put something right; nothing was written.
    #[error("{0}")]
    Missing(Missing),
    /// Kafka does not answer.
    #[error("Kafka does not answer: {0}")]
    Down(String),
    /// The answers' topic does not take a letter.
    #[error("Kafka does not take a letter: {0}")]
    NotWritten(String),
    /// The commit failed: the last letters are replayed, and a next run replays them again.
    #[error(
        "what was replayed cannot be committed, so the next run replays the last letters again: {0}"
    )]
    NotCommitted(String),
    /// Another run commits at the same time.
    #[error("another replay is running")]
    Overtaken,
    /// The choice leaves more gaps than a commit can hold.
    #[error(
        "too many gaps between what is replayed and what is not: replay without choosing, or choose by offset"
    )]
    TooScattered,
}

/// One run.
pub struct Replay {
    mode: ReplayMode,
    topics: Topics,
    sorter: Sorter,
    batch: Batch,
}

/// What has been handled since the last commit.
#[derive(Debug, Default)]
struct Batch {
    letters: usize,
    bytes: usize,
    duplicates: Vec<RecordPosition>,
}

impl Replay {
    /// A run that has not begun.
    ///
    /// # Errors
    ///
    /// [`StartError`] for settings that cannot work.
    pub fn new(settings: ReplaySettings) -> Result<Self, StartError> {
        let ReplaySettings {
            kafka,
            dead_letter_topic,
            answers_topic,
            selection,
            mode,
        } = settings;
        Ok(Self {
            mode,
            topics: Topics::new(&kafka, dead_letter_topic, answers_topic.clone())?,
            sorter: Sorter::new(answers_topic, selection),
            batch: Batch::default(),
        })
    }

    /// Runs to the end the topic had when this was called. Blocks. `on_progress` is called now and
    /// then.
    ///
    /// # Errors
    ///
    /// [`ReplayError`]; a further run goes on from there.
    pub fn run(&mut self, on_progress: &mut dyn FnMut(ReplayProgress)) -> Result<(), ReplayError> {
        let ranges = self.topics.ranges()?;
        if self.mode == ReplayMode::Write {
            self.topics.check_answers()?;
        }
        self.sorter.done = self.topics.committed(&ranges)?;
        let sorter = &mut self.sorter;
        let replayed_before = ranges
            .iter()
            .any(|range| !sorter.done[&range.partition].is_empty(range.low));
        if replayed_before {
            // Those are counted by the scan that follows.
            let mut unreadable = 0;
            self.topics
                .scan(&ranges, &mut unreadable, &mut |_, record, _| {
                    if let Some((_, mark)) = letter(record) {
                        sorter.survey(position(record), mark);
                    }
                    Ok(())
                })?;
        }
        let (mode, sorter, batch) = (self.mode, &mut self.sorter, &mut self.batch);
        let mut unreadable = 0;
        let scan = &mut |topics: &Topics, record: &BorrowedMessage<'_>, progress| {
            on_progress(progress);
            take(mode, topics, sorter, batch, record)
        };
        let scanned = self.topics.scan(&ranges, &mut unreadable, scan);
        sorter.summary.unreadable = unreadable;
        // What is under way is confirmed and committed however the scan has ended.
        let settled = settle(&self.topics, sorter, batch);
        scanned.and(settled)
    }

    /// What there was so far.
    pub fn summary(&self) -> &ReplaySummary {
        &self.sorter.summary
    }
}

/// One record of the dead letters' topic.
fn take(
    mode: ReplayMode,
    topics: &Topics,
    sorter: &mut Sorter,
    batch: &mut Batch,
    record: &BorrowedMessage<'_>,
) -> Result<(), ReplayError> {
    let at = position(record);
    let letter = letter(record);
    let verdict = sorter.sort(at, letter.as_ref().map(|(origin, mark)| (origin, *mark)));
    if mode == ReplayMode::DryRun {
        return Ok(());
    }
    match verdict {
        Verdict::Pass => return Ok(()),
        Verdict::Duplicate => batch.duplicates.push(at),
        Verdict::Replay => {
            if batch.letters == 0 {
                topics.check_alone()?;
            }
            topics.send(record)?;
            batch.letters += 1;
            batch.bytes += record.payload_len() + record.key_len();
        }
    }
    if batch.letters >= BATCH || batch.bytes >= BATCH_BYTES || batch.duplicates.len() >= BATCH {
        settle(topics, sorter, batch)?;
    }
    Ok(())
}

/// Waits for the confirmations of what is under way, and commits.
fn settle(topics: &Topics, sorter: &mut Sorter, batch: &mut Batch) -> Result<(), ReplayError> {
    let Batch {
        letters,
        duplicates,
        ..
    } = std::mem::take(batch);
    if letters == 0 && duplicates.is_empty() {
        return Ok(());
    }
    let (confirmed, failure) = topics.confirmations();
    for at in &confirmed {
        sorter.summary.replayed += 1;
        sorter.on_done(*at);
    }
    for at in duplicates {
        sorter.on_done(at);
    }
    let committed = topics.commit(&sorter.done);
    match failure {
        Some(problem) => committed.and(Err(ReplayError::NotWritten(problem))),
        None => committed,
    }
}

/// What a record's headers say, if it is a dead letter.
fn letter<'a>(record: &'a BorrowedMessage<'_>) -> Option<(Origin<'a>, Mark)> {
    let origin = Origin::read(native::headers(record))?;
    let mark = Mark::new(origin.at, record.key(), record.payload()?);
    Some((origin, mark))
}

fn position(record: &BorrowedMessage<'_>) -> RecordPosition {
    RecordPosition {
        partition: record.partition(),
        offset: record.offset(),
    }
}

/// How many letters, and bytes, are written before they are committed.
const BATCH: usize = 100;
const BATCH_BYTES: usize = 16 << 20;
/// How long Kafka may take with nothing coming before a run gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
