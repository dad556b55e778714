//! Which dead letters this replica holds, and when it writes one. Pure.
//!
//! Every replica finds every dead letter. The one that owns its partition writes it at once; the
//! others hold theirs until they see the copy in the dead letters' topic. A letter that nobody has
//! written after [`GRACE`] is written by whichever replica's turn comes first, and each turn is
//! another one for each replica and letter. So no letter depends on one replica.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dead_letter::{DeadLetter, Mark};

/// How much may be held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) letters: usize,
    pub(crate) bytes: usize,
}

/// The letters held, the copies seen and the partitions owned.
#[derive(Debug)]
pub(crate) struct Held {
    limits: Limits,
    /// What makes this replica's turns its own.
    replica: u64,
    letters: BTreeMap<Mark, Waiting>,
    bytes: usize,
    seen: Seen,
    /// The partitions of the answers' topic whose letters are this replica's to write, since when.
    owned: BTreeMap<i32, Instant>,
}

#[derive(Debug)]
struct Waiting {
    letter: Arc<DeadLetter>,
    /// When it is written even if its partition is another replica's.
    turn: Instant,
    /// Not written before this: the last attempt failed.
    retry: Option<Instant>,
    /// Handed to the producer, and not reported yet.
    under_way: bool,
}

/// What became of a letter that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it is counted"]
pub(crate) enum Found {
    /// It is held, newly or already.
    Held,
    /// Its copy was seen before.
    Elsewhere,
    /// There is no room for it.
    NoRoom,
}

/// Whether a failed write can come right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    Later,
    Never,
}

impl Held {
    pub(crate) fn new(limits: Limits, replica: u64) -> Self {
        Self {
            limits,
            replica,
            letters: BTreeMap::new(),
            bytes: 0,
            seen: Seen::default(),
            owned: BTreeMap::new(),
        }
    }

    /// A record turned out to be one.
    pub(crate) fn on_found(&mut self, now: Instant, letter: DeadLetter) -> Found {
        let (mark, bytes) = (letter.mark(), letter.bytes());
        if self.seen.contains(mark) {
            return Found::Elsewhere;
        }
        if self.letters.contains_key(&mark) {
            return Found::Held;
        }
        if self.letters.len() >= self.limits.letters || self.bytes + bytes > self.limits.bytes {
            return Found::NoRoom;
        }
        self.bytes += bytes;
        let waiting = Waiting {
            letter: Arc::new(letter),
            turn: now + GRACE + self.jitter(mark),
            retry: None,
            under_way: false,
        };
        self.letters.insert(mark, waiting);
        Found::Held
    }

    /// A copy stands in the dead letters' topic. True when a letter that waited is done by that.
    pub(crate) fn on_seen(&mut self, mark: Mark) -> bool {
        self.seen.insert(mark);
        // What is under way is this replica's own: its report decides.
        let waits = self.letters.get(&mark).is_some_and(|it| !it.under_way);
        waits && self.remove(mark)
    }

    /// These partitions are this replica's from now on.
    pub(crate) fn on_assigned(&mut self, now: Instant, partitions: impl Iterator<Item = i32>) {
        self.owned.extend(partitions.map(|owned| (owned, now)));
    }

    /// These partitions are this replica's no more.
    pub(crate) fn on_revoked(&mut self, partitions: impl Iterator<Item = i32>) {
        for partition in partitions {
            self.owned.remove(&partition);
        }
    }

    /// Letters to be written now, at most `at_most`; each is under way until its report.
    pub(crate) fn take_due(&mut self, now: Instant, at_most: usize) -> Vec<Arc<DeadLetter>> {
        let owned = &self.owned;
        let due = self.letters.values_mut().filter(|it| {
            let partition = it.letter.at.partition;
            let owns = owned
                .get(&partition)
                .is_some_and(|since| now >= *since + SETTLE);
            let waits = it.under_way || it.retry.is_some_and(|retry| now < retry);
            !waits && (owns || now >= it.turn)
        });
        let take = |it: &mut Waiting| {
            it.under_way = true;
            Arc::clone(&it.letter)
        };
        due.take(at_most).map(take).collect()
    }

    /// Kafka has taken the copy.
    pub(crate) fn on_written(&mut self, mark: Mark) {
        self.seen.insert(mark);
        self.remove(mark);
    }

    /// Kafka has not taken the copy, as far as is known. True when it stands in the topic all the
    /// same.
    pub(crate) fn on_failed(&mut self, now: Instant, mark: Mark, again: Again) -> bool {
        let written = self.seen.contains(mark);
        if written || again == Again::Never {
            self.remove(mark);
        } else if let Some(waiting) = self.letters.get_mut(&mark) {
            waiting.under_way = false;
            waiting.retry = Some(now + RETRY);
        }
        written
    }

    /// The producer is gone, with everything that was under way.
    pub(crate) fn on_producer_gone(&mut self, now: Instant) {
        for waiting in self.letters.values_mut().filter(|it| it.under_way) {
            waiting.under_way = false;
            waiting.retry = Some(now + RETRY);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.letters.len()
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    fn remove(&mut self, mark: Mark) -> bool {
        let removed = self.letters.remove(&mark);
        if let Some(waiting) = &removed {
            self.bytes -= waiting.letter.bytes();
        }
        removed.is_some()
    }

    fn jitter(&self, mark: Mark) -> Duration {
        let mut hasher = DefaultHasher::new();
        (self.replica, mark).hash(&mut hasher);
        let longest = u64::try_from(SPREAD.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(hasher.finish() % longest)
    }
}

/// The copies seen last, bounded.
#[derive(Debug, Default)]
struct Seen {
    marks: HashSet<Mark>,
    order: VecDeque<Mark>,
}

impl Seen {
    fn contains(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }

    fn insert(&mut self, mark: Mark) {
        if !self.marks.insert(mark) {
            return;
        }
        self.order.push_back(mark);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.marks.remove(&oldest);
        }
    }
}

/// How long a letter is its owner's alone: longer than it takes the group to notice that the owner
/// is gone and to name another.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
/// Over how long the turns of the replicas are spread after that.
const SPREAD: Duration = Duration::from_secs(30);
/// How long a new owner waits, so that it has seen what the last one wrote.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);
/// How long after a failed write the next is tried: long enough to see the copy, had it been written.
pub(crate) const RETRY: Duration = Duration::from_secs(5);
/// How many copies are remembered: some 4 MiB.
const REMEMBERED: usize = 50_000;

#[cfg(test)]
mod tests {
    use rdkafka::message::OwnedHeaders;
    use types::RecordPosition;

    use super::*;
    use crate::dead_letter::Beside;

    const LIMITS: Limits = Limits {
        letters: 3,
        bytes: 100,
    };
    const TICK: Duration = Duration::from_millis(1);

    fn letter(partition: i32, offset: i64) -> DeadLetter {
        letter_of(partition, offset, b"0123456789")
    }

    fn letter_of(partition: i32, offset: i64, value: &[u8]) -> DeadLetter {
        DeadLetter {
            at: RecordPosition { partition, offset },
            reason: "magic",
            value: value.into(),
            beside: Beside::new(None, OwnedHeaders::new(), 0),
        }
    }

    fn held() -> (Held, Instant) {
        (Held::new(LIMITS, 1), Instant::now())
    }

    /// One that has owned partition 0 for long.
    fn owner() -> (Held, Instant) {
        let (mut held, start) = held();
        held.on_assigned(start, [0].into_iter());
        (held, start + SETTLE)
    }

    fn due(held: &mut Held, now: Instant) -> Vec<i64> {
        let due = held.take_due(now, 100);
        due.iter().map(|letter| letter.at.offset).collect()
    }

    #[test]
    fn an_owner_writes_at_once_and_only_once() {
        let (mut held, now) = owner();
        assert_eq!(held.on_found(now, letter(0, 7)), Found::Held);
        assert_eq!(held.on_found(now, letter(0, 7)), Found::Held, "read again");
        assert_eq!(due(&mut held, now), [7]);
        assert!(due(&mut held, now + 10 * GRACE).is_empty(), "under way");
        held.on_written(letter(0, 7).mark());
        assert_eq!(held.len(), 0);
        assert_eq!(held.on_found(now, letter(0, 7)), Found::Elsewhere);
    }

    #[test]
    fn others_hold_it_until_they_see_the_copy() {
        let (mut held, now) = held();
        assert_eq!(held.on_found(now, letter(0, 7)), Found::Held);
        assert!(due(&mut held, now + GRACE - TICK).is_empty());
        assert!(held.on_seen(letter(0, 7).mark()));
        assert!(!held.on_seen(letter(0, 7).mark()), "once");
        assert!(due(&mut held, now + 10 * GRACE).is_empty());
    }

    #[test]
    fn a_copy_seen_first_spares_the_letter() {
        let (mut held, now) = owner();
        assert!(!held.on_seen(letter(0, 7).mark()));
        assert_eq!(held.on_found(now, letter(0, 7)), Found::Elsewhere);
    }

    #[test]
    fn another_record_in_the_place_of_an_older_one_is_another_letter() {
        let (mut held, now) = owner();
        held.on_seen(letter(0, 7).mark());
        assert_eq!(held.on_found(now, letter_of(0, 7, b"new")), Found::Held);
    }

    #[test]
    fn what_nobody_has_written_is_written_by_turns() {
        let now = Instant::now();
        let turn = |replica| {
            let mut held = Held::new(LIMITS, replica);
            assert_eq!(held.on_found(now, letter(0, 7)), Found::Held);
            let seconds = 1_u32..=60;
            let first = seconds
                .map(|second| now + second * Duration::from_secs(1))
                .find(|at| !due(&mut held, *at).is_empty());
            first.unwrap() - now
        };
        let turns: HashSet<_> = (0..20).map(turn).collect();
        assert!(turns.len() > 5, "{turns:?}");
        assert!(turns.iter().all(|turn| *turn >= GRACE), "{turns:?}");
    }

    #[test]
    fn a_new_owner_settles_and_then_writes_what_is_left() {
        let (mut held, now) = held();
        for offset in [7, 8] {
            assert_eq!(held.on_found(now, letter(0, offset)), Found::Held);
        }
        held.on_assigned(now, [0].into_iter());
        assert!(due(&mut held, now + SETTLE - TICK).is_empty());
        held.on_seen(letter(0, 7).mark());
        assert_eq!(due(&mut held, now + SETTLE), [8]);
    }

    #[test]
    fn who_owns_no_more_writes_no_more() {
        let (mut held, now) = owner();
        held.on_revoked([0, 1].into_iter());
        assert_eq!(held.on_found(now, letter(0, 7)), Found::Held);
        assert!(due(&mut held, now).is_empty());
    }

    #[test]
    fn a_failed_write_is_tried_again_unless_the_copy_shows_up() {
        let (mut held, now) = owner();
        for offset in [7, 8] {
            assert_eq!(held.on_found(now, letter(0, offset)), Found::Held);
        }
        assert_eq!(due(&mut held, now), [7, 8]);
        for offset in [7, 8] {
            assert!(!held.on_failed(now, letter(0, offset).mark(), Again::Later));
        }
        assert!(due(&mut held, now + RETRY - TICK).is_empty());
        assert!(
            held.on_seen(letter(0, 7).mark()),
            "it was written after all"
        );
        assert_eq!(due(&mut held, now + RETRY), [8]);
        assert!(!held.on_seen(letter(0, 8).mark()), "its report decides");
        assert!(held.on_failed(now, letter(0, 8).mark(), Again::Later));
        assert_eq!(held.len(), 0);
    }

    #[test]
    fn what_kafka_never_takes_is_given_up() {
        let (mut held, now) = owner();
        assert_eq!(held.on_found(now, letter(0, 7)), Found::Held);
        assert_eq!(due(&mut held, now), [7]);
        assert!(!held.on_failed(now, letter(0, 7).mark(), Again::Never));
        assert_eq!((held.len(), held.bytes), (0, 0));
    }

    #[test]
    fn a_producer_that_goes_leaves_its_letters() {
        let (mut held, now) = owner();
        assert_eq!(held.on_found(now, letter(0, 7)), Found::Held);
        assert_eq!(due(&mut held, now), [7]);
        held.on_producer_gone(now);
        assert_eq!(due(&mut held, now + RETRY), [7]);
    }

    #[test]
    fn letters_and_bytes_are_bounded_and_room_comes_back() {
        let (mut held, now) = owner();
        for offset in 0..3 {
            assert_eq!(held.on_found(now, letter(0, offset)), Found::Held);
        }
        assert_eq!(held.on_found(now, letter(0, 3)), Found::NoRoom);
        held.on_seen(letter(0, 0).mark());
        let long = letter_of(0, 4, &[b'x'; 81]);
        assert_eq!(held.on_found(now, long), Found::NoRoom);
        let fits = letter_of(0, 4, &[b'x'; 80]);
        assert_eq!(held.on_found(now, fits), Found::Held);
    }

    #[test]
    fn the_memory_of_copies_is_bounded() {
        let (mut held, now) = held();
        for offset in 0..=i64::try_from(REMEMBERED).unwrap() {
            held.on_seen(letter(0, offset).mark());
        }
        assert_eq!(held.seen.marks.len(), REMEMBERED);
        assert_eq!(held.on_found(now, letter(0, 1)), Found::Elsewhere);
        assert_eq!(held.on_found(now, letter(0, 0)), Found::Held, "forgotten");
    }
}
