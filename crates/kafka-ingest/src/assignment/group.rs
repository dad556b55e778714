//! Keeps the partitions that the consumer group has assigned to this process, and their next offsets. Pure.

use std::collections::BTreeMap;

use types::RecordPosition;

use super::{LogPosition, StartPosition};
use crate::unreadable::UnreadableBatch;

/// The partitions of one member of the group.
///
/// Each starts at the offset the group has committed. One that has none starts where
/// [`GroupStart`] says, and that offset is committed at once, so that it is decided only once.
#[derive(Debug)]
pub(crate) struct GroupAssignment {
    group_start: GroupStart,
    /// `None` before the group has said anything.
    assigned: Option<BTreeMap<i32, Option<StartPosition>>>,
}

/// The start of a group without committed offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupStart {
    /// At the records written from now on.
    End,
    /// At the oldest record there is.
    Beginning,
}

/// The offsets of a partition as the brokers know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionOffsets {
    pub(crate) partition: i32,
    pub(crate) committed: Option<i64>,
    pub(crate) end: i64,
}

impl GroupAssignment {
    pub(crate) fn new(otherwise: GroupStart) -> Self {
        Self {
            group_start: otherwise,
            assigned: None,
        }
    }

    /// The group has given these partitions, and no others.
    pub(crate) fn on_assigned(&mut self, partitions: &[i32]) {
        let before = self.assigned.take().unwrap_or_default();
        let start = |partition: &i32| (*partition, before.get(partition).copied().flatten());
        self.assigned = Some(partitions.iter().map(start).collect());
    }

    /// The group has taken these away.
    pub(crate) fn on_revoked(&mut self, partitions: &[i32]) {
        if let Some(given) = &mut self.assigned {
            given.retain(|partition, _| !partitions.contains(partition));
        }
    }

    /// The partitions given; `None` before the group has said anything.
    pub(crate) fn assigned_partitions(&self) -> Option<Vec<i32>> {
        let given = self.assigned.as_ref()?;
        Some(given.keys().copied().collect())
    }

    /// Those without a start, ascending.
    pub(crate) fn unresolved_partitions(&self) -> Vec<i32> {
        let given = self.assigned.iter().flatten();
        given
            .filter(|(_, start)| start.is_none())
            .map(|(partition, _)| *partition)
            .collect()
    }

    /// Takes what the brokers know of partitions without a start. Gives back the offsets to commit:
    /// those of partitions that had none.
    pub(crate) fn set_positions(&mut self, known: &[PartitionOffsets]) -> Vec<(i32, i64)> {
        let (otherwise, mut decided) = (self.group_start, Vec::new());
        for known in known {
            let Some(start) = self.start_of(known.partition) else {
                continue;
            };
            *start = Some(match (known.committed, otherwise) {
                (Some(offset), _) if offset <= known.end => StartPosition::At(offset),
                // The log is another one than that of the commit.
                (Some(_), _) | (None, GroupStart::Beginning) => StartPosition::Beginning,
                (None, GroupStart::End) => {
                    decided.push((known.partition, known.end));
                    StartPosition::At(known.end)
                }
            });
        }
        decided
    }
}

// === what every assignment can ===

impl GroupAssignment {
    /// A record was read: its partition goes on behind it.
    pub(crate) fn on_read(&mut self, at: RecordPosition) -> LogPosition {
        let Some(start) = self.start_of(at.partition) else {
            return LogPosition::Advanced;
        };
        match start.replace(StartPosition::At(at.offset + 1)) {
            Some(StartPosition::At(expected)) if at.offset < expected => LogPosition::WentBack,
            Some(StartPosition::At(_) | StartPosition::Beginning) | None => LogPosition::Advanced,
        }
    }

    /// Goes on behind a batch that cannot be read; false when its partition does not stand where the
    /// batch was found.
    pub(crate) fn skip_batch(&mut self, batch: &UnreadableBatch) -> bool {
        let start = self.start_of(batch.partition).and_then(Option::as_mut);
        start.is_some_and(|start| start.skip_batch(batch))
    }

    /// True when a partition ends before what was read of it. `ends` are those of the partitions in
    /// [`Self::start_positions`], in their order.
    pub(crate) fn is_past_the_end(&self, ends: &[i64]) -> bool {
        self.start_positions()
            .zip(ends)
            .any(|((_, start), end)| matches!(start, StartPosition::At(offset) if offset > *end))
    }

    /// The topic is gone: if it comes back it is another one, read from its beginning.
    pub(crate) fn on_topic_gone(&mut self) {
        for start in self.assigned.iter_mut().flatten() {
            *start.1 = Some(StartPosition::Beginning);
        }
    }

    /// Every partition with a start.
    pub(crate) fn start_positions(&self) -> impl Iterator<Item = (i32, StartPosition)> {
        let given = self.assigned.iter().flatten();
        given.filter_map(|(partition, start)| Some((*partition, (*start)?)))
    }

    fn start_of(&mut self, partition: i32) -> Option<&mut Option<StartPosition>> {
        self.assigned.as_mut()?.get_mut(&partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(partition: i32, committed: Option<i64>, end: i64) -> PartitionOffsets {
        PartitionOffsets {
            partition,
            committed,
            end,
        }
    }

    fn given(otherwise: GroupStart, partitions: &[i32]) -> GroupAssignment {
        let mut group = GroupAssignment::new(otherwise);
        group.on_assigned(partitions);
        group
    }

    fn starts(group: &GroupAssignment) -> Vec<(i32, StartPosition)> {
        group.start_positions().collect()
    }

    #[test]
    fn nothing_is_read_before_the_group_has_said_what() {
        let group = GroupAssignment::new(GroupStart::End);
        assert_eq!(
            (group.assigned_partitions(), group.unresolved_partitions()),
            (None, vec![])
        );
        assert_eq!(
            given(GroupStart::End, &[]).assigned_partitions(),
            Some(vec![])
        );
    }

    #[test]
    fn a_partition_goes_on_at_its_commit() {
        let mut group = given(GroupStart::End, &[0, 2]);
        assert_eq!(group.unresolved_partitions(), [0, 2]);
        let decided = group.set_positions(&[known(0, Some(4), 9), known(2, Some(7), 7)]);
        assert_eq!(decided, []);
        assert_eq!(
            starts(&group),
            [(0, StartPosition::At(4)), (2, StartPosition::At(7))]
        );
        assert!(group.unresolved_partitions().is_empty());
    }

    #[test]
    fn one_without_a_commit_starts_as_set_and_its_end_is_decided_once() {
        let mut end = given(GroupStart::End, &[0]);
        assert_eq!(end.set_positions(&[known(0, None, 9)]), [(0, 9)]);
        assert_eq!(starts(&end), [(0, StartPosition::At(9))]);
        let mut beginning = given(GroupStart::Beginning, &[0]);
        assert_eq!(beginning.set_positions(&[known(0, None, 9)]), []);
        assert_eq!(starts(&beginning), [(0, StartPosition::Beginning)]);
    }

    #[test]
    fn a_commit_behind_the_end_is_of_another_log() {
        let mut group = given(GroupStart::End, &[0]);
        assert_eq!(group.set_positions(&[known(0, Some(10), 9)]), []);
        assert_eq!(starts(&group), [(0, StartPosition::Beginning)]);
    }

    #[test]
    fn what_is_taken_away_and_given_again_is_resolved_again() {
        let mut group = given(GroupStart::End, &[0, 1]);
        group.set_positions(&[known(0, Some(4), 9), known(1, Some(4), 9)]);
        group.on_revoked(&[1]);
        assert_eq!(
            group.set_positions(&[known(1, Some(4), 9)]),
            [],
            "not its any more"
        );
        assert_eq!(starts(&group), [(0, StartPosition::At(4))]);
        group.on_assigned(&[0, 1]);
        assert_eq!(group.unresolved_partitions(), [1]);
    }

    #[test]
    fn reading_goes_on_behind_what_was_read_and_follows_a_log_that_went_back() {
        let at = |offset| RecordPosition {
            partition: 0,
            offset,
        };
        let mut group = given(GroupStart::End, &[0]);
        group.set_positions(&[known(0, Some(4), 9)]);
        assert_eq!(group.on_read(at(6)), LogPosition::Advanced);
        assert_eq!(starts(&group), [(0, StartPosition::At(7))]);
        assert!(group.is_past_the_end(&[6]) && !group.is_past_the_end(&[7]));
        assert_eq!(group.on_read(at(2)), LogPosition::WentBack);
        group.on_topic_gone();
        assert_eq!(starts(&group), [(0, StartPosition::Beginning)]);
    }
}
