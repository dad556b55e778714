//! Reads partitions with clients of its own, as often as [`super::search`] wants, to see where the
//! batches end that cannot be read. Only positions are looked at, never a record.
//!
//! One client sees what stands in the way as the reader does, by committed records only: those of an aborted
//! transaction in front of a batch move no position. Where a batch ends is looked at in all records, since an
//! offset of a transaction that is not committed says nothing to a reader of committed ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;

use super::search::{BatchSearch, ProbeOutcome, SearchStep};
use super::{UnreadableBatch, is_unreadable_batch};
use crate::assignment::StartPosition;
use crate::backoff::Backoff;
use crate::client_context::SilentContext;
use crate::librdkafka::PolledPosition;
use crate::monotonic_consumer::MonotonicConsumer;
use crate::stop_signal::StopSignal;
use crate::topic_offsets;

/// Finds unreadable batches. Its clients live for one search: an idle one could lose its brokers, and nobody would
/// notice.
pub(crate) struct UnreadableBatchFinder {
    /// Reads what the reader reads.
    committed: ClientConfig,
    /// Reads the records of every transaction.
    uncommitted: ClientConfig,
    topic: Arc<str>,
}

/// The end of a search's time, and the signal that ends it before.
pub(crate) struct SearchDeadline<'a> {
    pub(crate) until: Instant,
    pub(crate) stop: Option<&'a StopSignal>,
}

/// The search was ended by its [`SearchDeadline`], or Kafka does not answer.
struct SearchAborted;

impl UnreadableBatchFinder {
    /// The most batches of a partition that one search finds.
    const MAX_BATCHES: usize = 64;
    /// The time for which a search waits for the partitions to say something; idle ones say that they end.
    const SURVEY_TIMEOUT: Duration = Duration::from_secs(3);
    /// The longest time for one look.
    const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
    const FIRST_WAIT: Duration = Duration::from_millis(200);
    const LONGEST_WAIT: Duration = Duration::from_secs(1);

    /// Takes what the reader's own client was created from.
    pub(crate) fn new(config: &ClientConfig, topic: Arc<str>) -> Self {
        let mut committed = config.clone();
        // librdkafka writes the lines of these clients itself, past the format and the limits of the log.
        committed.set_log_level(RDKafkaLogLevel::Emerg);
        for (name, value) in [
            ("enable.partition.eof", "true"),
            ("enable.auto.commit", "false"),
            // An offset behind the end is an outcome, and nothing to start over for.
            ("auto.offset.reset", "error"),
            ("fetch.error.backoff.ms", "10"),
            ("queued.min.messages", "1"),
            ("queued.max.messages.kbytes", "1024"),
            ("statistics.interval.ms", "0"),
        ] {
            committed.set(name, value);
        }
        committed.set("isolation.level", "read_committed");
        let mut uncommitted = committed.clone();
        uncommitted.set("isolation.level", "read_uncommitted");
        Self {
            committed,
            uncommitted,
            topic,
        }
    }

    /// Returns the batches that stand in the way of reading from `starts`, as far as they are found
    /// in time; by partition, each behind the one before it.
    pub(crate) fn find(
        &mut self,
        starts: &[(i32, StartPosition)],
        patience: &SearchDeadline<'_>,
    ) -> Vec<UnreadableBatch> {
        let mut found = Vec::new();
        // What was found before the search was given up holds.
        let ended = self.search(starts, patience, &mut found);
        drop(ended);
        found
    }

    fn search(
        &self,
        starts: &[(i32, StartPosition)],
        patience: &SearchDeadline<'_>,
        found: &mut Vec<UnreadableBatch>,
    ) -> Result<(), SearchAborted> {
        let committed = self.client(&self.committed)?;
        let survey = self.probe(&committed, patience);
        let mut batches = Vec::new();
        for (partition, outcome) in survey.probe_partitions(starts)? {
            if let ProbeOutcome::Unreadable { batch } = outcome {
                let mut starts = starts.iter();
                batches.extend(
                    starts
                        .find(|(one, _)| *one == partition)
                        .map(|at| (*at, batch)),
                );
            }
        }
        if batches.is_empty() {
            return Ok(());
        }
        let uncommitted = self.client(&self.uncommitted)?;
        let probe = self.probe(&uncommitted, patience);
        for ((partition, position), batch) in batches {
            self.find_ends(&survey, &probe, (partition, position, batch), found)?;
        }
        Ok(())
    }

    /// Finds the batch at a position and those right behind it.
    fn find_ends(
        &self,
        survey: &PartitionProbe<'_>,
        probe: &PartitionProbe<'_>,
        (partition, mut position, mut batch): (i32, StartPosition, i64),
        found: &mut Vec<UnreadableBatch>,
    ) -> Result<(), SearchAborted> {
        for number in 0..Self::MAX_BATCHES {
            // A fault that passes is waited for once, not for each batch behind it.
            let waits = number == 0;
            let Some(next) = probe.find_end(partition, position, batch, waits)? else {
                return Ok(());
            };
            found.push(UnreadableBatch {
                partition,
                position,
                first: batch,
                next,
            });
            position = StartPosition::At(next);
            match survey
                .probe_partitions(&[(partition, position)])?
                .get(&partition)
            {
                Some(ProbeOutcome::Unreadable { batch: another }) => batch = *another,
                Some(ProbeOutcome::Record | ProbeOutcome::End) | None => return Ok(()),
            }
        }
        Ok(())
    }

    fn client(
        &self,
        config: &ClientConfig,
    ) -> Result<MonotonicConsumer<SilentContext>, SearchAborted> {
        MonotonicConsumer::create(config, SilentContext).map_err(|_| SearchAborted)
    }

    fn probe<'a>(
        &'a self,
        client: &'a MonotonicConsumer<SilentContext>,
        patience: &'a SearchDeadline<'a>,
    ) -> PartitionProbe<'a> {
        PartitionProbe {
            client,
            topic: &self.topic,
            patience,
        }
    }
}

/// A client, and what it looks at.
struct PartitionProbe<'a> {
    client: &'a MonotonicConsumer<SilentContext>,
    topic: &'a str,
    patience: &'a SearchDeadline<'a>,
}

impl PartitionProbe<'_> {
    /// Returns the first offset behind a batch; `None` when it can be read after all.
    fn find_end(
        &self,
        partition: i32,
        position: StartPosition,
        batch: i64,
        waits: bool,
    ) -> Result<Option<i64>, SearchAborted> {
        let at = match position {
            // In front of the batch stands what the reader does not see.
            StartPosition::At(offset) => offset.max(batch),
            StartPosition::Beginning => batch,
        };
        let mut backoff = Backoff::new(
            UnreadableBatchFinder::FIRST_WAIT,
            UnreadableBatchFinder::LONGEST_WAIT,
        );
        let mut search = BatchSearch::new(at, batch);
        loop {
            let offset = match search.next_step() {
                SearchStep::Retry => {
                    if waits {
                        self.patience.sleep(backoff.next_wait(rand::random()))?;
                    }
                    at
                }
                SearchStep::Read(offset) => offset,
                SearchStep::Found(next) => return Ok(Some(next)),
                SearchStep::Readable => return Ok(None),
            };
            search.on_outcome(self.probe_offset(partition, offset)?);
        }
    }

    fn probe_offset(&self, partition: i32, offset: i64) -> Result<ProbeOutcome, SearchAborted> {
        let until = Instant::now() + UnreadableBatchFinder::PROBE_TIMEOUT;
        let mut outcomes =
            self.collect_outcomes(&[(partition, StartPosition::At(offset))], until)?;
        outcomes.remove(&partition).ok_or(SearchAborted)
    }

    fn probe_partitions(
        &self,
        starts: &[(i32, StartPosition)],
    ) -> Result<BTreeMap<i32, ProbeOutcome>, SearchAborted> {
        self.collect_outcomes(
            starts,
            Instant::now() + UnreadableBatchFinder::SURVEY_TIMEOUT,
        )
    }

    /// Returns what came first in each partition; those that say nothing in time are left out.
    fn collect_outcomes(
        &self,
        starts: &[(i32, StartPosition)],
        until: Instant,
    ) -> Result<BTreeMap<i32, ProbeOutcome>, SearchAborted> {
        let list = topic_offsets::position_list(self.topic, starts.iter().copied());
        let assigned = list.and_then(|list| self.client.assign(&list));
        assigned.map_err(|_| SearchAborted)?;
        let mut outcomes = BTreeMap::new();
        while outcomes.len() < starts.len() && Instant::now() < until {
            self.patience.check_deadline()?;
            let Some(polled) = self.client.poll_position(STEP) else {
                continue;
            };
            let start = starts.iter().find(|(one, _)| *one == polled.partition);
            if let Some(outcome) = start.and_then(|(_, start)| outcome_of(polled, *start)) {
                outcomes.entry(polled.partition).or_insert(outcome);
            }
        }
        Ok(outcomes)
    }
}

/// Returns what was polled as the outcome of reading from `start`; `None` for what says nothing of it.
fn outcome_of(polled: PolledPosition, start: StartPosition) -> Option<ProbeOutcome> {
    match polled.error {
        None => Some(ProbeOutcome::Record),
        Some(RDKafkaErrorCode::PartitionEOF) => Some(ProbeOutcome::End),
        // One of an earlier look names another offset.
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
            (start == StartPosition::At(polled.offset)).then_some(ProbeOutcome::End)
        }
        Some(code) if is_unreadable_batch(code) => Some(ProbeOutcome::Unreadable {
            batch: polled.offset,
        }),
        Some(_) => None,
    }
}

impl SearchDeadline<'_> {
    fn check_deadline(&self) -> Result<(), SearchAborted> {
        let stopped = self.stop.is_some_and(StopSignal::is_requested);
        if stopped || Instant::now() >= self.until {
            return Err(SearchAborted);
        }
        Ok(())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a pause before the next try; `replay` has no stop whose event could end it"
    )]
    fn sleep(&self, time: Duration) -> Result<(), SearchAborted> {
        match self.stop {
            Some(stop) => drop(stop.wait(time)),
            None => thread::sleep(time),
        }
        self.check_deadline()
    }
}

/// The longest time for which a stop may wait.
const STEP: Duration = Duration::from_millis(50);
