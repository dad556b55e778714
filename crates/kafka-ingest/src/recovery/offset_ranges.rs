//! Keeps the offset ranges that are to be read, by partition. Pure.

use std::collections::{BTreeMap, VecDeque};

use crate::assignment::StartPosition;
use crate::unreadable::UnreadableBatch;

/// A stretch of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OffsetRange {
    pub(super) from: i64,
    /// The first offset that is not part of it; `None`: all there is.
    pub(super) until: Option<i64>,
}

/// Stretches by partition, each in order, none touching another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RangeQueue(BTreeMap<i32, VecDeque<OffsetRange>>);

impl RangeQueue {
    /// Reading on over so many records costs less than a new start.
    const GAP: i64 = 1_000;

    /// Joins stretches that meet or nearly do.
    pub(super) fn new(stretches: impl IntoIterator<Item = (i32, OffsetRange)>) -> Self {
        let mut by_partition: BTreeMap<i32, Vec<OffsetRange>> = BTreeMap::new();
        for (partition, segment) in stretches {
            by_partition.entry(partition).or_default().push(segment);
        }
        let joined = by_partition
            .into_iter()
            .map(|(partition, segments)| (partition, merge_ranges(segments)));
        Self(joined.collect())
    }

    /// The next stretch of each partition.
    pub(super) fn next_round(&mut self) -> BTreeMap<i32, OffsetRange> {
        let next = self.0.iter_mut();
        let next = next.filter_map(|(partition, left)| Some((*partition, left.pop_front()?)));
        next.collect()
    }

    /// Returns the partitions of which stretches are left.
    pub(super) fn partitions(&self) -> impl Iterator<Item = i32> {
        let left = self.0.iter().filter(|(_, segments)| !segments.is_empty());
        left.map(|(partition, _)| *partition)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.values().all(VecDeque::is_empty)
    }
}

fn merge_ranges(mut segments: Vec<OffsetRange>) -> VecDeque<OffsetRange> {
    segments.sort_by_key(|segment| segment.from);
    let mut joined: VecDeque<OffsetRange> = VecDeque::new();
    for segment in segments {
        match joined.back_mut() {
            Some(last)
                if last
                    .until
                    .is_none_or(|until| segment.from <= until + RangeQueue::GAP) =>
            {
                last.until = match (last.until, segment.until) {
                    (Some(one), Some(other)) => Some(one.max(other)),
                    (None, _) | (_, None) => None,
                };
            }
            Some(_) | None => joined.push_back(segment),
        }
    }
    joined
}

/// The progress of a round: the rest of each stretch.
#[derive(Debug)]
pub(super) struct ReadRound {
    open: BTreeMap<i32, OffsetRange>,
}

impl ReadRound {
    pub(super) fn new(segments: BTreeMap<i32, OffsetRange>) -> Self {
        Self { open: segments }
    }

    /// A record is read. True when it is part of the round.
    pub(super) fn on_record(&mut self, partition: i32, offset: i64) -> bool {
        let Some(segment) = self.open.get(&partition) else {
            return false;
        };
        let takes = segment.until.is_none_or(|until| offset < until);
        self.advance(partition, offset + 1);
        takes
    }

    /// Goes on behind a batch that cannot be read; false when its partition does not stand where the
    /// batch was found.
    pub(super) fn skip_batch(&mut self, batch: &UnreadableBatch) -> bool {
        let open = self.open.get(&batch.partition);
        let stands = open.is_some_and(|segment| StartPosition::At(segment.from) == batch.position);
        if stands {
            self.advance(batch.partition, batch.next);
        }
        stands
    }

    /// Returns where each partition that is not read to its end goes on.
    pub(super) fn positions(&self) -> Vec<(i32, i64)> {
        let open = self.open.iter();
        open.map(|(partition, segment)| (*partition, segment.from))
            .collect()
    }

    /// Returns the partitions that are not read as far as they have to.
    pub(super) fn partitions(&self) -> impl Iterator<Item = i32> {
        self.open.keys().copied()
    }

    fn advance(&mut self, partition: i32, from: i64) {
        let Some(segment) = self.open.get_mut(&partition) else {
            return;
        };
        segment.from = segment.from.max(from);
        if segment.until.is_some_and(|until| segment.from >= until) {
            self.open.remove(&partition);
        }
    }

    /// A partition is read to its end.
    pub(super) fn on_end(&mut self, partition: i32) {
        self.open.remove(&partition);
    }

    pub(super) fn is_done(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(from: i64, until: Option<i64>) -> OffsetRange {
        OffsetRange { from, until }
    }

    #[test]
    fn stretches_that_nearly_meet_are_read_in_one_go() {
        let mut segments = RangeQueue::new([
            (0, segment(5_000, Some(5_001))),
            (0, segment(10, Some(11))),
            (0, segment(1_011, Some(1_012))),
            (1, segment(7, None)),
            (1, segment(900, Some(901))),
        ]);
        let round = segments.next_round();
        let expected = [(0, segment(10, Some(1_012))), (1, segment(7, None))];
        assert_eq!(round, BTreeMap::from(expected));
        let round = segments.next_round();
        assert_eq!(round, BTreeMap::from([(0, segment(5_000, Some(5_001)))]));
        assert!(segments.is_empty() && segments.next_round().is_empty());
    }

    #[test]
    fn a_round_is_over_when_each_partition_is_read_as_far_as_it_has_to() {
        let mut round = ReadRound::new(BTreeMap::from([
            (0, segment(1, Some(3))),
            (1, segment(0, None)),
            (2, segment(5, Some(9))),
        ]));
        assert!(round.on_record(0, 1) && round.on_record(0, 2));
        assert!(!round.on_record(0, 3), "it is read already");
        assert!(!round.on_record(2, 9), "beyond: nothing of it is there");
        assert!(round.on_record(1, 1_000) && !round.is_done());
        round.on_end(1);
        assert!(round.is_done());
        assert!(!round.on_record(7, 0));
    }

    #[test]
    fn a_round_goes_on_behind_a_batch_and_is_over_when_that_reaches_its_end() {
        let mut round = ReadRound::new(BTreeMap::from([
            (0, segment(1, Some(30))),
            (1, segment(4, Some(9))),
            (2, segment(0, None)),
        ]));
        assert!(round.on_record(0, 2));
        let batch = |partition, position, next| UnreadableBatch {
            partition,
            position: StartPosition::At(position),
            first: position,
            next,
        };
        assert!(!round.skip_batch(&batch(0, 1, 20)), "it was read past that");
        assert!(!round.skip_batch(&batch(7, 1, 20)));
        assert!(round.skip_batch(&batch(0, 3, 20)));
        assert!(round.skip_batch(&batch(1, 4, 9)));
        assert!(round.skip_batch(&batch(2, 0, 50)));
        assert_eq!(round.positions(), [(0, 20), (2, 50)]);
        assert!(round.skip_batch(&batch(0, 20, 31)));
        assert_eq!(round.positions(), [(2, 50)]);
    }
}
