//! The records of the answers' topic that were read lately, and from where on none is missing. Shared
//! between the consumer's thread, which adds to it, and the thread that looks for the past of resumed
//! sessions. Pure but for its lock.
//!
//! Two indexes: one of what is read since this process began, one of what was there before, which is
//! filled once. Each stands in the order of its topic, so that what is forgotten first is what is
//! oldest in it.

mod position_index;

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use types::{MinOffsets, QuestionId, RecordPosition};

use crate::assignment::StartPosition;
use position_index::PositionIndex;

/// Bounds of the answer index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerIndexLimits {
    /// For how long.
    pub window: Duration,
    /// The most records, of those read since the start and of those from before it each.
    pub records: usize,
}

/// Ten minutes, a million records.
impl Default for AnswerIndexLimits {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(600),
            records: 1_000_000,
        }
    }
}

/// Indexes the records that were read lately.
#[derive(Debug)]
pub(crate) struct AnswerIndex {
    limits: AnswerIndexLimits,
    /// Keyed anew by each process, so that nobody can choose ids that collide.
    hashes: RandomState,
    inner: Mutex<AnswerIndexState>,
}

#[derive(Debug)]
struct AnswerIndexState {
    live: PositionIndex,
    history: PositionIndex,
    /// By partition.
    coverage: BTreeMap<i32, PartitionCoverage>,
}

/// From where on every record of a partition that was read is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PartitionCoverage {
    /// `None` until the first record is read: nothing is.
    complete_from: Option<i64>,
    /// The offset at which this process began to read; the records before it are history.
    reading_from: Option<i64>,
}

/// The key under which a record is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RecordKey<'a> {
    /// The question it names.
    QuestionId(QuestionId),
    /// Its wire id, when it names none.
    WireId(&'a str),
}

/// The positions of a question's records, and the ranges that are not indexed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RecordLocations {
    pub(crate) known: Vec<RecordPosition>,
    /// Partitions to be looked through, from the first offset up to the second, or to the end.
    pub(crate) unindexed: Vec<(i32, i64, Option<i64>)>,
}

impl AnswerIndex {
    pub(crate) fn new(limits: AnswerIndexLimits, now: Instant) -> Self {
        Self {
            limits,
            hashes: RandomState::new(),
            inner: Mutex::new(AnswerIndexState {
                live: PositionIndex::new(limits.records, now),
                history: PositionIndex::new(limits.records, now),
                coverage: BTreeMap::new(),
            }),
        }
    }

    // === the consumer's thread ===

    /// Partitions are read, each from there. Those known already go on.
    pub(crate) fn on_assigned(&self, starts: impl Iterator<Item = (i32, StartPosition)>) {
        let mut inner = self.lock();
        for (partition, start) in starts {
            let from = match start {
                // Whatever its oldest record's offset is, none that was read is missing.
                StartPosition::Beginning => 0,
                StartPosition::At(offset) => offset,
            };
            let coverage = PartitionCoverage {
                complete_from: Some(from),
                reading_from: Some(from),
            };
            inner.coverage.entry(partition).or_insert(coverage);
        }
    }

    /// A record carries this mark. To be told before anybody is handed the record.
    pub(crate) fn on_record(&self, now: Instant, mark: RecordKey<'_>, at: RecordPosition) {
        let hash = self.hashes.hash_one(mark);
        let mut inner = self.lock();
        let mut evicted = inner.history.expire(now, self.limits.window);
        evicted.extend(inner.live.expire(now, self.limits.window));
        evicted.extend(inner.live.insert(now, hash, at));
        for at in evicted {
            inner.forget(at);
        }
        let coverage = inner.coverage.entry(at.partition);
        coverage
            .or_insert(PartitionCoverage::NOTHING)
            .complete_from
            .get_or_insert(at.offset);
    }

    /// The log is another one, or nobody knows which records were read: all is forgotten.
    pub(crate) fn clear(&self, now: Instant) {
        let mut inner = self.lock();
        inner.live = PositionIndex::new(self.limits.records, now);
        inner.history = PositionIndex::new(self.limits.records, now);
        for coverage in inner.coverage.values_mut() {
            *coverage = PartitionCoverage::NOTHING;
        }
    }

    // === who looks for the past ===

    /// Returns the offset at which reading of each partition began; empty until partitions are read.
    pub(crate) fn reading_starts(&self) -> Vec<(i32, i64)> {
        let inner = self.lock();
        let began = inner.coverage.iter();
        began
            .filter_map(|(partition, coverage)| Some((*partition, coverage.reading_from?)))
            .collect()
    }

    /// A record from before this process carries this mark. Returns the one that had to make room
    /// for it, if one had to.
    pub(crate) fn on_history_record(
        &self,
        now: Instant,
        mark: RecordKey<'_>,
        at: RecordPosition,
    ) -> Option<RecordPosition> {
        let hash = self.hashes.hash_one(mark);
        self.lock().history.insert(now, hash, at)
    }

    /// Every record of a partition from `from` up to its beginning was told to [`Self::on_history_record`], and
    /// is still there. Of no effect when something was forgotten meanwhile.
    pub(crate) fn mark_complete(&self, partition: i32, from: i64) {
        let mut inner = self.lock();
        if let Some(coverage) = inner.coverage.get_mut(&partition)
            && coverage.complete_from == coverage.reading_from
        {
            coverage.complete_from = coverage.complete_from.map(|known| known.min(from));
        }
    }

    /// Returns the positions of the records with any of these keys that are not below `floor`.
    pub(crate) fn locate(&self, marks: &[RecordKey<'_>], floor: &MinOffsets) -> RecordLocations {
        let inner = self.lock();
        let hashes = marks.iter().map(|mark| self.hashes.hash_one(mark));
        let known = hashes.flat_map(|hash| {
            let live = inner.live.positions(hash);
            live.chain(inner.history.positions(hash))
        });
        let known = known.filter(|at| !floor.excludes(*at)).collect();
        let unknown = inner.coverage.iter().filter_map(|(partition, coverage)| {
            let floor = floor.min_offset(*partition);
            match coverage.complete_from {
                Some(from) => (floor < from).then_some((*partition, floor, Some(from))),
                None => Some((*partition, floor, None)),
            }
        });
        RecordLocations {
            known,
            unindexed: unknown.collect(),
        }
    }

    /// Records and bytes that are held.
    pub(crate) fn size(&self) -> (usize, usize) {
        let inner = self.lock();
        (
            inner.live.len() + inner.history.len(),
            inner.live.bytes() + inner.history.bytes(),
        )
    }

    /// Each change is one call, so a panicking thread leaves nothing half-done.
    fn lock(&self) -> MutexGuard<'_, AnswerIndexState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AnswerIndexState {
    /// A record is not indexed any more.
    fn forget(&mut self, at: RecordPosition) {
        if let Some(coverage) = self.coverage.get_mut(&at.partition) {
            coverage.complete_from = coverage.complete_from.map(|from| from.max(at.offset + 1));
        }
    }
}

impl PartitionCoverage {
    const NOTHING: Self = Self {
        complete_from: None,
        reading_from: None,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    struct Bench {
        recent: AnswerIndex,
        now: Instant,
    }

    impl Bench {
        /// Partition 0 is read from 100 on, partition 1 from its beginning; two records fit.
        fn new() -> Self {
            let now = Instant::now();
            let limits = AnswerIndexLimits {
                window: WINDOW,
                records: 2,
            };
            let recent = AnswerIndex::new(limits, now);
            recent.on_assigned(
                [(0, StartPosition::At(100)), (1, StartPosition::Beginning)].into_iter(),
            );
            Self { recent, now }
        }

        fn read(&self, wire_id: &str, partition: i32, offset: i64) {
            let at = RecordPosition { partition, offset };
            self.recent
                .on_record(self.now, RecordKey::WireId(wire_id), at);
        }

        /// Known positions, and what is to be looked through, from a floor of these watermarks.
        fn traces(&self, wire_id: &str, floor: [i64; 2]) -> RecordLocations {
            let floor = MinOffsets::new(floor);
            self.recent.locate(&[RecordKey::WireId(wire_id)], &floor)
        }
    }

    fn known(traces: &RecordLocations) -> Vec<(i32, i64)> {
        let known = traces.known.iter();
        known.map(|at| (at.partition, at.offset)).collect()
    }

    #[test]
    fn records_are_found_by_their_wire_id_from_the_floor_on() {
        let bench = Bench::new();
        bench.read("a", 0, 100);
        bench.read("a", 1, 7);
        let traces = bench.traces("a", [100, 0]);
        assert_eq!(known(&traces), [(1, 7), (0, 100)]);
        assert_eq!(traces.unindexed, [], "both are read from there on");
        assert_eq!(known(&bench.traces("a", [101, 7])), [(1, 7)]);
        assert_eq!(known(&bench.traces("b", [100, 0])), []);
    }

    #[test]
    fn a_record_is_found_by_any_of_its_marks() {
        let bench = Bench::new();
        let question = RecordKey::QuestionId(QuestionId::from_bytes([1; 16]));
        let at = |offset| RecordPosition {
            partition: 1,
            offset,
        };
        bench.recent.on_record(bench.now, question, at(3));
        bench.read("a", 1, 4);
        let marks = [question, RecordKey::WireId("a")];
        let traces = bench.recent.locate(&marks, &MinOffsets::new([100, 0]));
        assert_eq!(known(&traces), [(1, 3), (1, 4)]);
    }

    #[test]
    fn what_stands_before_the_first_record_read_is_to_be_looked_through() {
        let bench = Bench::new();
        let traces = bench.traces("a", [90, 0]);
        assert_eq!(traces.unindexed, [(0, 90, Some(100))]);
        bench.recent.mark_complete(0, 95);
        assert_eq!(bench.traces("a", [90, 0]).unindexed, [(0, 90, Some(95))]);
        assert_eq!(bench.traces("a", [95, 0]).unindexed, []);
        assert_eq!(bench.recent.reading_starts(), [(0, 100), (1, 0)]);
    }

    #[test]
    fn what_had_to_make_room_is_to_be_looked_through() {
        let bench = Bench::new();
        for offset in 100..103 {
            bench.read("a", 0, offset);
        }
        let traces = bench.traces("a", [100, 0]);
        assert_eq!(known(&traces), [(0, 102), (0, 101)]);
        assert_eq!(traces.unindexed, [(0, 100, Some(101))]);
        bench.recent.mark_complete(0, 0);
        let unknown = bench.traces("a", [100, 0]).unindexed;
        assert_eq!(unknown, [(0, 100, Some(101))], "a past that comes too late");
    }

    #[test]
    fn what_is_older_than_the_window_is_to_be_looked_through() {
        let mut bench = Bench::new();
        bench.recent.on_history_record(
            bench.now,
            RecordKey::WireId("a"),
            RecordPosition {
                partition: 0,
                offset: 98,
            },
        );
        bench.recent.mark_complete(0, 90);
        assert_eq!(known(&bench.traces("a", [90, 0])), [(0, 98)]);
        bench.now += WINDOW + Duration::from_secs(1);
        bench.read("b", 0, 100);
        let traces = bench.traces("a", [90, 0]);
        assert_eq!(
            (known(&traces), traces.unindexed),
            (vec![], vec![(0, 90, Some(99))])
        );
    }

    #[test]
    fn after_another_log_nothing_is_known_but_what_is_read_from_then_on() {
        let bench = Bench::new();
        bench.read("a", 0, 100);
        bench.recent.clear(bench.now);
        let traces = bench.traces("a", [0, 0]);
        assert_eq!(traces.known, []);
        assert_eq!(traces.unindexed, [(0, 0, None), (1, 0, None)]);
        bench.read("a", 0, 3);
        let traces = bench.traces("a", [0, 0]);
        assert_eq!(known(&traces), [(0, 3)]);
        assert_eq!(traces.unindexed, [(0, 0, Some(3)), (1, 0, None)]);
        assert_eq!(bench.recent.reading_starts(), []);
    }
}
