//! Keeps the partitions of the answers' topic that this process reads, and their next offsets. Pure.
//!
//! Two modes: broadcast, every partition, by manual assignment; and group, those that a consumer
//! group has given this process. Past the opening the worker asks either the same.

mod group;

use types::RecordPosition;

use crate::unreadable::UnreadableBatch;
pub use group::GroupStart;
pub(crate) use group::{GroupAssignment, PartitionOffsets};

/// The partitions of either mode.
#[derive(Debug)]
pub(crate) enum Assignment {
    Broadcast(BroadcastAssignment),
    Group(GroupAssignment),
}

/// Every partition, each from its next unread offset.
///
/// What was in the topic before the first positioning cannot answer a question of this process, so
/// that starts at the end. Whatever appears later can, so that starts at the beginning.
#[derive(Debug, Default)]
pub(crate) struct BroadcastAssignment {
    /// By partition number.
    starts: Vec<StartPosition>,
    /// True once the partitions were positioned.
    positioned: bool,
}

/// The offset at which reading a partition goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartPosition {
    /// At the oldest record there is.
    Beginning,
    /// At this offset.
    At(i64),
}

/// The relation of a record's offset to what was read of its partition before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a log that went back is worth a line"]
pub(crate) enum LogPosition {
    /// Behind it, as it has to be.
    Advanced,
    /// In it or before it: the log was cut, or made anew.
    WentBack,
}

impl Assignment {
    /// The topic has `partitions` partitions now: those to be read that were added since.
    pub(crate) fn add_partitions(&mut self, partitions: usize) -> Vec<i32> {
        match self {
            Self::Broadcast(all) => all.add_partitions(partitions),
            // The group gives them out itself.
            Self::Group(_) => Vec::new(),
        }
    }

    /// A record was read.
    pub(crate) fn on_read(&mut self, at: RecordPosition) -> LogPosition {
        match self {
            Self::Broadcast(all) => all.on_read(at),
            Self::Group(given) => given.on_read(at),
        }
    }

    /// Goes on behind a batch that cannot be read; false when its partition does not stand where the
    /// batch was found.
    pub(crate) fn skip_batch(&mut self, batch: &UnreadableBatch) -> bool {
        match self {
            Self::Broadcast(all) => all.skip_batch(batch),
            Self::Group(given) => given.skip_batch(batch),
        }
    }

    /// True when a partition ends before what was read of it. `ends` are those of the partitions in
    /// [`Self::start_positions`], in their order.
    pub(crate) fn is_past_the_end(&self, ends: &[i64]) -> bool {
        match self {
            Self::Broadcast(all) => all.is_past_the_end(ends),
            Self::Group(given) => given.is_past_the_end(ends),
        }
    }

    /// The topic is gone.
    pub(crate) fn on_topic_gone(&mut self) {
        match self {
            Self::Broadcast(all) => all.on_topic_gone(),
            Self::Group(given) => given.on_topic_gone(),
        }
    }

    /// Every partition that is read, and where to go on.
    pub(crate) fn start_positions(&self) -> Vec<(i32, StartPosition)> {
        match self {
            Self::Broadcast(all) => all.start_positions().collect(),
            Self::Group(given) => given.start_positions().collect(),
        }
    }
}

impl BroadcastAssignment {
    /// The topic has `partitions` partitions now: those whose end must be resolved before they can
    /// be read, ascending. Empty once positioned: what is new is then read from its beginning.
    pub(crate) fn unresolved_partitions(&self, partitions: usize) -> Vec<i32> {
        if self.positioned {
            return Vec::new();
        }
        (0..partitions).filter_map(partition_number).collect()
    }

    /// Takes the ends of all [`Self::unresolved_partitions`] partitions, in that order. Every partition has a
    /// start from now on.
    pub(crate) fn set_positions(&mut self, partitions: usize, ends: &[i64]) {
        if !self.positioned {
            self.starts = ends.iter().map(|end| StartPosition::At(*end)).collect();
            self.positioned = true;
        }
        self.add_partitions(partitions);
    }

    /// The topic has `partitions` partitions now: the ones added since, to be read from their
    /// beginning.
    pub(crate) fn add_partitions(&mut self, partitions: usize) -> Vec<i32> {
        let known = self.starts.len();
        self.starts
            .resize(partitions.max(known), StartPosition::Beginning);
        (known..partitions).filter_map(partition_number).collect()
    }

    /// A record was read: its partition goes on behind it. Follows the log when it goes back.
    pub(crate) fn on_read(&mut self, at: RecordPosition) -> LogPosition {
        let start = usize::try_from(at.partition)
            .ok()
            .and_then(|partition| self.starts.get_mut(partition));
        let Some(start) = start else {
            return LogPosition::Advanced;
        };
        let before = std::mem::replace(start, StartPosition::At(at.offset + 1));
        match before {
            StartPosition::At(expected) if at.offset < expected => LogPosition::WentBack,
            StartPosition::At(_) | StartPosition::Beginning => LogPosition::Advanced,
        }
    }

    /// Goes on behind a batch that cannot be read; false when its partition does not stand where the
    /// batch was found.
    pub(crate) fn skip_batch(&mut self, batch: &UnreadableBatch) -> bool {
        let place = usize::try_from(batch.partition).ok();
        let start = place.and_then(|place| self.starts.get_mut(place));
        start.is_some_and(|start| start.skip_batch(batch))
    }

    /// True when a partition ends before what was read of it, so that its log is another one. `ends`
    /// are those of the partitions in [`Self::starts`], in their order.
    pub(crate) fn is_past_the_end(&self, ends: &[i64]) -> bool {
        self.starts
            .iter()
            .zip(ends)
            .any(|(start, end)| matches!(start, StartPosition::At(offset) if offset > end))
    }

    /// The topic is gone: if it comes back it is another one, read from its beginning.
    pub(crate) fn on_topic_gone(&mut self) {
        self.starts.clear();
    }

    /// Every partition and where to go on.
    pub(crate) fn start_positions(&self) -> impl Iterator<Item = (i32, StartPosition)> {
        self.starts
            .iter()
            .enumerate()
            .filter_map(|(partition, start)| Some((partition_number(partition)?, *start)))
    }
}

impl StartPosition {
    /// Goes on behind a batch that was found here; false when it was found elsewhere.
    fn skip_batch(&mut self, batch: &UnreadableBatch) -> bool {
        let stands = *self == batch.position;
        if stands {
            *self = Self::At(batch.next);
        }
        stands
    }
}

/// Kafka's partition numbers are 31 bits.
fn partition_number(partition: usize) -> Option<i32> {
    i32::try_from(partition).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(broadcast: &BroadcastAssignment) -> Vec<(i32, StartPosition)> {
        broadcast.start_positions().collect()
    }

    fn positioned() -> BroadcastAssignment {
        let mut broadcast = BroadcastAssignment::default();
        assert_eq!(broadcast.unresolved_partitions(2), [0, 1]);
        broadcast.set_positions(2, &[10, 20]);
        broadcast
    }

    #[test]
    fn the_first_positioning_is_at_the_ends() {
        let broadcast = positioned();
        assert_eq!(
            starts(&broadcast),
            [(0, StartPosition::At(10)), (1, StartPosition::At(20))]
        );
        assert!(
            broadcast.unresolved_partitions(2).is_empty(),
            "never a jump to the end again"
        );
    }

    fn at(partition: i32, offset: i64) -> RecordPosition {
        RecordPosition { partition, offset }
    }

    #[test]
    fn reading_goes_on_behind_what_was_read() {
        let mut broadcast = positioned();
        assert_eq!(broadcast.on_read(at(1, 25)), LogPosition::Advanced);
        broadcast.set_positions(2, &[]);
        assert_eq!(
            starts(&broadcast),
            [(0, StartPosition::At(10)), (1, StartPosition::At(26))]
        );
    }

    #[test]
    fn reading_follows_a_log_that_went_back() {
        let mut broadcast = positioned();
        assert_eq!(broadcast.on_read(at(0, 9)), LogPosition::WentBack);
        assert_eq!(broadcast.on_read(at(0, 10)), LogPosition::Advanced);
        broadcast.add_partitions(3);
        assert_eq!(
            broadcast.on_read(at(2, 0)),
            LogPosition::Advanced,
            "its first record"
        );
    }

    #[test]
    fn reading_goes_on_behind_a_batch_only_from_where_that_was_found() {
        let mut broadcast = positioned();
        let batch = |partition, position, next| UnreadableBatch {
            partition,
            position: StartPosition::At(position),
            first: position,
            next,
        };
        for elsewhere in [
            batch(0, 9, 30),
            batch(0, 11, 30),
            batch(2, 10, 30),
            batch(-1, 10, 30),
        ] {
            assert!(!broadcast.skip_batch(&elsewhere), "{elsewhere:?}");
        }
        assert!(broadcast.skip_batch(&batch(0, 10, 30)));
        assert!(broadcast.skip_batch(&batch(0, 30, 31)));
        assert_eq!(
            starts(&broadcast),
            [(0, StartPosition::At(31)), (1, StartPosition::At(20))]
        );
        assert_eq!(broadcast.on_read(at(0, 31)), LogPosition::Advanced);
    }

    #[test]
    fn a_log_that_ends_before_what_was_read_is_another_one() {
        let mut broadcast = positioned();
        broadcast.add_partitions(3);
        assert!(!broadcast.is_past_the_end(&[10, 20, 0]));
        assert!(!broadcast.is_past_the_end(&[11, 25, 7]));
        assert!(broadcast.is_past_the_end(&[10, 19, 0]));
    }

    #[test]
    fn an_added_partition_is_read_from_its_beginning() {
        let mut broadcast = positioned();
        assert_eq!(broadcast.add_partitions(4), [2, 3]);
        assert!(broadcast.add_partitions(4).is_empty());
        assert!(
            broadcast.add_partitions(1).is_empty(),
            "partitions are never taken away"
        );
        assert_eq!(
            starts(&broadcast)[2..],
            [(2, StartPosition::Beginning), (3, StartPosition::Beginning)]
        );
    }

    #[test]
    fn partitions_added_while_away_are_read_from_their_beginning() {
        let mut broadcast = positioned();
        broadcast.set_positions(3, &[]);
        assert_eq!(starts(&broadcast)[2..], [(2, StartPosition::Beginning)]);
    }

    #[test]
    fn a_topic_that_comes_back_is_read_from_its_beginning() {
        let mut broadcast = positioned();
        broadcast.on_topic_gone();
        assert_eq!(starts(&broadcast), []);
        broadcast.set_positions(1, &[]);
        assert_eq!(starts(&broadcast), [(0, StartPosition::Beginning)]);
    }

    #[test]
    fn a_record_of_an_unknown_partition_changes_nothing() {
        let mut broadcast = positioned();
        for partition in [-1, 2] {
            assert_eq!(broadcast.on_read(at(partition, 5)), LogPosition::Advanced);
        }
        assert_eq!(starts(&broadcast), starts(&positioned()));
    }
}
