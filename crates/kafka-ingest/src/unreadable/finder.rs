//! Reads partitions with a client of its own, as often as [`super::search`] wants, to see where the
//! batches end that cannot be read. Only positions are looked at, never a record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
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

/// Finds unreadable batches. Its client is created when it is first needed.
pub(crate) struct Finder {
    config: ClientConfig,
    topic: Arc<str>,
    client: Option<SteadyConsumer<Silent>>,
}

/// How long a search may take, and who ends it before.
pub(crate) struct Patience<'a> {
    pub(crate) until: Instant,
    pub(crate) stop: Option<&'a Stop>,
}

/// The search was ended by its [`Patience`], or Kafka does not answer.
struct GivenUp;

impl Finder {
    /// How many batches of a partition one search finds at most.
    const BATCHES: usize = 64;
    /// How long a search waits for the partitions to say something; idle ones say that they end.
    const SURVEY: Duration = Duration::from_secs(3);
    /// How long one look may take.
    const LOOK: Duration = Duration::from_secs(5);
    const FIRST_WAIT: Duration = Duration::from_millis(200);
    const LONGEST_WAIT: Duration = Duration::from_secs(1);

    /// Takes what the reader's own client was created from.
    pub(crate) fn new(config: &ClientConfig, topic: Arc<str>) -> Self {
        let mut config = config.clone();
        for (name, value) in [
            ("enable.partition.eof", "true"),
            ("enable.auto.commit", "false"),
            // An offset behind the end is an outcome, and nothing to start over for.
            ("auto.offset.reset", "error"),
            // Where batches end does not depend on whether their transaction was committed.
            ("isolation.level", "read_uncommitted"),
            ("fetch.error.backoff.ms", "10"),
            ("queued.min.messages", "1"),
            ("queued.max.messages.kbytes", "1024"),
            ("statistics.interval.ms", "0"),
        ] {
            config.set(name, value);
        }
        Self {
            config,
            topic,
            client: None,
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
        let ended = self.search(starts, patience, &mut found);
        if let Some(client) = &self.client {
            // It would go on reading ahead.
            drop(client.unassign());
        }
        if ended.is_err() {
            // Another one may do better.
            self.client = None;
        }
        found
    }

    fn search(
        &mut self,
        starts: &[(i32, Start)],
        patience: &Patience<'_>,
        found: &mut Vec<UnreadableBatch>,
    ) -> Result<(), GivenUp> {
        if self.client.is_none() {
            let client = SteadyConsumer::create(&self.config, Silent);
            self.client = Some(client.map_err(|_| GivenUp)?);
        }
        let client = self.client.as_ref().ok_or(GivenUp)?;
        let look = Look {
            client,
            topic: &self.topic,
            patience,
        };
        let outcomes = look.at_all(starts)?;
        for (partition, position) in starts {
            if let Some(Outcome::Unreadable { batch }) = outcomes.get(partition) {
                look.search(*partition, *position, *batch, found)?;
            }
        }
        Ok(())
    }
}

/// The client, and what it looks at.
struct Look<'a> {
    client: &'a SteadyConsumer<Silent>,
    topic: &'a str,
    patience: &'a Patience<'a>,
}

impl Look<'_> {
    /// Finds the batch at `position` and those right behind it.
    fn search(
        &self,
        partition: i32,
        mut position: Start,
        mut batch: i64,
        found: &mut Vec<UnreadableBatch>,
    ) -> Result<(), GivenUp> {
        let mut backoff = Backoff::new(Finder::FIRST_WAIT, Finder::LONGEST_WAIT);
        for number in 0..Finder::BATCHES {
            let at = match position {
                Start::At(offset) => offset,
                Start::Beginning => batch,
            };
            let mut search = BatchSearch::new(at, batch);
            let next = loop {
                let offset = match search.next_step() {
                    Step::Retry => {
                        // A fault that passes is waited for once, not for each batch behind it.
                        if number == 0 {
                            self.patience.wait(backoff.after_failure(rand::random()))?;
                        }
                        at
                    }
                    Step::Look(offset) => offset,
                    Step::Found(next) => break next,
                    Step::Readable => return Ok(()),
                };
                search.on_outcome(self.at(partition, offset)?);
            };
            found.push(UnreadableBatch {
                partition,
                position,
                first: batch,
                next,
            });
            position = Start::At(next);
            let Outcome::Unreadable { batch: another } = self.at(partition, next)? else {
                return Ok(());
            };
            batch = another;
        }
        Ok(())
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

/// How long a stop may wait.
const STEP: Duration = Duration::from_millis(50);
