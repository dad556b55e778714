//! Which partitions the consumer group has given this process, and from where they are read. Pure.

use std::collections::BTreeMap;

use types::RecordPosition;

use super::{Read, Start};
use crate::unreadable::UnreadableBatch;

/// The partitions of one member of the group.
///
/// Each starts at the offset the group has committed. One that has none starts where
/// [`GroupStart`] says, and that offset is committed at once, so that it is decided only once.
#[derive(Debug)]
pub(crate) struct Group {
    otherwise: GroupStart,
    /// `None` before the group has said anything.
    given: Option<BTreeMap<i32, Option<Start>>>,
}

/// Where a group without committed offsets starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupStart {
    /// At the records written from now on.
    End,
    /// At the oldest record there is.
    Beginning,
}

/// What the brokers know of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) partition: i32,
    pub(crate) committed: Option<i64>,
    pub(crate) end: i64,
}

impl Group {
    pub(crate) fn new(otherwise: GroupStart) -> Self {
        Self {
            otherwise,
            given: None,
        }
    }

    /// The group has given these partitions, and no others.
    pub(crate) fn on_assigned(&mut self, partitions: &[i32]) {
        let before = self.given.take().unwrap_or_default();
        let start = |partition: &i32| (*partition, before.get(partition).copied().flatten());
        self.given = Some(partitions.iter().map(start).collect());
    }

    /// The group has taken these away.
    pub(crate) fn on_revoked(&mut self, partitions: &[i32]) {
        if let Some(given) = &mut self.given {
            given.retain(|partition, _| !partitions.contains(partition));
        }
    }

    /// The partitions given; `None` before the group has said anything.
    pub(crate) fn given(&self) -> Option<Vec<i32>> {
        let given = self.given.as_ref()?;
        Some(given.keys().copied().collect())
    }

    /// Those without a start, ascending.
    pub(crate) fn unresolved(&self) -> Vec<i32> {
        let given = self.given.iter().flatten();
        given
            .filter(|(_, start)| start.is_none())
            .map(|(partition, _)| *partition)
            .collect()
    }

    /// Takes what the brokers know of partitions without a start. Gives back the offsets to commit:
    /// those of partitions that had none.
    pub(crate) fn position(&mut self, known: &[Known]) -> Vec<(i32, i64)> {
        let (otherwise, mut decided) = (self.otherwise, Vec::new());
        for known in known {
            let Some(start) = self.place(known.partition) else {
                continue;
            };
            *start = Some(match (known.committed, otherwise) {
                (Some(offset), _) if offset <= known.end => Start::At(offset),
                // The log is another one than that of the commit.
                (Some(_), _) | (None, GroupStart::Beginning) => Start::Beginning,
                (None, GroupStart::End) => {
                    decided.push((known.partition, known.end));
                    Start::At(known.end)
                }
            });
        }
        decided
    }
}

// === what every assignment can ===

impl Group {
    /// A record was read: its partition goes on behind it.
    pub(crate) fn on_read(&mut self, at: RecordPosition) -> Read {
        let Some(start) = self.place(at.partition) else {
            return Read::On;
        };
        match start.replace(Start::At(at.offset + 1)) {
            Some(Start::At(expected)) if at.offset < expected => Read::Back,
            Some(Start::At(_) | Start::Beginning) | None => Read::On,
        }
    }

    /// Goes on behind a batch that cannot be read; false when its partition does not stand where the
    /// batch was found.
    pub(crate) fn step_over(&mut self, batch: &UnreadableBatch) -> bool {
        let start = self.place(batch.partition).and_then(Option::as_mut);
        start.is_some_and(|start| start.step_over(batch))
    }

    /// True when a partition ends before what was read of it. `ends` are those of the partitions in
    /// [`Self::starts`], in their order.
    pub(crate) fn outran(&self, ends: &[i64]) -> bool {
        self.starts()
            .zip(ends)
            .any(|((_, start), end)| matches!(start, Start::At(offset) if offset > *end))
    }

    /// The topic is gone: if it comes back it is another one, read from its beginning.
    pub(crate) fn on_topic_gone(&mut self) {
        for start in self.given.iter_mut().flatten() {
            *start.1 = Some(Start::Beginning);
        }
    }

    /// Every partition with a start.
    pub(crate) fn starts(&self) -> impl Iterator<Item = (i32, Start)> {
        let given = self.given.iter().flatten();
        given.filter_map(|(partition, start)| Some((*partition, (*start)?)))
    }

    fn place(&mut self, partition: i32) -> Option<&mut Option<Start>> {
        self.given.as_mut()?.get_mut(&partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(partition: i32, committed: Option<i64>, end: i64) -> Known {
        Known {
            partition,
            committed,
            end,
        }
    }

    fn given(otherwise: GroupStart, partitions: &[i32]) -> Group {
        let mut group = Group::new(otherwise);
        group.on_assigned(partitions);
        group
    }

    fn starts(group: &Group) -> Vec<(i32, Start)> {
        group.starts().collect()
    }

    #[test]
    fn nothing_is_read_before_the_group_has_said_what() {
        let group = Group::new(GroupStart::End);
        assert_eq!((group.given(), group.unresolved()), (None, vec![]));
        assert_eq!(given(GroupStart::End, &[]).given(), Some(vec![]));
    }

    #[test]
    fn a_partition_goes_on_at_its_commit() {
        let mut group = given(GroupStart::End, &[0, 2]);
        assert_eq!(group.unresolved(), [0, 2]);
        let decided = group.position(&[known(0, Some(4), 9), known(2, Some(7), 7)]);
        assert_eq!(decided, []);
        assert_eq!(starts(&group), [(0, Start::At(4)), (2, Start::At(7))]);
        assert!(group.unresolved().is_empty());
    }

    #[test]
    fn one_without_a_commit_starts_as_set_and_its_end_is_decided_once() {
        let mut end = given(GroupStart::End, &[0]);
        assert_eq!(end.position(&[known(0, None, 9)]), [(0, 9)]);
        assert_eq!(starts(&end), [(0, Start::At(9))]);
        let mut beginning = given(GroupStart::Beginning, &[0]);
        assert_eq!(beginning.position(&[known(0, None, 9)]), []);
        assert_eq!(starts(&beginning), [(0, Start::Beginning)]);
    }

    #[test]
    fn a_commit_behind_the_end_is_of_another_log() {
        let mut group = given(GroupStart::End, &[0]);
        assert_eq!(group.position(&[known(0, Some(10), 9)]), []);
        assert_eq!(starts(&group), [(0, Start::Beginning)]);
    }

    #[test]
    fn what_is_taken_away_and_given_again_is_resolved_again() {
        let mut group = given(GroupStart::End, &[0, 1]);
        group.position(&[known(0, Some(4), 9), known(1, Some(4), 9)]);
        group.on_revoked(&[1]);
        assert_eq!(
            group.position(&[known(1, Some(4), 9)]),
            [],
            "not its any more"
        );
        assert_eq!(starts(&group), [(0, Start::At(4))]);
        group.on_assigned(&[0, 1]);
        assert_eq!(group.unresolved(), [1]);
    }

    #[test]
    fn reading_goes_on_behind_what_was_read_and_follows_a_log_that_went_back() {
        let at = |offset| RecordPosition {
            partition: 0,
            offset,
        };
        let mut group = given(GroupStart::End, &[0]);
        group.position(&[known(0, Some(4), 9)]);
        assert_eq!(group.on_read(at(6)), Read::On);
        assert_eq!(starts(&group), [(0, Start::At(7))]);
        assert!(group.outran(&[6]) && !group.outran(&[7]));
        assert_eq!(group.on_read(at(2)), Read::Back);
        group.on_topic_gone();
        assert_eq!(starts(&group), [(0, Start::Beginning)]);
    }
}
