//! The partitions' high watermarks as known now, shared between the consumer's thread, which writes
//! them, and everybody who asks a question, who reads them.
//!
//! A mark is the high watermark of the partition's latest fetch response: at most the true one, so
//! what lies below it was surely written before. The consumer's own position needs no place beside
//! it: a record comes in the response that carries a watermark above it. When the log goes back (a
//! topic made anew) the mark goes back with it, or to zero while the broker names none; a mark that
//! stayed would exclude the new topic's answers.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use types::AnswerFloor;

/// One mark per partition. Empty until positioned: the floor then excludes nothing.
#[derive(Debug, Default)]
pub(crate) struct Marks(RwLock<Arc<[AtomicI64]>>);

impl Marks {
    /// Replaces all marks, by partition number.
    pub(crate) fn reset(&self, marks: impl Iterator<Item = i64>) {
        let marks = marks.map(AtomicI64::new).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = marks;
    }

    /// Takes a partition's high watermark as librdkafka has it cached.
    pub(crate) fn on_high_watermark(&self, partition: i32, cached: i64) {
        let mark = match cached {
            Self::NOT_FETCHED_YET => return,
            0.. => cached,
            _ => 0,
        };
        let marks = self.current();
        let place = usize::try_from(partition)
            .ok()
            .and_then(|partition| marks.get(partition));
        if let Some(place) = place {
            place.store(mark, Ordering::Relaxed);
        }
    }

    /// A copy of all marks.
    pub(crate) fn floor(&self) -> AnswerFloor {
        let marks = self.current();
        let marks = marks.iter().map(|mark| mark.load(Ordering::Relaxed));
        AnswerFloor::new(marks.collect::<Arc<[i64]>>())
    }

    fn current(&self) -> Arc<[AtomicI64]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// librdkafka's `RD_KAFKA_OFFSET_INVALID`.
    const NOT_FETCHED_YET: i64 = -1001;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Marks {
        let marks = Marks::default();
        marks.reset([10, 20].into_iter());
        marks
    }

    #[test]
    fn before_positioning_nothing_is_excluded() {
        assert_eq!(Marks::default().floor(), AnswerFloor::unknown());
    }

    #[test]
    fn marks_follow_the_high_watermark_up_and_down() {
        let marks = marks();
        assert_eq!(marks.floor(), AnswerFloor::new([10, 20]));
        marks.on_high_watermark(0, 15);
        marks.on_high_watermark(1, 3);
        assert_eq!(marks.floor(), AnswerFloor::new([15, 3]));
    }

    #[test]
    fn the_start_stands_until_the_first_fetch_and_an_error_excludes_nothing() {
        let marks = marks();
        marks.on_high_watermark(0, -1001);
        marks.on_high_watermark(1, -1);
        assert_eq!(marks.floor(), AnswerFloor::new([10, 0]));
    }

    #[test]
    fn an_unknown_partition_is_ignored() {
        let marks = marks();
        marks.on_high_watermark(2, 5);
        marks.on_high_watermark(-1, 5);
        assert_eq!(marks.floor(), AnswerFloor::new([10, 20]));
    }
}
