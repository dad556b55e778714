//! Selects the dead letters that a run replays. Pure.

use std::collections::{BTreeMap, HashSet};

use types::RecordPosition;

use super::replayed_offsets::ReplayedOffsets;
use crate::dead_letter::{BATCH_UNREADABLE, DeadLetterId, DeadLetterOrigin};

/// The letters a user selects. A field that is not set selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplaySelection {
    /// Reasons out of [`crate::DEAD_LETTER_REASONS`], or `other`.
    pub reasons: Vec<String>,
    /// A partition of the dead letters' topic.
    pub partition: Option<i32>,
    /// The first offset in the dead letters' topic, of each partition.
    pub from: Option<i64>,
    /// The last.
    pub until: Option<i64>,
    /// The most letters.
    pub limit: Option<u64>,
}

/// Counts of a run, by kind of record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplaySummary {
    /// Records looked at.
    pub read: u64,
    /// Letters chosen, by reason; `other` are reasons that no gateway of this version writes.
    pub chosen: BTreeMap<&'static str, u64>,
    /// Of those, what Kafka has confirmed; none in a dry run.
    pub replayed: u64,
    /// Replayed by an earlier run.
    pub already_replayed: u64,
    /// Further copies of a letter.
    pub duplicates: u64,
    /// Letters that were not chosen and stay for another run.
    pub left: u64,
    /// Records that are no dead letters of the answers' topic; they stay too.
    pub foreign: u64,
    /// Letters that only say where a batch stood that nobody can unpack: there is nothing to replay,
    /// and they stay.
    pub position_only: u64,
    /// Batches of the dead letters' topic itself that cannot be unpacked.
    pub unreadable: u64,
}

/// The decision about one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplayDecision {
    /// Write it to the answers' topic, and remember it.
    Replay,
    /// Remember it.
    Duplicate,
    /// Nothing.
    Skip,
}

/// Sorts the records of a run.
#[derive(Debug)]
pub(crate) struct ReplaySorter {
    pub(crate) answers_topic: String,
    pub(crate) selection: ReplaySelection,
    pub(crate) done: BTreeMap<i32, ReplayedOffsets>,
    pub(crate) summary: ReplaySummary,
    /// Letters that are replayed, by this run or an earlier one.
    replayed: HashSet<DeadLetterId>,
}

impl ReplaySorter {
    pub(crate) fn new(answers_topic: String, selection: ReplaySelection) -> Self {
        Self {
            answers_topic,
            selection,
            done: BTreeMap::new(),
            summary: ReplaySummary::default(),
            replayed: HashSet::new(),
        }
    }

    /// A record is seen before any is sorted: one that an earlier run has replayed makes every other
    /// copy of it a duplicate.
    pub(crate) fn note_replayed(&mut self, at: RecordPosition, mark: DeadLetterId) {
        if self.is_done(at) && self.replayed.len() < MAX_REPLAYED_IDS {
            self.replayed.insert(mark);
        }
    }

    /// Sorts the record at `at` in the dead letters' topic. `letter` is what its headers say and its
    /// mark, if it is a dead letter at all.
    pub(crate) fn sort(
        &mut self,
        at: RecordPosition,
        letter: Option<(&DeadLetterOrigin<'_>, DeadLetterId)>,
    ) -> ReplayDecision {
        self.summary.read += 1;
        if self.is_done(at) {
            self.summary.already_replayed += 1;
            return ReplayDecision::Skip;
        }
        let topic = self.answers_topic.as_bytes();
        let Some((origin, mark)) = letter.filter(|(origin, _)| origin.topic == topic) else {
            self.summary.foreign += 1;
            return ReplayDecision::Skip;
        };
        if origin.known_reason() == Some(BATCH_UNREADABLE) {
            self.summary.position_only += 1;
            return ReplayDecision::Skip;
        }
        if self.replayed.contains(&mark) {
            self.summary.duplicates += 1;
            return ReplayDecision::Duplicate;
        }
        let reason = origin.known_reason().unwrap_or(OTHER_REASON);
        if !self.is_selected(at, reason) {
            self.summary.left += 1;
            return ReplayDecision::Skip;
        }
        if self.replayed.len() < MAX_REPLAYED_IDS {
            self.replayed.insert(mark);
        }
        *self.summary.chosen.entry(reason).or_default() += 1;
        ReplayDecision::Replay
    }

    /// The record at `at` is replayed, or a copy of one that is.
    pub(crate) fn mark_done(&mut self, at: RecordPosition) {
        self.done.entry(at.partition).or_default().insert(at.offset);
    }

    fn is_done(&self, at: RecordPosition) -> bool {
        let done = self.done.get(&at.partition);
        done.is_some_and(|done| done.contains(at.offset))
    }

    fn is_selected(&self, at: RecordPosition, reason: &str) -> bool {
        let ReplaySelection {
            reasons,
            partition,
            from,
            until,
            limit,
        } = &self.selection;
        let chosen: u64 = self.summary.chosen.values().sum();
        (reasons.is_empty() || reasons.iter().any(|chosen| chosen == reason))
            && partition.is_none_or(|partition| partition == at.partition)
            && from.is_none_or(|from| from <= at.offset)
            && until.is_none_or(|until| at.offset <= until)
            && limit.is_none_or(|limit| chosen < limit)
    }
}

/// The name for every reason that is not known.
pub(crate) const OTHER_REASON: &str = "other";
/// The most letters that are remembered to find further copies: some 50 MiB.
const MAX_REPLAYED_IDS: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, offset: i64) -> RecordPosition {
        RecordPosition { partition, offset }
    }

    fn sorter(selection: ReplaySelection) -> ReplaySorter {
        ReplaySorter::new("respostas".to_owned(), selection)
    }

    /// Sorts the letter that once stood at `once`, and does what the verdict says.
    fn sort(
        sorter: &mut ReplaySorter,
        here: RecordPosition,
        once: i64,
        reason: &str,
    ) -> ReplayDecision {
        let origin = DeadLetterOrigin {
            topic: b"respostas",
            at: at(0, once),
            reason: reason.as_bytes(),
        };
        let mark = DeadLetterId::new(origin.at, None, b"v");
        let verdict = sorter.sort(here, Some((&origin, mark)));
        if verdict != ReplayDecision::Skip {
            sorter.mark_done(here);
        }
        verdict
    }

    #[test]
    fn every_letter_is_replayed_once_and_its_copies_are_not() {
        let mut all = sorter(ReplaySelection::default());
        assert_eq!(sort(&mut all, at(0, 0), 7, "magic"), ReplayDecision::Replay);
        assert_eq!(
            sort(&mut all, at(1, 0), 7, "magic"),
            ReplayDecision::Duplicate
        );
        assert_eq!(
            sort(&mut all, at(0, 1), 8, "new-one"),
            ReplayDecision::Replay
        );
        assert_eq!(sort(&mut all, at(0, 1), 8, "new-one"), ReplayDecision::Skip);
        let summary = ReplaySummary {
            read: 4,
            chosen: BTreeMap::from([("magic", 1), (OTHER_REASON, 1)]),
            already_replayed: 1,
            duplicates: 1,
            ..ReplaySummary::default()
        };
        assert_eq!(all.summary, summary);
    }

    #[test]
    fn a_copy_of_what_an_earlier_run_replayed_is_a_duplicate_wherever_it_stands() {
        let mut later = sorter(ReplaySelection::default());
        later.mark_done(at(1, 5));
        let mark = DeadLetterId::new(at(0, 7), None, b"v");
        later.note_replayed(at(0, 0), mark);
        assert_eq!(
            sort(&mut later, at(0, 3), 7, "magic"),
            ReplayDecision::Replay
        );
        let mut later = sorter(ReplaySelection::default());
        later.mark_done(at(1, 5));
        later.note_replayed(at(1, 5), mark);
        assert_eq!(
            sort(&mut later, at(0, 3), 7, "magic"),
            ReplayDecision::Duplicate
        );
    }

    #[test]
    fn a_letter_that_is_only_a_position_is_counted_and_stays() {
        let reasons = vec![BATCH_UNREADABLE.to_owned()];
        for selection in [
            ReplaySelection::default(),
            ReplaySelection {
                reasons,
                ..ReplaySelection::default()
            },
        ] {
            let mut all = sorter(selection);
            for here in 0..2 {
                assert_eq!(
                    sort(&mut all, at(0, here), 7, BATCH_UNREADABLE),
                    ReplayDecision::Skip
                );
            }
            let summary = ReplaySummary {
                read: 2,
                position_only: 2,
                ..ReplaySummary::default()
            };
            assert_eq!(all.summary, summary);
        }
    }

    #[test]
    fn what_is_no_dead_letter_of_the_answers_topic_stays() {
        let mut all = sorter(ReplaySelection::default());
        assert_eq!(all.sort(at(0, 0), None), ReplayDecision::Skip);
        let origin = DeadLetterOrigin {
            topic: b"others",
            at: at(0, 7),
            reason: b"magic",
        };
        let mark = DeadLetterId::new(origin.at, None, b"v");
        assert_eq!(
            all.sort(at(0, 1), Some((&origin, mark))),
            ReplayDecision::Skip
        );
        assert_eq!(all.summary.foreign, 2);
    }

    #[test]
    fn each_choice_leaves_the_others_for_another_run() {
        let choose = |selection: ReplaySelection| {
            let mut some = sorter(selection);
            let letters = [(0, 0, "magic"), (0, 1, "utf8"), (1, 0, "utf8"), (1, 1, "x")];
            let chosen = letters.iter().enumerate().filter(|(number, letter)| {
                let (partition, offset, reason) = **letter;
                let once = i64::try_from(*number).unwrap();
                sort(&mut some, at(partition, offset), once, reason) == ReplayDecision::Replay
            });
            let chosen: Vec<_> = chosen.map(|(number, _)| number).collect();
            assert_eq!(some.summary.left, 4 - chosen.len() as u64);
            chosen
        };
        let none = ReplaySelection::default;
        let reasons = |reasons: &[&str]| ReplaySelection {
            reasons: reasons.iter().map(|&reason| reason.to_owned()).collect(),
            ..none()
        };
        assert_eq!(choose(none()), [0, 1, 2, 3]);
        assert_eq!(choose(reasons(&["utf8"])), [1, 2]);
        assert_eq!(choose(reasons(&["magic", OTHER_REASON])), [0, 3]);
        let (partition, limit) = (Some(1), Some(3));
        assert_eq!(
            choose(ReplaySelection {
                partition,
                ..none()
            }),
            [2, 3]
        );
        assert_eq!(choose(ReplaySelection { limit, ..none() }), [0, 1, 2]);
        let (from, until) = (Some(1), Some(0));
        assert_eq!(choose(ReplaySelection { from, ..none() }), [1, 3]);
        assert_eq!(choose(ReplaySelection { until, ..none() }), [0, 2]);
    }
}
