//! Which dead letters a run replays. Pure.

use std::collections::{BTreeMap, HashSet};

use types::RecordPosition;

use super::done::Done;
use crate::dead_letter::{BATCH_UNREADABLE, Mark, Origin};

/// What a user chooses. Everything that is not set chooses all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Reasons out of [`crate::DEAD_LETTER_REASONS`], or `other`.
    pub reasons: Vec<String>,
    /// A partition of the dead letters' topic.
    pub partition: Option<i32>,
    /// The first offset in the dead letters' topic, of each partition.
    pub from: Option<i64>,
    /// The last.
    pub until: Option<i64>,
    /// How many letters at most.
    pub limit: Option<u64>,
}

/// How many there were of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplaySummary {
    /// Records looked at.
    pub read: u64,
    /// Letters chosen, by reason; `other` are reasons that no gateway of this version writes.
    pub chosen: BTreeMap<&'static str, u64>,
    /// Of those, what Kafka has confirmed; none in a dry run.
    pub replayed: u64,
    /// Replayed by an earlier run.
    pub already: u64,
    /// Further copies of a letter.
    pub duplicates: u64,
    /// Letters that were not chosen and stay for another run.
    pub left: u64,
    /// Records that are no dead letters of the answers' topic; they stay too.
    pub foreign: u64,
    /// Letters that only say where a batch stood that nobody can unpack: there is nothing to replay,
    /// and they stay.
    pub positions: u64,
    /// Batches of the dead letters' topic itself that cannot be unpacked.
    pub unreadable: u64,
}

/// What to do with one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Write it to the answers' topic, and remember it.
    Replay,
    /// Remember it.
    Duplicate,
    /// Nothing.
    Pass,
}

/// Sorts the records of a run.
#[derive(Debug)]
pub(crate) struct Sorter {
    pub(crate) answers_topic: String,
    pub(crate) selection: Selection,
    pub(crate) done: BTreeMap<i32, Done>,
    pub(crate) summary: ReplaySummary,
    /// Letters that are replayed, by this run or an earlier one.
    replayed: HashSet<Mark>,
}

impl Sorter {
    pub(crate) fn new(answers_topic: String, selection: Selection) -> Self {
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
    pub(crate) fn survey(&mut self, at: RecordPosition, mark: Mark) {
        if self.is_done(at) && self.replayed.len() < REMEMBERED {
            self.replayed.insert(mark);
        }
    }

    /// Sorts the record at `at` in the dead letters' topic. `letter` is what its headers say and its
    /// mark, if it is a dead letter at all.
    pub(crate) fn sort(
        &mut self,
        at: RecordPosition,
        letter: Option<(&Origin<'_>, Mark)>,
    ) -> Verdict {
        self.summary.read += 1;
        if self.is_done(at) {
            self.summary.already += 1;
            return Verdict::Pass;
        }
        let topic = self.answers_topic.as_bytes();
        let Some((origin, mark)) = letter.filter(|(origin, _)| origin.topic == topic) else {
            self.summary.foreign += 1;
            return Verdict::Pass;
        };
        if origin.known_reason() == Some(BATCH_UNREADABLE) {
            self.summary.positions += 1;
            return Verdict::Pass;
        }
        if self.replayed.contains(&mark) {
            self.summary.duplicates += 1;
            return Verdict::Duplicate;
        }
        let reason = origin.known_reason().unwrap_or(OTHER);
        if !self.chooses(at, reason) {
            self.summary.left += 1;
            return Verdict::Pass;
        }
        if self.replayed.len() < REMEMBERED {
            self.replayed.insert(mark);
        }
        *self.summary.chosen.entry(reason).or_default() += 1;
        Verdict::Replay
    }

    /// The record at `at` is replayed, or a copy of one that is.
    pub(crate) fn on_done(&mut self, at: RecordPosition) {
        self.done.entry(at.partition).or_default().insert(at.offset);
    }

    fn is_done(&self, at: RecordPosition) -> bool {
        let done = self.done.get(&at.partition);
        done.is_some_and(|done| done.contains(at.offset))
    }

    fn chooses(&self, at: RecordPosition, reason: &str) -> bool {
        let Selection {
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

/// What stands for every reason that is not known.
pub(crate) const OTHER: &str = "other";
/// How many letters are remembered to find further copies: some 50 MiB.
const REMEMBERED: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, offset: i64) -> RecordPosition {
        RecordPosition { partition, offset }
    }

    fn sorter(selection: Selection) -> Sorter {
        Sorter::new("respostas".to_owned(), selection)
    }

    /// Sorts the letter that once stood at `once`, and does what the verdict says.
    fn sort(sorter: &mut Sorter, here: RecordPosition, once: i64, reason: &str) -> Verdict {
        let origin = Origin {
            topic: b"respostas",
            at: at(0, once),
            reason: reason.as_bytes(),
        };
        let mark = Mark::new(origin.at, None, b"v");
        let verdict = sorter.sort(here, Some((&origin, mark)));
        if verdict != Verdict::Pass {
            sorter.on_done(here);
        }
        verdict
    }

    #[test]
    fn every_letter_is_replayed_once_and_its_copies_are_not() {
        let mut all = sorter(Selection::default());
        assert_eq!(sort(&mut all, at(0, 0), 7, "magic"), Verdict::Replay);
        assert_eq!(sort(&mut all, at(1, 0), 7, "magic"), Verdict::Duplicate);
        assert_eq!(sort(&mut all, at(0, 1), 8, "new-one"), Verdict::Replay);
        assert_eq!(sort(&mut all, at(0, 1), 8, "new-one"), Verdict::Pass);
        let summary = ReplaySummary {
            read: 4,
            chosen: BTreeMap::from([("magic", 1), (OTHER, 1)]),
            already: 1,
            duplicates: 1,
            ..ReplaySummary::default()
        };
        assert_eq!(all.summary, summary);
    }

    #[test]
    fn a_copy_of_what_an_earlier_run_replayed_is_a_duplicate_wherever_it_stands() {
        let mut later = sorter(Selection::default());
        later.on_done(at(1, 5));
        let mark = Mark::new(at(0, 7), None, b"v");
        later.survey(at(0, 0), mark);
        assert_eq!(sort(&mut later, at(0, 3), 7, "magic"), Verdict::Replay);
        let mut later = sorter(Selection::default());
        later.on_done(at(1, 5));
        later.survey(at(1, 5), mark);
        assert_eq!(sort(&mut later, at(0, 3), 7, "magic"), Verdict::Duplicate);
    }

    #[test]
    fn a_letter_that_is_only_a_position_is_counted_and_stays() {
        let reasons = vec![BATCH_UNREADABLE.to_owned()];
        for selection in [
            Selection::default(),
            Selection {
                reasons,
                ..Selection::default()
            },
        ] {
            let mut all = sorter(selection);
            for here in 0..2 {
                assert_eq!(
                    sort(&mut all, at(0, here), 7, BATCH_UNREADABLE),
                    Verdict::Pass
                );
            }
            let summary = ReplaySummary {
                read: 2,
                positions: 2,
                ..ReplaySummary::default()
            };
            assert_eq!(all.summary, summary);
        }
    }

    #[test]
    fn what_is_no_dead_letter_of_the_answers_topic_stays() {
        let mut all = sorter(Selection::default());
        assert_eq!(all.sort(at(0, 0), None), Verdict::Pass);
        let origin = Origin {
            topic: b"others",
            at: at(0, 7),
            reason: b"magic",
        };
        let mark = Mark::new(origin.at, None, b"v");
        assert_eq!(all.sort(at(0, 1), Some((&origin, mark))), Verdict::Pass);
        assert_eq!(all.summary.foreign, 2);
    }

    #[test]
    fn each_choice_leaves_the_others_for_another_run() {
        let choose = |selection: Selection| {
            let mut some = sorter(selection);
            let letters = [(0, 0, "magic"), (0, 1, "utf8"), (1, 0, "utf8"), (1, 1, "x")];
            let chosen = letters.iter().enumerate().filter(|(number, letter)| {
                let (partition, offset, reason) = **letter;
                let once = i64::try_from(*number).unwrap();
                sort(&mut some, at(partition, offset), once, reason) == Verdict::Replay
            });
            let chosen: Vec<_> = chosen.map(|(number, _)| number).collect();
            assert_eq!(some.summary.left, 4 - chosen.len() as u64);
            chosen
        };
        let none = Selection::default;
        let reasons = |reasons: &[&str]| Selection {
            reasons: reasons.iter().map(|&reason| reason.to_owned()).collect(),
            ..none()
        };
        assert_eq!(choose(none()), [0, 1, 2, 3]);
        assert_eq!(choose(reasons(&["utf8"])), [1, 2]);
        assert_eq!(choose(reasons(&["magic", OTHER])), [0, 3]);
        let (partition, limit) = (Some(1), Some(3));
        assert_eq!(
            choose(Selection {
                partition,
                ..none()
            }),
            [2, 3]
        );
        assert_eq!(choose(Selection { limit, ..none() }), [0, 1, 2]);
        let (from, until) = (Some(1), Some(0));
        assert_eq!(choose(Selection { from, ..none() }), [1, 3]);
        assert_eq!(choose(Selection { until, ..none() }), [0, 2]);
    }
}
