//! Maps keyed hashes of wire ids to record positions: a bounded multimap, oldest
//! out first. Pure; the hash and the time are arguments.
//!
//! One ring of entries in the order they came, and a table of chain heads: 32 bytes an entry and four
//! a head. An entry whose hash is another wire id's too only costs a look at its record.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use types::RecordPosition;

/// Records of the answers' topic by the hash of their wire id.
#[derive(Debug)]
pub(crate) struct PositionIndex {
    /// In the order they came.
    entries: VecDeque<IndexEntry>,
    /// The number of the first of `entries`, counting all that ever came.
    first: u32,
    /// The number of each chain's newest entry, or of one that is gone; a power of two.
    heads: Box<[u32]>,
    bound: usize,
    began: Instant,
}

#[derive(Debug, Clone, Copy)]
struct IndexEntry {
    hash: u64,
    offset: i64,
    partition: i32,
    /// Seconds since the index began.
    at: u32,
    /// The number of the next older entry of its chain, or of one that is gone.
    next: u32,
}

impl PositionIndex {
    const FIRST_HEADS: usize = 1024;

    /// An empty index of at most `bound` entries.
    pub(crate) fn new(bound: usize, now: Instant) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            heads: vec![u32::MAX; Self::FIRST_HEADS].into(),
            bound,
            began: now,
        }
    }

    /// Takes a record. Returns the position that had to make room for it, if one had to.
    pub(crate) fn insert(
        &mut self,
        now: Instant,
        hash: u64,
        position: RecordPosition,
    ) -> Option<RecordPosition> {
        let evicted = (self.entries.len() >= self.bound)
            .then(|| self.pop())
            .flatten();
        if self.entries.len() >= self.heads.len() {
            self.grow();
        }
        if self.entries.len() == self.entries.capacity() {
            // A quarter more at a time: doubling would leave half of it empty.
            let more = (self.entries.len() / 4).max(Self::FIRST_HEADS);
            self.entries.reserve_exact(more);
        }
        let number = self.number_at(self.entries.len());
        let head = self.head(hash);
        let next = std::mem::replace(&mut self.heads[head], number);
        self.entries.push_back(IndexEntry {
            hash,
            offset: position.offset,
            partition: position.partition,
            at: self.whole_seconds(now),
            next,
        });
        evicted
    }

    /// Returns the positions of the records with this hash, newest first.
    pub(crate) fn positions(&self, hash: u64) -> impl Iterator<Item = RecordPosition> {
        let mut next = self.heads[self.head(hash)];
        std::iter::from_fn(move || {
            loop {
                let entry = self.entry(next)?;
                // A chain only leads to what is older, and ends where that is gone. A number that
                // came round again after four thousand million records may lead into another chain:
                // its entries have other hashes.
                let is_older = entry.next.wrapping_sub(self.first) < next.wrapping_sub(self.first);
                next = if is_older {
                    entry.next
                } else {
                    self.absent_number()
                };
                if entry.hash == hash {
                    return Some(entry.position());
                }
            }
        })
    }

    /// Forgets what came longer than `window` ago; each position that is forgotten.
    pub(crate) fn expire(&mut self, now: Instant, window: Duration) -> Vec<RecordPosition> {
        let until = self.whole_seconds(now).checked_sub(whole_seconds(window));
        let mut expired = Vec::new();
        while let Some(until) = until
            && self.entries.front().is_some_and(|entry| entry.at < until)
        {
            expired.extend(self.pop());
        }
        expired
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the bytes that it holds in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<IndexEntry>() + self.heads.len() * size_of::<u32>()
    }

    fn pop(&mut self) -> Option<RecordPosition> {
        let oldest = self.entries.pop_front()?;
        self.first = self.first.wrapping_add(1);
        Some(oldest.position())
    }

    fn entry(&self, number: u32) -> Option<&IndexEntry> {
        let place = number.wrapping_sub(self.first);
        self.entries.get(usize::try_from(place).ok()?)
    }

    fn number_at(&self, place: usize) -> u32 {
        let place = u32::try_from(place).expect("the bound is below four thousand million");
        self.first.wrapping_add(place)
    }

    /// The number of no entry there is.
    fn absent_number(&self) -> u32 {
        self.first.wrapping_sub(1)
    }

    fn head(&self, hash: u64) -> usize {
        let mask = self.heads.len() as u64 - 1;
        usize::try_from(hash & mask).expect("below the length of a slice")
    }

    /// Twice as many chains, each half as long.
    fn grow(&mut self) {
        self.heads = vec![self.absent_number(); self.heads.len() * 2].into();
        for place in 0..self.entries.len() {
            let number = self.number_at(place);
            let head = self.head(self.entries[place].hash);
            self.entries[place].next = std::mem::replace(&mut self.heads[head], number);
        }
    }

    fn whole_seconds(&self, now: Instant) -> u32 {
        whole_seconds(now.saturating_duration_since(self.began))
    }
}

impl IndexEntry {
    fn position(&self) -> RecordPosition {
        RecordPosition {
            partition: self.partition,
            offset: self.offset,
        }
    }
}

fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(offset: i64) -> RecordPosition {
        RecordPosition {
            partition: 0,
            offset,
        }
    }

    fn offsets(index: &PositionIndex, hash: u64) -> Vec<i64> {
        index
            .positions(hash)
            .map(|position| position.offset)
            .collect()
    }

    #[test]
    fn at_the_bound_the_oldest_makes_room() {
        let now = Instant::now();
        let mut index = PositionIndex::new(2, now);
        assert_eq!(index.insert(now, 1, at(10)), None);
        assert_eq!(index.insert(now, 1, at(11)), None);
        assert_eq!(index.insert(now, 1, at(12)), Some(at(10)));
        assert_eq!((offsets(&index, 1), index.len()), (vec![12, 11], 2));
        assert!(offsets(&index, 2).is_empty());
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let start = Instant::now();
        let mut index = PositionIndex::new(10, start);
        let after = |seconds| start + Duration::from_secs(seconds);
        index.insert(after(0), 1, at(10));
        index.insert(after(5), 1, at(11));
        let window = Duration::from_secs(5);
        assert_eq!(index.expire(after(5), window), []);
        assert_eq!(index.expire(after(6), window), [at(10)]);
        assert_eq!(offsets(&index, 1), [11]);
    }

    /// The design's bound is 64 bytes.
    #[test]
    fn an_entry_costs_at_most_64_bytes_once_there_are_some() {
        let now = Instant::now();
        let mut index = PositionIndex::new(1_000_000, now);
        for number in 0..1_000_000_u32 {
            index.insert(
                now,
                u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15),
                at(number.into()),
            );
            if number >= 4096 {
                assert!(
                    index.bytes() <= 64 * index.len(),
                    "{number}: {}",
                    index.bytes()
                );
            }
        }
    }

    #[test]
    fn numbers_that_come_round_lead_nowhere_else() {
        let now = Instant::now();
        let mut index = PositionIndex::new(4, now);
        index.first = u32::MAX - 2;
        for offset in 0..20_i64 {
            index.insert(now, offset.unsigned_abs() % 3, at(offset));
            let expected: Vec<i64> = (0..=offset)
                .rev()
                .take(4)
                .filter(|earlier| earlier % 3 == offset % 3)
                .collect();
            assert_eq!(offsets(&index, offset.unsigned_abs() % 3), expected);
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_a_list_finds(
            hashes in proptest::collection::vec(0..50_u64, 0..4000),
            bound in 1..3000_usize,
        ) {
            let now = Instant::now();
            let mut index = PositionIndex::new(bound, now);
            let mut list: VecDeque<(u64, i64)> = VecDeque::new();
            for (offset, hash) in (0..).zip(hashes) {
                let evicted = index.insert(now, hash, at(offset));
                let expected = (list.len() == bound).then(|| list.pop_front()).flatten();
                prop_assert_eq!(evicted, expected.map(|(_, offset)| at(offset)));
                list.push_back((hash, offset));
            }
            for hash in 0..50 {
                let expected: Vec<i64> = list.iter().rev().filter(|(one, _)| *one == hash).map(|(_, offset)| *offset).collect();
                prop_assert_eq!(offsets(&index, hash), expected);
            }
        }
    }
}
