//! Tracks the offset up to which each partition of a group may be committed: the first record that is not settled.
//! Pure.
//!
//! A record is settled once it was handed over or skipped. One that waits for its schema is not, and
//! holds its partition's offset back, so that a process that starts anew reads it again.

use std::collections::{BTreeMap, BTreeSet};

use types::RecordPosition;

/// The records of each partition that are not settled; as many as may be parked, since all others
/// are settled when they are read.
#[derive(Debug, Default)]
pub(crate) struct OffsetTracker {
    partitions: BTreeMap<i32, TrackedPartition>,
}

#[derive(Debug)]
struct TrackedPartition {
    /// Read and not settled.
    unsettled: BTreeSet<i64>,
    /// Behind the newest that was read.
    next: i64,
    /// The offset that [`OffsetTracker::poll_offsets`] returned last.
    reported: Option<i64>,
}

impl OffsetTracker {
    /// A record was read. Offsets that go back begin a new line: the log is another one.
    pub(crate) fn on_read(&mut self, at: RecordPosition) {
        let line = self
            .partitions
            .entry(at.partition)
            .or_insert_with(TrackedPartition::empty);
        if at.offset < line.next {
            *line = TrackedPartition::empty();
        }
        line.unsettled.insert(at.offset);
        line.next = at.offset + 1;
    }

    /// A record was handed over or skipped. Without effect for one whose partition was taken away.
    pub(crate) fn on_settled(&mut self, at: RecordPosition) {
        if let Some(line) = self.partitions.get_mut(&at.partition) {
            line.unsettled.remove(&at.offset);
        }
    }

    /// Everything before `next` of a partition was read, or cannot be.
    pub(crate) fn on_batch_skipped(&mut self, partition: i32, next: i64) {
        let line = self
            .partitions
            .entry(partition)
            .or_insert_with(TrackedPartition::empty);
        line.next = line.next.max(next);
    }

    /// These partitions are another member's now.
    pub(crate) fn on_revoked(&mut self, partitions: &[i32]) {
        self.partitions
            .retain(|number, _| !partitions.contains(number));
    }

    /// The offset to go on at of every partition where it has changed since the last call.
    pub(crate) fn poll_offsets(&mut self) -> Vec<(i32, i64)> {
        let changed = |(&number, line): (&i32, &mut TrackedPartition)| {
            let head = line.unsettled.first().copied().unwrap_or(line.next);
            (line.reported.replace(head) != Some(head)).then_some((number, head))
        };
        self.partitions.iter_mut().filter_map(changed).collect()
    }
}

impl TrackedPartition {
    fn empty() -> Self {
        Self {
            unsettled: BTreeSet::new(),
            next: 0,
            reported: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, offset: i64) -> RecordPosition {
        RecordPosition { partition, offset }
    }

    fn line(read: &[(i32, i64)], settled: &[(i32, i64)]) -> OffsetTracker {
        let mut line = OffsetTracker::default();
        for &(partition, offset) in read {
            line.on_read(at(partition, offset));
        }
        for &(partition, offset) in settled {
            line.on_settled(at(partition, offset));
        }
        line
    }

    #[test]
    fn the_offset_follows_what_is_settled() {
        let mut line = line(&[(0, 5), (1, 9), (0, 8)], &[(0, 5), (1, 9), (0, 8)]);
        assert_eq!(line.poll_offsets(), [(0, 9), (1, 10)]);
        assert_eq!(line.poll_offsets(), [], "said once");
    }

    #[test]
    fn a_record_that_waits_holds_its_partition_back_and_no_other() {
        let read = [(0, 5), (0, 6), (0, 7), (1, 1)];
        let mut line = line(&read, &[(0, 6), (0, 7), (1, 1)]);
        assert_eq!(line.poll_offsets(), [(0, 5), (1, 2)]);
        line.on_settled(at(0, 5));
        assert_eq!(
            line.poll_offsets(),
            [(0, 8)],
            "and then goes on behind all of them"
        );
    }

    #[test]
    fn the_offset_goes_on_behind_what_cannot_be_read_once_all_before_it_is_settled() {
        let mut line = line(&[(0, 5), (0, 6)], &[(0, 6)]);
        line.on_batch_skipped(0, 9);
        line.on_batch_skipped(1, 4);
        assert_eq!(line.poll_offsets(), [(0, 5), (1, 4)]);
        line.on_settled(at(0, 5));
        assert_eq!(line.poll_offsets(), [(0, 9)]);
    }

    #[test]
    fn what_was_taken_away_has_no_offset_any_more() {
        let mut line = line(&[(0, 5), (1, 5), (2, 5)], &[(0, 5)]);
        line.on_revoked(&[0, 1]);
        line.on_settled(at(1, 5));
        line.on_settled(at(2, 5));
        assert_eq!(line.poll_offsets(), [(2, 6)]);
    }

    #[test]
    fn a_log_that_went_back_begins_a_new_line() {
        let mut line = line(&[(0, 5), (0, 6)], &[(0, 5)]);
        assert_eq!(line.poll_offsets(), [(0, 6)]);
        line.on_read(at(0, 2));
        assert_eq!(line.poll_offsets(), [(0, 2)]);
        line.on_settled(at(0, 6));
        line.on_settled(at(0, 2));
        assert_eq!(line.poll_offsets(), [(0, 3)]);
    }
}
