//! Tracks the progress of a scan of the dead letters' topic. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::ReplayProgress;
use crate::assignment::StartPosition;
use crate::unreadable::UnreadableBatch;

/// The offsets that one partition held when the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartitionRange {
    pub(super) partition: i32,
    pub(super) low: i64,
    pub(super) high: i64,
}

/// Tracks which partitions are read to their end, and how far the others are.
#[derive(Debug)]
pub(super) struct TopicScan {
    ranges: BTreeMap<i32, PartitionRange>,
    open: BTreeSet<i32>,
    done: u64,
    total: u64,
}

impl TopicScan {
    pub(super) fn new(ranges: &[PartitionRange]) -> Self {
        let filled = ranges.iter().filter(|range| range.low < range.high);
        let ranges: BTreeMap<i32, PartitionRange> =
            filled.map(|range| (range.partition, *range)).collect();
        Self {
            open: ranges.keys().copied().collect(),
            total: ranges
                .values()
                .map(|range| range_length(range.low, range.high))
                .sum(),
            ranges,
            done: 0,
        }
    }

    pub(super) fn unread_ranges(&self) -> impl Iterator<Item = PartitionRange> {
        let open = self.ranges.values();
        open.filter(|range| self.open.contains(&range.partition))
            .copied()
    }

    /// A record is read. True when it was there when the run began.
    pub(super) fn on_record(&mut self, partition: i32, offset: i64) -> bool {
        let Some(range) = self.ranges.get_mut(&partition) else {
            return false;
        };
        if offset < range.low || offset >= range.high {
            self.end_if_reached(partition, offset);
            return false;
        }
        self.done += range_length(range.low, offset + 1);
        range.low = offset + 1;
        self.end_if_reached(partition, offset + 1);
        true
    }

    /// Goes on behind a batch that cannot be read; false when its partition does not stand where the
    /// batch was found.
    pub(super) fn skip_batch(&mut self, batch: &UnreadableBatch) -> bool {
        let range = self.ranges.get_mut(&batch.partition);
        let Some(range) = range.filter(|range| StartPosition::At(range.low) == batch.position)
        else {
            return false;
        };
        let next = batch.next.min(range.high);
        self.done += range_length(range.low, next);
        range.low = next;
        self.end_if_reached(batch.partition, next);
        true
    }

    pub(super) fn on_end(&mut self, partition: i32) {
        self.open.remove(&partition);
    }

    fn end_if_reached(&mut self, partition: i32, next: i64) {
        if self
            .ranges
            .get(&partition)
            .is_some_and(|range| next >= range.high)
        {
            self.on_end(partition);
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn progress(&self) -> ReplayProgress {
        ReplayProgress {
            done: self.done,
            total: self.total,
        }
    }
}

fn range_length(from: i64, until: i64) -> u64 {
    u64::try_from(until - from).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan() -> TopicScan {
        let range = |partition, low, high| PartitionRange {
            partition,
            low,
            high,
        };
        TopicScan::new(&[range(0, 2, 5), range(1, 4, 4), range(2, 0, 2)])
    }

    fn progress(scan: &TopicScan) -> (u64, u64) {
        let ReplayProgress { done, total } = scan.progress();
        (done, total)
    }

    #[test]
    fn it_is_over_once_every_partition_is_read_to_where_it_ended() {
        let mut scan = scan();
        let open: Vec<_> = scan.unread_ranges().map(|range| range.partition).collect();
        assert_eq!(open, [0, 2], "an empty one has nothing to read");
        for offset in 2..5 {
            assert!(!scan.is_done());
            assert!(scan.on_record(0, offset));
        }
        assert!(!scan.on_record(0, 5), "written since");
        assert_eq!(progress(&scan), (3, 5));
        scan.on_end(2);
        assert!(scan.is_done());
    }

    #[test]
    fn a_record_is_taken_once() {
        let mut scan = scan();
        assert!(scan.on_record(0, 3));
        assert!(!scan.on_record(0, 3));
        assert!(!scan.on_record(0, 2), "before what was read");
        assert!(!scan.on_record(7, 0), "of no partition there was");
        assert_eq!(progress(&scan), (2, 5), "gaps count as read");
    }

    #[test]
    fn it_goes_on_behind_a_batch_that_cannot_be_read() {
        let mut scan = scan();
        let batch = |partition, position, next| UnreadableBatch {
            partition,
            position: StartPosition::At(position),
            first: position,
            next,
        };
        assert!(scan.on_record(0, 2));
        assert!(!scan.skip_batch(&batch(0, 2, 4)), "it was read past that");
        assert!(!scan.skip_batch(&batch(7, 2, 4)));
        assert!(scan.skip_batch(&batch(0, 3, 4)));
        assert!(
            scan.skip_batch(&batch(2, 0, 9)),
            "it was longer than what there was"
        );
        assert_eq!(progress(&scan), (4, 5));
        let left: Vec<_> = scan
            .unread_ranges()
            .map(|range| (range.partition, range.low))
            .collect();
        assert_eq!(left, [(0, 4)]);
    }

    #[test]
    fn a_record_written_since_ends_its_partition() {
        let mut scan = scan();
        assert!(!scan.on_record(0, 9) && !scan.on_record(2, 2));
        assert!(scan.is_done());
    }
}
