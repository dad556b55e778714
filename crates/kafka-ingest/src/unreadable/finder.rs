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

use super::search::{BatchSearch, Outcome, Step};
use super::{UnreadableBatch, is_unreadable};
use crate::assignment::Start;
use crate::backoff::Backoff;
use crate::client_context::Silent;
use crate::native::Polled;
use crate::positions;
use crate::steady_consumer::SteadyConsumer;
use crate::stop::Stop;

/// Finds unreadable batches. Its clients live for one search: an idle one could lose its brokers, and nobody would
/// notice.
pub(crate) struct Finder {
    /// Reads what the reader reads.
    committed: ClientConfig,
    /// Reads the records of every transaction.
    uncommitted: ClientConfig,
    topic: Arc<str>,
}

/// The end of a search's time, and the signal that ends it before.
pub(crate) struct Patience<'a> {
    pub(crate) until: Instant,
    pub(crate) stop: Option<&'a Stop>,
}

/// The search was ended by its [`Patience`], or Kafka does not answer.
struct GivenUp;

impl Finder {
    /// The most batches of a partition that one search finds.
    const BATCHES: usize = 64;
    /// The time for which a search waits for the partitions to say something; idle ones say that they end.
    const SURVEY: Duration = Duration::from_secs(3);
    /// The longest time for one look.
    const LOOK: Duration = Duration::from_secs(5);
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
        starts: &[(i32, Start)],
        patience: &Patience<'_>,
    ) -> Vec<UnreadableBatch> {
        let mut found = Vec::new();
        // What was found before the search was given up holds.
        let ended = self.search(starts, patience, &mut found);
        drop(ended);
        found
    }

    fn search(
        &self,
        starts: &[(i32, Start)],
        patience: &Patience<'_>,
        found: &mut Vec<UnreadableBatch>,
    ) -> Result<(), GivenUp> {
        let committed = self.client(&self.committed)?;
        let survey = self.look(&committed, patience);
        let mut batches = Vec::new();
        for (partition, outcome) in survey.at_all(starts)? {
            if let Outcome::Unreadable { batch } = outcome {
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
        let probe = self.look(&uncommitted, patience);
        for ((partition, position), batch) in batches {
            self.find_ends(&survey, &probe, (partition, position, batch), found)?;
        }
        Ok(())
    }

    /// Finds the batch at a position and those right behind it.
    fn find_ends(
        &self,
        survey: &Look<'_>,
        probe: &Look<'_>,
        (partition, mut position, mut batch): (i32, Start, i64),
        found: &mut Vec<UnreadableBatch>,
    ) -> Result<(), GivenUp> {
        for number in 0..Self::BATCHES {
            // A fault that passes is waited for once, not for each batch behind it.
            let waits = number == 0;
            let Some(next) = probe.end_of(partition, position, batch, waits)? else {
                return Ok(());
            };
            found.push(UnreadableBatch {
                partition,
                position,
                first: batch,
                next,
            });
            position = Start::At(next);
            match survey.at_all(&[(partition, position)])?.get(&partition) {
                Some(Outcome::Unreadable { batch: another }) => batch = *another,
                Some(Outcome::Record | Outcome::End) | None => return Ok(()),
            }
        }
        Ok(())
    }

    fn client(&self, config: &ClientConfig) -> Result<SteadyConsumer<Silent>, GivenUp> {
        SteadyConsumer::create(config, Silent).map_err(|_| GivenUp)
    }

    fn look<'a>(
        &'a self,
        client: &'a SteadyConsumer<Silent>,
        patience: &'a Patience<'a>,
    ) -> Look<'a> {
        Look {
            client,
            topic: &self.topic,
            patience,
        }
    }
}

/// A client, and what it looks at.
struct Look<'a> {
    client: &'a SteadyConsumer<Silent>,
    topic: &'a str,
    patience: &'a Patience<'a>,
}

impl Look<'_> {
    /// Returns the first offset behind a batch; `None` when it can be read after all.
    fn end_of(
        &self,
        partition: i32,
        position: Start,
        batch: i64,
        waits: bool,
    ) -> Result<Option<i64>, GivenUp> {
        let at = match position {
            // In front of the batch stands what the reader does not see.
            Start::At(offset) => offset.max(batch),
            Start::Beginning => batch,
        };
        let mut backoff = Backoff::new(Finder::FIRST_WAIT, Finder::LONGEST_WAIT);
        let mut search = BatchSearch::new(at, batch);
        loop {
            let offset = match search.next_step() {
                Step::Retry => {
                    if waits {
                        self.patience.wait(backoff.after_failure(rand::random()))?;
                    }
                    at
                }
                Step::Look(offset) => offset,
                Step::Found(next) => return Ok(Some(next)),
                Step::Readable => return Ok(None),
            };
            search.on_outcome(self.at(partition, offset)?);
        }
    }

    fn at(&self, partition: i32, offset: i64) -> Result<Outcome, GivenUp> {
        let until = Instant::now() + Finder::LOOK;
        let mut outcomes = self.outcomes(&[(partition, Start::At(offset))], until)?;
        outcomes.remove(&partition).ok_or(GivenUp)
    }

    fn at_all(&self, starts: &[(i32, Start)]) -> Result<BTreeMap<i32, Outcome>, GivenUp> {
        self.outcomes(starts, Instant::now() + Finder::SURVEY)
    }

    /// Returns what came first in each partition; those that say nothing in time are left out.
    fn outcomes(
        &self,
        starts: &[(i32, Start)],
        until: Instant,
    ) -> Result<BTreeMap<i32, Outcome>, GivenUp> {
        let list = positions::list(self.topic, starts.iter().copied());
        let assigned = list.and_then(|list| self.client.assign(&list));
        assigned.map_err(|_| GivenUp)?;
        let mut outcomes = BTreeMap::new();
        while outcomes.len() < starts.len() && Instant::now() < until {
            self.patience.check()?;
            let Some(polled) = self.client.poll_position(STEP) else {
                continue;
            };
            let start = starts.iter().find(|(one, _)| *one == polled.partition);
            if let Some(outcome) = start.and_then(|(_, start)| outcome(polled, *start)) {
                outcomes.entry(polled.partition).or_insert(outcome);
            }
        }
        Ok(outcomes)
    }
}

/// Returns what was polled as the outcome of reading from `start`; `None` for what says nothing of it.
fn outcome(polled: Polled, start: Start) -> Option<Outcome> {
    match polled.error {
        None => Some(Outcome::Record),
        Some(RDKafkaErrorCode::PartitionEOF) => Some(Outcome::End),
        // One of an earlier look names another offset.
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
            (start == Start::At(polled.offset)).then_some(Outcome::End)
        }
        Some(code) if is_unreadable(code) => Some(Outcome::Unreadable {
            batch: polled.offset,
        }),
        Some(_) => None,
    }
}

impl Patience<'_> {
    fn check(&self) -> Result<(), GivenUp> {
        let stopped = self.stop.is_some_and(Stop::is_asked);
        if stopped || Instant::now() >= self.until {
            return Err(GivenUp);
        }
        Ok(())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a pause before the next try; `replay` has no stop whose event could end it"
    )]
    fn wait(&self, time: Duration) -> Result<(), GivenUp> {
        match self.stop {
            Some(stop) => drop(stop.wait(time)),
            None => thread::sleep(time),
        }
        self.check()
    }
}

/// The longest time for which a stop may wait.
const STEP: Duration = Duration::from_millis(50);
