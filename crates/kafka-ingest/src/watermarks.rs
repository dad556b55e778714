//! The partitions' high watermarks as known now, shared between the consumer's thread, which writes
//! them, and everybody who asks a question, who reads them.
//!
//! A mark is the high watermark of the partition's latest fetch response: at most the true one, so
//! what lies below it was surely written before. It is looked at before an answer is handed over,
//! and lies above that answer by then: a record comes in the response that carries a watermark
//! above it. For records that concern nobody here it is looked at once they are read, as many as
//! came one after another. When the log goes back (a topic made anew) the mark goes back with it.
//! While the broker names none (a leader is moving, the topic is denied) the mark stays: what was
//! below it still is, and to forget it would let an old answer pass for the answer to a new
//! question.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use types::MinOffsets;

/// One mark per partition. Empty until positioned: the floor then excludes nothing.
#[derive(Debug, Default)]
pub(crate) struct Watermarks(RwLock<Arc<[AtomicI64]>>);

impl Watermarks {
    /// Replaces all marks, by partition number.
    pub(crate) fn reset(&self, marks: impl Iterator<Item = i64>) {
        let marks = marks.map(AtomicI64::new).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = marks;
    }

    /// The topic has `partitions` partitions now; those added exclude nothing yet.
    pub(crate) fn add_partitions(&self, partitions: usize) {
        let marks = self.load();
        let known = marks.iter().map(|mark| mark.load(Ordering::Relaxed));
        let added = partitions.saturating_sub(marks.len());
        self.reset(known.chain(std::iter::repeat_n(0, added)));
    }

    /// Takes a partition's high watermark as librdkafka has it cached; one below zero is none.
    pub(crate) fn on_high_watermark(&self, partition: i32, cached: i64) {
        if cached < 0 {
            return;
        }
        let marks = self.load();
        let place = usize::try_from(partition)
            .ok()
            .and_then(|partition| marks.get(partition));
        if let Some(place) = place {
            place.store(cached, Ordering::Relaxed);
        }
    }

    /// A copy of all marks.
    pub(crate) fn min_offsets(&self) -> MinOffsets {
        let marks = self.load();
        let marks = marks.iter().map(|mark| mark.load(Ordering::Relaxed));
        MinOffsets::new(marks.collect::<Arc<[i64]>>())
    }

    fn load(&self) -> Arc<[AtomicI64]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Watermarks {
        let marks = Watermarks::default();
        marks.reset([10, 20].into_iter());
        marks
    }

    #[test]
    fn before_positioning_nothing_is_excluded() {
        assert_eq!(Watermarks::default().min_offsets(), MinOffsets::unknown());
    }

    #[test]
    fn marks_follow_the_high_watermark_up_and_down() {
        let marks = marks();
        assert_eq!(marks.min_offsets(), MinOffsets::new([10, 20]));
        marks.on_high_watermark(0, 15);
        marks.on_high_watermark(1, 3);
        assert_eq!(marks.min_offsets(), MinOffsets::new([15, 3]));
    }

    #[test]
    fn a_mark_stands_while_the_broker_names_none() {
        let marks = marks();
        for none in [-1001, -1] {
            marks.on_high_watermark(0, none);
            assert_eq!(marks.min_offsets(), MinOffsets::new([10, 20]), "{none}");
        }
    }

    #[test]
    fn an_added_partition_excludes_nothing_until_its_first_fetch() {
        let marks = marks();
        marks.add_partitions(3);
        assert_eq!(marks.min_offsets(), MinOffsets::new([10, 20, 0]));
        marks.on_high_watermark(2, 7);
        marks.add_partitions(2);
        assert_eq!(
            marks.min_offsets(),
            MinOffsets::new([10, 20, 7]),
            "never fewer"
        );
    }

    #[test]
    fn an_unknown_partition_is_ignored() {
        let marks = marks();
        marks.on_high_watermark(2, 5);
        marks.on_high_watermark(-1, 5);
        assert_eq!(marks.min_offsets(), MinOffsets::new([10, 20]));
    }
}
