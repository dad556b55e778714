//! Which partitions of the answers' topic this process reads, and from where. Pure.
//!
//! Two modes: broadcast, every partition, by manual assignment; and group, those that a consumer
//! group has given this process. Past the opening the worker asks either the same.

mod group;

use types::RecordPosition;

use crate::unreadable::UnreadableBatch;
pub use group::GroupStart;
pub(crate) use group::{Group, Known};

/// The partitions of either mode.
#[derive(Debug)]
pub(crate) enum Assignment {
    Broadcast(Broadcast),
    Group(Group),
}

/// Every partition, each from its next unread offset.
///
/// What was in the topic before the first positioning cannot answer a question of this process, so
/// that starts at the end. Whatever appears later can, so that starts at the beginning.
#[derive(Debug, Default)]
pub(crate) struct Broadcast {
    /// By partition number.
    starts: Vec<Start>,
    /// Whether the partitions were ever positioned.
    positioned: bool,
}

/// Where reading a partition goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the oldest record there is.
    Beginning,
    /// At this offset.
    At(i64),
}

/// How a record stands to what was read of its partition before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a log that went back is worth a line"]
pub(crate) enum Read {
    /// Behind it, as it has to be.
    On,
    /// In it or before it: the log was cut, or made anew.
    Back,
}

impl Assignment {
    /// The topic has `partitions` partitions now: those to be read that were added since.
    pub(crate) fn grow(&mut self, partitions: usize) -> Vec<i32> {
        match self {
            Self::Broadcast(all) => all.grow(partitions),
            // The group gives them out itself.
            Self::Group(_) => Vec::new(),
        }
    }

    /// A record was read.
    pub(crate) fn on_read(&mut self, at: RecordPosition) -> Read {
        match self {
            Self::Broadcast(all) => all.on_read(at),
            Self::Group(given) => given.on_read(at),
        }
    }

    /// Goes on behind a batch that cannot be read; false when its partition does not stand where the
    /// batch was found.
    pub(crate) fn step_over(&mut self, batch: &UnreadableBatch) -> bool {
        match self {
            Self::Broadcast(all) => all.step_over(batch),
            Self::Group(given) => given.step_over(batch),
        }
    }

    /// True when a partition ends before what was read of it. `ends` are those of the partitions in
    /// [`Self::starts`], in their order.
    pub(crate) fn outran(&self, ends: &[i64]) -> bool {
        match self {
            Self::Broadcast(all) => all.outran(ends),
            Self::Group(given) => given.outran(ends),
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
    pub(crate) fn starts(&self) -> Vec<(i32, Start)> {
        match self {
            Self::Broadcast(all) => all.starts().collect(),
            Self::Group(given) => given.starts().collect(),
        }
    }
}

impl Broadcast {
    /// The topic has `partitions` partitions now: those whose end must be resolved before they can
    /// be read, ascending. Empty once positioned: what is new is then read from its beginning.
    pub(crate) fn unresolved(&self, partitions: usize) -> Vec<i32> {
        if self.positioned {
            return Vec::new();
        }
        (0..partitions).filter_map(number).collect()
    }

    /// Takes the ends of all [`Self::unresolved`] partitions, in that order. Every partition has a
    /// start from now on.
    pub(crate) fn position(&mut self, partitions: usize, ends: &[i64]) {
        if !self.positioned {
            self.starts = ends.iter().map(|end| Start::At(*end)).collect();
            self.positioned = true;
        }
        self.grow(partitions);
    }

    /// The topic has `partitions` partitions now: the ones added since, to be read from their
    /// beginning.
    pub(crate) fn grow(&mut self, partitions: usize) -> Vec<i32> {
        let known = self.starts.len();
        self.starts.resize(partitions.max(known), Start::Beginning);
        (known..partitions).filter_map(number).collect()
    }

    /// A record was read: its partition goes on behind it. Follows the log when it goes back.
    pub(crate) fn on_read(&mut self, at: RecordPosition) -> Read {
        let start = usize::try_from(at.partition)
            .ok()
            .and_then(|partition| self.starts.get_mut(partition));
        let Some(start) = start else { return Read::On };
        let before = std::mem::replace(start, Start::At(at.offset + 1));
        match before {
            Start::At(expected) if at.offset < expected => Read::Back,
            Start::At(_) | Start::Beginning => Read::On,
        }
    }

    /// Goes on behind a batch that cannot be read; false when its partition does not stand where the
    /// batch was found.
    pub(crate) fn step_over(&mut self, batch: &UnreadableBatch) -> bool {
        let place = usize::try_from(batch.partition).ok();
        let start = place.and_then(|place| self.starts.get_mut(place));
        start.is_some_and(|start| start.step_over(batch))
    }

    /// True when a partition ends before what was read of it, so that its log is another one. `ends`
    /// are those of the partitions in [`Self::starts`], in their order.
    pub(crate) fn outran(&self, ends: &[i64]) -> bool {
        self.starts
            .iter()
            .zip(ends)
            .any(|(start, end)| matches!(start, Start::At(offset) if offset > end))
    }

    /// The topic is gone: if it comes back it is another one, read from its beginning.
    pub(crate) fn on_topic_gone(&mut self) {
        self.starts.clear();
    }

    /// Every partition and where to go on.
    pub(crate) fn starts(&self) -> impl Iterator<Item = (i32, Start)> {
        self.starts
            .iter()
            .enumerate()
            .filter_map(|(partition, start)| Some((number(partition)?, *start)))
    }
}

impl Start {
    /// Goes on behind a batch that was found here; false when it was found elsewhere.
    fn step_over(&mut self, batch: &UnreadableBatch) -> bool {
        let stands = *self == batch.position;
        if stands {
            *self = Self::At(batch.next);
        }
        stands
    }
}

/// Kafka's partition numbers are 31 bits.
fn number(partition: usize) -> Option<i32> {
    i32::try_from(partition).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(broadcast: &Broadcast) -> Vec<(i32, Start)> {
        broadcast.starts().collect()
    }

    fn positioned() -> Broadcast {
        let mut broadcast = Broadcast::default();
        assert_eq!(broadcast.unresolved(2), [0, 1]);
        broadcast.position(2, &[10, 20]);
        broadcast
    }

    #[test]
    fn the_first_positioning_is_at_the_ends() {
        let broadcast = positioned();
        assert_eq!(starts(&broadcast), [(0, Start::At(10)), (1, Start::At(20))]);
        assert!(
            broadcast.unresolved(2).is_empty(),
            "never a jump to the end again"
        );
    }

    fn at(partition: i32, offset: i64) -> RecordPosition {
        RecordPosition { partition, offset }
    }

    #[test]
    fn reading_goes_on_behind_what_was_read() {
        let mut broadcast = positioned();
        assert_eq!(broadcast.on_read(at(1, 25)), Read::On);
        broadcast.position(2, &[]);
        assert_eq!(starts(&broadcast), [(0, Start::At(10)), (1, Start::At(26))]);
    }

    #[test]
    fn reading_follows_a_log_that_went_back() {
        let mut broadcast = positioned();
        assert_eq!(broadcast.on_read(at(0, 9)), Read::Back);
        assert_eq!(broadcast.on_read(at(0, 10)), Read::On);
        broadcast.grow(3);
        assert_eq!(broadcast.on_read(at(2, 0)), Read::On, "its first record");
    }

    #[test]
    fn reading_goes_on_behind_a_batch_only_from_where_that_was_found() {
        let mut broadcast = positioned();
        let batch = |partition, position, next| UnreadableBatch {
            partition,
            position: Start::At(position),
            first: position,
            next,
        };
        for elsewhere in [
            batch(0, 9, 30),
            batch(0, 11, 30),
            batch(2, 10, 30),
            batch(-1, 10, 30),
        ] {
            assert!(!broadcast.step_over(&elsewhere), "{elsewhere:?}");
        }
        assert!(broadcast.step_over(&batch(0, 10, 30)));
        assert!(broadcast.step_over(&batch(0, 30, 31)));
        assert_eq!(starts(&broadcast), [(0, Start::At(31)), (1, Start::At(20))]);
        assert_eq!(broadcast.on_read(at(0, 31)), Read::On);
    }

    #[test]
    fn a_log_that_ends_before_what_was_read_is_another_one() {
        let mut broadcast = positioned();
        broadcast.grow(3);
        assert!(!broadcast.outran(&[10, 20, 0]));
        assert!(!broadcast.outran(&[11, 25, 7]));
        assert!(broadcast.outran(&[10, 19, 0]));
    }

    #[test]
    fn an_added_partition_is_read_from_its_beginning() {
        let mut broadcast = positioned();
        assert_eq!(broadcast.grow(4), [2, 3]);
        assert!(broadcast.grow(4).is_empty());
        assert!(
            broadcast.grow(1).is_empty(),
            "partitions are never taken away"
        );
        assert_eq!(
            starts(&broadcast)[2..],
            [(2, Start::Beginning), (3, Start::Beginning)]
        );
    }

    #[test]
    fn partitions_added_while_away_are_read_from_their_beginning() {
        let mut broadcast = positioned();
        broadcast.position(3, &[]);
        assert_eq!(starts(&broadcast)[2..], [(2, Start::Beginning)]);
    }

    #[test]
    fn a_topic_that_comes_back_is_read_from_its_beginning() {
        let mut broadcast = positioned();
        broadcast.on_topic_gone();
        assert_eq!(starts(&broadcast), []);
        broadcast.position(1, &[]);
        assert_eq!(starts(&broadcast), [(0, Start::Beginning)]);
    }

    #[test]
    fn a_record_of_an_unknown_partition_changes_nothing() {
        let mut broadcast = positioned();
        for partition in [-1, 2] {
            assert_eq!(broadcast.on_read(at(partition, 5)), Read::On);
        }
        assert_eq!(starts(&broadcast), starts(&positioned()));
    }
}
