//! Tracks which dead letters of one partition have been replayed, in the form kept with the group's committed
//! offset. Pure.
//!
//! The committed offset is the first that has not been; what was replayed beyond it, because only
//! some letters were chosen, stands in the commit's metadata as `gap+length,…`, each gap counted from
//! the end before it. So a choice never makes another one lose or repeat a letter.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The offsets that are done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ReplayedOffsets {
    /// Everything below is.
    below: i64,
    /// Replayed ranges beyond it: from, and up to but not including.
    beyond: BTreeMap<i64, i64>,
}

impl ReplayedOffsets {
    /// Reads the commit of a partition that now holds the offsets from `low` up to `high`.
    /// A commit past the end is of another topic of that name and says nothing.
    pub(crate) fn from_commit(committed: Option<i64>, metadata: &str, low: i64, high: i64) -> Self {
        let below = committed.unwrap_or(low);
        if below > high {
            return Self::from_offset(low);
        }
        let mut done = Self::from_offset(below);
        let mut end = below;
        for range in metadata.split(',') {
            let parsed = range.split_once('+').and_then(|(gap, length)| {
                let from = end.checked_add(gap.parse().ok()?)?;
                Some((from, from.checked_add(length.parse().ok()?)?))
            });
            let Some((from, until)) = parsed.filter(|(from, until)| from < until && *from >= end)
            else {
                break;
            };
            done.beyond.insert(from, until);
            end = until;
        }
        done.below = done.below.max(low);
        done.merge_into_below();
        done
    }

    fn from_offset(below: i64) -> Self {
        Self {
            below,
            beyond: BTreeMap::new(),
        }
    }

    pub(crate) fn contains(&self, offset: i64) -> bool {
        let range = self.beyond.range(..=offset).next_back();
        offset < self.below || range.is_some_and(|(_, until)| offset < *until)
    }

    /// True when nothing from `low` on is done.
    pub(crate) fn is_empty(&self, low: i64) -> bool {
        self.below <= low && self.beyond.is_empty()
    }

    pub(crate) fn insert(&mut self, offset: i64) {
        if self.contains(offset) {
            return;
        }
        let joined = self.beyond.range(..offset).next_back();
        let joined = joined.filter(|(_, until)| **until == offset);
        let from = joined.map_or(offset, |(from, _)| *from);
        let until = self.beyond.remove(&(offset + 1)).unwrap_or(offset + 1);
        self.beyond.insert(from, until);
        self.merge_into_below();
    }

    /// Returns the commit: the offset and its metadata.
    pub(crate) fn to_commit(&self) -> (i64, String) {
        let mut metadata = String::new();
        let mut end = self.below;
        for (from, until) in &self.beyond {
            let comma = if metadata.is_empty() { "" } else { "," };
            write!(metadata, "{comma}{}+{}", from - end, until - from)
                .expect("writing to a String cannot fail");
            end = *until;
        }
        (self.below, metadata)
    }

    /// Takes into `below` what has come to stand right at it.
    fn merge_into_below(&mut self) {
        while let Some(first) = self.beyond.first_entry() {
            if *first.key() > self.below {
                return;
            }
            self.below = self.below.max(*first.get());
            first.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn read(committed: i64, metadata: &str) -> ReplayedOffsets {
        ReplayedOffsets::from_commit(Some(committed), metadata, 0, 100)
    }

    fn offsets(done: &ReplayedOffsets) -> Vec<i64> {
        (0..100).filter(|offset| done.contains(*offset)).collect()
    }

    #[test]
    fn without_a_commit_nothing_is_done() {
        let done = ReplayedOffsets::from_commit(None, "", 5, 100);
        assert!(done.is_empty(5) && !done.contains(5));
        assert_eq!(done.to_commit(), (5, String::new()));
    }

    #[test]
    fn a_commit_says_what_is_done_below_and_beyond() {
        let done = read(3, "2+2,1+1");
        assert_eq!(offsets(&done), [0, 1, 2, 5, 6, 8]);
        assert_eq!(done.to_commit(), (3, "2+2,1+1".to_owned()));
    }

    #[test]
    fn what_closes_a_gap_moves_the_commit() {
        let mut done = read(3, "2+2,1+1");
        for offset in [7, 3, 4] {
            done.insert(offset);
        }
        assert_eq!(done.to_commit(), (9, String::new()));
    }

    #[test]
    fn what_the_topic_no_longer_holds_is_left_behind() {
        let done = ReplayedOffsets::from_commit(Some(3), "2+2,1+1", 6, 100);
        assert_eq!(done.to_commit(), (7, "1+1".to_owned()));
    }

    #[test]
    fn a_commit_past_the_end_is_of_another_topic() {
        assert!(ReplayedOffsets::from_commit(Some(9), "", 2, 8).is_empty(2));
        assert!(!ReplayedOffsets::from_commit(Some(8), "", 2, 8).is_empty(2));
    }

    #[test]
    fn metadata_of_others_says_nothing() {
        for foreign in [
            "",
            "host-1",
            "-1+3",
            "1+0",
            "9223372036854775807+9",
            "1+",
            "+",
        ] {
            assert_eq!(
                read(3, foreign).to_commit(),
                (3, String::new()),
                "{foreign}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_commit_read_back_says_the_same(low in 0_i64..5, inserted in vec(5_i64..60, 0..40)) {
            let mut done = ReplayedOffsets::from_commit(None, "", low, 100);
            for offset in &inserted {
                done.insert(*offset);
            }
            let (committed, metadata) = done.to_commit();
            prop_assert_eq!(&ReplayedOffsets::from_commit(Some(committed), &metadata, low, 100), &done);
            for offset in low..60 {
                prop_assert_eq!(done.contains(offset), inserted.contains(&offset));
            }
        }
    }
}
