//! Dead letters in again: after a repair each is written once more to the answers' topic, as it was.
//!
//! What was replayed is committed under [`REPLAY_GROUP`] once Kafka has confirmed it, so a second run
//! finds nothing to do. A run that is cut off between a confirmation and its commit has written at
//! most [`BATCH_LETTERS`] letters that the next run writes again; each carries `replayed-from`, which names
//! its dead letter. ADR 0012 has the why.

mod replayed_offsets;
mod selection;
mod topic_scan;
mod topics;

use std::time::Duration;

use rdkafka::message::{BorrowedMessage, Message};
use types::RecordPosition;

pub use selection::{ReplaySelection, ReplaySummary};

use crate::dead_letter::{DeadLetterId, DeadLetterOrigin};
use crate::status::MissingPrerequisite;
use crate::{KafkaSettings, StartError, librdkafka};
use selection::{ReplayDecision, ReplaySorter};
use topics::ReplayTopics;

/// The consumer group that remembers what was replayed.
pub const REPLAY_GROUP: &str = "answer-gateway-replay";

/// The settings of a [`Replay`].
#[derive(Debug, Clone)]
pub struct ReplaySettings {
    /// The connection to Kafka.
    pub kafka: KafkaSettings,
    /// The topic of the dead letters.
    pub dead_letter_topic: String,
    /// The topic they came from and are written to; letters of other topics are left alone.
    pub answers_topic: String,
    /// The letters to replay.
    pub selection: ReplaySelection,
    /// The mode: only count, or write.
    pub mode: ReplayMode,
}

/// The mode of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayMode {
    /// Only counts.
    DryRun,
    /// Writes and commits.
    Write,
}

/// The progress of a run, in offsets of the dead letters' topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayProgress {
    /// Looked at.
    pub done: u64,
    /// There when the run began.
    pub total: u64,
}

/// The reason for which a run ended early. Letters confirmed before are in the summary, and committed unless this
/// says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Somebody has to put something right; nothing was written.
    #[error("{0}")]
    Missing(MissingPrerequisite),
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
    topics: ReplayTopics,
    sorter: ReplaySorter,
    batch: ReplayBatch,
}

/// The letters handled since the last commit.
#[derive(Debug, Default)]
struct ReplayBatch {
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
            topics: ReplayTopics::new(&kafka, dead_letter_topic, answers_topic.clone())?,
            sorter: ReplaySorter::new(answers_topic, selection),
            batch: ReplayBatch::default(),
        })
    }

    /// Runs to the end the topic had when this was called. Blocks. `on_progress` is called now and
    /// then.
    ///
    /// # Errors
    ///
    /// [`ReplayError`]; a further run goes on from there.
    pub fn run(&mut self, on_progress: &mut dyn FnMut(ReplayProgress)) -> Result<(), ReplayError> {
        let ranges = self.topics.fetch_ranges()?;
        if self.mode == ReplayMode::Write {
            self.topics.check_answers()?;
        }
        self.sorter.done = self.topics.fetch_replayed(&ranges)?;
        let sorter = &mut self.sorter;
        let replayed_before = ranges
            .iter()
            .any(|range| !sorter.done[&range.partition].is_empty(range.low));
        if replayed_before {
            // Those are counted by the scan that follows.
            let mut unreadable = 0;
            self.topics
                .scan(&ranges, &mut unreadable, &mut |_, record, _| {
                    if let Some((_, mark)) = parse_letter(record) {
                        sorter.note_replayed(position(record), mark);
                    }
                    Ok(())
                })?;
        }
        let (mode, sorter, batch) = (self.mode, &mut self.sorter, &mut self.batch);
        let mut unreadable = 0;
        let scan = &mut |topics: &ReplayTopics, record: &BorrowedMessage<'_>, progress| {
            on_progress(progress);
            replay_record(mode, topics, sorter, batch, record)
        };
        let scanned = self.topics.scan(&ranges, &mut unreadable, scan);
        sorter.summary.unreadable = unreadable;
        // What is under way is confirmed and committed however the scan has ended.
        let settled = confirm_and_commit(&self.topics, sorter, batch);
        scanned.and(settled)
    }

    /// Returns the counts so far.
    pub fn summary(&self) -> &ReplaySummary {
        &self.sorter.summary
    }
}

/// One record of the dead letters' topic.
fn replay_record(
    mode: ReplayMode,
    topics: &ReplayTopics,
    sorter: &mut ReplaySorter,
    batch: &mut ReplayBatch,
    record: &BorrowedMessage<'_>,
) -> Result<(), ReplayError> {
    let at = position(record);
    let letter = parse_letter(record);
    let verdict = sorter.sort(at, letter.as_ref().map(|(origin, mark)| (origin, *mark)));
    if mode == ReplayMode::DryRun {
        return Ok(());
    }
    match verdict {
        ReplayDecision::Skip => return Ok(()),
        ReplayDecision::Duplicate => batch.duplicates.push(at),
        ReplayDecision::Replay => {
            if batch.letters == 0 {
                topics.check_alone()?;
            }
            topics.send(record)?;
            batch.letters += 1;
            batch.bytes += record.payload_len() + record.key_len();
        }
    }
    if batch.letters >= BATCH_LETTERS
        || batch.bytes >= BATCH_BYTES
        || batch.duplicates.len() >= BATCH_LETTERS
    {
        confirm_and_commit(topics, sorter, batch)?;
    }
    Ok(())
}

/// Waits for the confirmations of what is under way, and commits.
fn confirm_and_commit(
    topics: &ReplayTopics,
    sorter: &mut ReplaySorter,
    batch: &mut ReplayBatch,
) -> Result<(), ReplayError> {
    let ReplayBatch {
        letters,
        duplicates,
        ..
    } = std::mem::take(batch);
    if letters == 0 && duplicates.is_empty() {
        return Ok(());
    }
    let (confirmed, failure) = topics.wait_for_confirmations();
    for at in &confirmed {
        sorter.summary.replayed += 1;
        sorter.mark_done(*at);
    }
    for at in duplicates {
        sorter.mark_done(at);
    }
    let committed = topics.commit(&sorter.done);
    match failure {
        Some(problem) => committed.and(Err(ReplayError::NotWritten(problem))),
        None => committed,
    }
}

/// Reads a record's headers as those of a dead letter, if it is one.
fn parse_letter<'a>(
    record: &'a BorrowedMessage<'_>,
) -> Option<(DeadLetterOrigin<'a>, DeadLetterId)> {
    let origin = DeadLetterOrigin::read(librdkafka::headers(record))?;
    let mark = DeadLetterId::new(origin.at, record.key(), record.payload()?);
    Some((origin, mark))
}

fn position(record: &BorrowedMessage<'_>) -> RecordPosition {
    RecordPosition {
        partition: record.partition(),
        offset: record.offset(),
    }
}

/// The most letters, and bytes, that are written before they are committed.
const BATCH_LETTERS: usize = 100;
const BATCH_BYTES: usize = 16 << 20;
/// The longest time without anything from Kafka before a run gives up.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
