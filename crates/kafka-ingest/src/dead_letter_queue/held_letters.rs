//! Keeps the dead letters that this replica holds, and decides when it writes one. Pure.
//!
//! Every replica finds every dead letter. The one that owns its partition writes it at once; the
//! others hold theirs until they see the copy in the dead letters' topic. A letter that nobody has
//! written after [`OWNER_GRACE`] is written by whichever replica's turn comes first, and each turn is
//! another one for each replica and letter. So no letter depends on one replica.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dead_letter::{DeadLetter, DeadLetterId};

/// Bounds of the letters held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeldLimits {
    pub(crate) letters: usize,
    pub(crate) bytes: usize,
}

/// The letters held, the copies seen and the partitions owned.
#[derive(Debug)]
pub(crate) struct HeldLetters {
    limits: HeldLimits,
    /// A random number that makes this replica's turns differ from others'.
    replica: u64,
    letters: BTreeMap<DeadLetterId, HeldLetter>,
    bytes: usize,
    seen_copies: SeenCopies,
    /// The partitions of the answers' topic whose letters are this replica's to write, since when.
    owned: BTreeMap<i32, Instant>,
}

#[derive(Debug)]
struct HeldLetter {
    letter: Arc<DeadLetter>,
    /// The time at which it is written even if its partition is another replica's.
    write_at: Instant,
    /// Not written before this: the last attempt failed.
    retry: Option<Instant>,
    /// Handed to the producer, and not reported yet.
    in_flight: bool,
}

/// The outcome of adding a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it is counted"]
pub(crate) enum HoldResult {
    /// It is held, newly or already.
    Held,
    /// Its copy was seen before.
    AlreadyWritten,
    /// There is no room for it.
    NoRoom,
}

/// The decision whether a failed write is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryDecision {
    Retry,
    Never,
}

impl HeldLetters {
    pub(crate) fn new(limits: HeldLimits, replica: u64) -> Self {
        Self {
            limits,
            replica,
            letters: BTreeMap::new(),
            bytes: 0,
            seen_copies: SeenCopies::default(),
            owned: BTreeMap::new(),
        }
    }

    /// A record turned out to be one.
    pub(crate) fn on_found(&mut self, now: Instant, letter: DeadLetter) -> HoldResult {
        let (mark, bytes) = (letter.id(), letter.memory_bytes());
        if self.seen_copies.contains(mark) {
            return HoldResult::AlreadyWritten;
        }
        if self.letters.contains_key(&mark) {
            return HoldResult::Held;
        }
        if self.letters.len() >= self.limits.letters || self.bytes + bytes > self.limits.bytes {
            return HoldResult::NoRoom;
        }
        self.bytes += bytes;
        let waiting = HeldLetter {
            letter: Arc::new(letter),
            write_at: now + OWNER_GRACE + self.jitter(mark),
            retry: None,
            in_flight: false,
        };
        self.letters.insert(mark, waiting);
        HoldResult::Held
    }

    /// A copy stands in the dead letters' topic. True when a letter that waited is done by that.
    pub(crate) fn on_copy_seen(&mut self, mark: DeadLetterId) -> bool {
        self.seen_copies.insert(mark);
        // What is under way is this replica's own: its report decides.
        let waits = self.letters.get(&mark).is_some_and(|it| !it.in_flight);
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
    pub(crate) fn take_due_letters(
        &mut self,
        now: Instant,
        at_most: usize,
    ) -> Vec<Arc<DeadLetter>> {
        let owned = &self.owned;
        let due = self.letters.values_mut().filter(|it| {
            let partition = it.letter.at.partition;
            let owns = owned
                .get(&partition)
                .is_some_and(|since| now >= *since + NEW_OWNER_WAIT);
            let waits = it.in_flight || it.retry.is_some_and(|retry| now < retry);
            !waits && (owns || now >= it.write_at)
        });
        let take = |it: &mut HeldLetter| {
            it.in_flight = true;
            Arc::clone(&it.letter)
        };
        due.take(at_most).map(take).collect()
    }

    /// Kafka has taken the copy.
    pub(crate) fn on_written(&mut self, mark: DeadLetterId) {
        self.seen_copies.insert(mark);
        self.remove(mark);
    }

    /// Kafka has not taken the copy, as far as is known. True when it stands in the topic all the
    /// same.
    pub(crate) fn on_failed(
        &mut self,
        now: Instant,
        mark: DeadLetterId,
        again: RetryDecision,
    ) -> bool {
        let written = self.seen_copies.contains(mark);
        if written || again == RetryDecision::Never {
            self.remove(mark);
        } else if let Some(waiting) = self.letters.get_mut(&mark) {
            waiting.in_flight = false;
            waiting.retry = Some(now + RETRY_WAIT);
        }
        written
    }

    /// The producer is gone, with everything that was under way.
    pub(crate) fn on_producer_gone(&mut self, now: Instant) {
        for waiting in self.letters.values_mut().filter(|it| it.in_flight) {
            waiting.in_flight = false;
            waiting.retry = Some(now + RETRY_WAIT);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.letters.len()
    }

    pub(crate) fn limits(&self) -> HeldLimits {
        self.limits
    }

    fn remove(&mut self, mark: DeadLetterId) -> bool {
        let removed = self.letters.remove(&mark);
        if let Some(waiting) = &removed {
            self.bytes -= waiting.letter.memory_bytes();
        }
        removed.is_some()
    }

    fn jitter(&self, mark: DeadLetterId) -> Duration {
        let mut hasher = DefaultHasher::new();
        (self.replica, mark).hash(&mut hasher);
        let longest = u64::try_from(TURN_SPREAD.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(hasher.finish() % longest)
    }
}

/// The copies seen last, bounded.
#[derive(Debug, Default)]
struct SeenCopies {
    ids: HashSet<DeadLetterId>,
    order: VecDeque<DeadLetterId>,
}

impl SeenCopies {
    fn contains(&self, mark: DeadLetterId) -> bool {
        self.ids.contains(&mark)
    }

    fn insert(&mut self, mark: DeadLetterId) {
        if !self.ids.insert(mark) {
            return;
        }
        self.order.push_back(mark);
        if self.order.len() > MAX_SEEN_COPIES
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

/// The time for which a letter is its owner's alone: longer than it takes the group to notice that the owner
/// is gone and to name another.
pub(crate) const OWNER_GRACE: Duration = Duration::from_secs(30);
/// Over how long the turns of the replicas are spread after that.
const TURN_SPREAD: Duration = Duration::from_secs(30);
/// The wait of a new owner, so that it has seen what the last one wrote.
pub(crate) const NEW_OWNER_WAIT: Duration = Duration::from_secs(2);
/// The wait after a failed write: long enough to see the copy, had it been written.
pub(crate) const RETRY_WAIT: Duration = Duration::from_secs(5);
/// The most copies that are remembered: some 4 MiB.
const MAX_SEEN_COPIES: usize = 50_000;

#[cfg(test)]
mod tests {
    use rdkafka::message::OwnedHeaders;
    use types::RecordPosition;

    use super::*;
    use crate::dead_letter::Envelope;

    const LIMITS: HeldLimits = HeldLimits {
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
            envelope: Envelope::new(None, OwnedHeaders::new(), 0),
        }
    }

    fn held() -> (HeldLetters, Instant) {
        (HeldLetters::new(LIMITS, 1), Instant::now())
    }

    /// One that has owned partition 0 for long.
    fn owner() -> (HeldLetters, Instant) {
        let (mut held, start) = held();
        held.on_assigned(start, [0].into_iter());
        (held, start + NEW_OWNER_WAIT)
    }

    fn due(held: &mut HeldLetters, now: Instant) -> Vec<i64> {
        let due = held.take_due_letters(now, 100);
        due.iter().map(|letter| letter.at.offset).collect()
    }

    #[test]
    fn an_owner_writes_at_once_and_only_once() {
        let (mut held, now) = owner();
        assert_eq!(held.on_found(now, letter(0, 7)), HoldResult::Held);
        assert_eq!(
            held.on_found(now, letter(0, 7)),
            HoldResult::Held,
            "read again"
        );
        assert_eq!(due(&mut held, now), [7]);
        assert!(
            due(&mut held, now + 10 * OWNER_GRACE).is_empty(),
            "under way"
        );
        held.on_written(letter(0, 7).id());
        assert_eq!(held.len(), 0);
        assert_eq!(held.on_found(now, letter(0, 7)), HoldResult::AlreadyWritten);
    }

    #[test]
    fn others_hold_it_until_they_see_the_copy() {
        let (mut held, now) = held();
        assert_eq!(held.on_found(now, letter(0, 7)), HoldResult::Held);
        assert!(due(&mut held, now + OWNER_GRACE - TICK).is_empty());
        assert!(held.on_copy_seen(letter(0, 7).id()));
        assert!(!held.on_copy_seen(letter(0, 7).id()), "once");
        assert!(due(&mut held, now + 10 * OWNER_GRACE).is_empty());
    }

    #[test]
    fn a_copy_seen_first_spares_the_letter() {
        let (mut held, now) = owner();
        assert!(!held.on_copy_seen(letter(0, 7).id()));
        assert_eq!(held.on_found(now, letter(0, 7)), HoldResult::AlreadyWritten);
    }

    #[test]
    fn another_record_in_the_place_of_an_older_one_is_another_letter() {
        let (mut held, now) = owner();
        held.on_copy_seen(letter(0, 7).id());
        assert_eq!(
            held.on_found(now, letter_of(0, 7, b"new")),
            HoldResult::Held
        );
    }

    #[test]
    fn what_nobody_has_written_is_written_by_turns() {
        let now = Instant::now();
        let turn = |replica| {
            let mut held = HeldLetters::new(LIMITS, replica);
            assert_eq!(held.on_found(now, letter(0, 7)), HoldResult::Held);
            let seconds = 1_u32..=60;
            let first = seconds
                .map(|second| now + second * Duration::from_secs(1))
                .find(|at| !due(&mut held, *at).is_empty());
            first.unwrap() - now
        };
        let turns: HashSet<_> = (0..20).map(turn).collect();
        assert!(turns.len() > 5, "{turns:?}");
        assert!(turns.iter().all(|turn| *turn >= OWNER_GRACE), "{turns:?}");
    }

    #[test]
    fn a_new_owner_settles_and_then_writes_what_is_left() {
        let (mut held, now) = held();
        for offset in [7, 8] {
            assert_eq!(held.on_found(now, letter(0, offset)), HoldResult::Held);
        }
        held.on_assigned(now, [0].into_iter());
        assert!(due(&mut held, now + NEW_OWNER_WAIT - TICK).is_empty());
        held.on_copy_seen(letter(0, 7).id());
        assert_eq!(due(&mut held, now + NEW_OWNER_WAIT), [8]);
    }

    #[test]
    fn who_owns_no_more_writes_no_more() {
        let (mut held, now) = owner();
        held.on_revoked([0, 1].into_iter());
        assert_eq!(held.on_found(now, letter(0, 7)), HoldResult::Held);
        assert!(due(&mut held, now).is_empty());
    }

    #[test]
    fn a_failed_write_is_tried_again_unless_the_copy_shows_up() {
        let (mut held, now) = owner();
        for offset in [7, 8] {
            assert_eq!(held.on_found(now, letter(0, offset)), HoldResult::Held);
        }
        assert_eq!(due(&mut held, now), [7, 8]);
        for offset in [7, 8] {
            assert!(!held.on_failed(now, letter(0, offset).id(), RetryDecision::Retry));
        }
        assert!(due(&mut held, now + RETRY_WAIT - TICK).is_empty());
        assert!(
            held.on_copy_seen(letter(0, 7).id()),
            "it was written after all"
        );
        assert_eq!(due(&mut held, now + RETRY_WAIT), [8]);
        assert!(!held.on_copy_seen(letter(0, 8).id()), "its report decides");
        assert!(held.on_failed(now, letter(0, 8).id(), RetryDecision::Retry));
        assert_eq!(held.len(), 0);
    }

    #[test]
    fn what_kafka_never_takes_is_given_up() {
        let (mut held, now) = owner();
        assert_eq!(held.on_found(now, letter(0, 7)), HoldResult::Held);
        assert_eq!(due(&mut held, now), [7]);
        assert!(!held.on_failed(now, letter(0, 7).id(), RetryDecision::Never));
        assert_eq!((held.len(), held.bytes), (0, 0));
    }

    #[test]
    fn a_producer_that_goes_leaves_its_letters() {
        let (mut held, now) = owner();
        assert_eq!(held.on_found(now, letter(0, 7)), HoldResult::Held);
        assert_eq!(due(&mut held, now), [7]);
        held.on_producer_gone(now);
        assert_eq!(due(&mut held, now + RETRY_WAIT), [7]);
    }

    #[test]
    fn letters_and_bytes_are_bounded_and_room_comes_back() {
        let (mut held, now) = owner();
        for offset in 0..3 {
            assert_eq!(held.on_found(now, letter(0, offset)), HoldResult::Held);
        }
        assert_eq!(held.on_found(now, letter(0, 3)), HoldResult::NoRoom);
        held.on_copy_seen(letter(0, 0).id());
        let long = letter_of(0, 4, &[b'x'; 81]);
        assert_eq!(held.on_found(now, long), HoldResult::NoRoom);
        let fits = letter_of(0, 4, &[b'x'; 80]);
        assert_eq!(held.on_found(now, fits), HoldResult::Held);
    }

    #[test]
    fn the_memory_of_copies_is_bounded() {
        let (mut held, now) = held();
        for offset in 0..=i64::try_from(MAX_SEEN_COPIES).unwrap() {
            held.on_copy_seen(letter(0, offset).id());
        }
        assert_eq!(held.seen_copies.ids.len(), MAX_SEEN_COPIES);
        assert_eq!(held.on_found(now, letter(0, 1)), HoldResult::AlreadyWritten);
        assert_eq!(
            held.on_found(now, letter(0, 0)),
            HoldResult::Held,
            "forgotten"
        );
    }
}
