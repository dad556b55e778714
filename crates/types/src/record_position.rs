//! Places in the answers' topic, and the rule that uses them instead of a clock.

use std::sync::Arc;

/// The position of a record in the answers' topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordPosition {
    /// Partition number.
    pub partition: i32,
    /// Offset within the partition.
    pub offset: i64,
}

/// The partitions' high watermarks as known at one moment: a record below them was written before.
///
/// Taken before a question is produced; an answer below it cannot be that question's answer.
/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinOffsets(Arc<[i64]>);

impl MinOffsets {
    /// A floor from high watermarks, indexed by partition number.
    pub fn new(watermarks: impl Into<Arc<[i64]>>) -> Self {
        Self(watermarks.into())
    }

    /// A floor that excludes nothing.
    pub fn unknown() -> Self {
        Self(Arc::new([]))
    }

    /// The high watermarks, indexed by partition number.
    pub fn watermarks(&self) -> &[i64] {
        &self.0
    }

    /// True when the record was in the topic before the floor was taken. A partition the floor does
    /// not know (added later) excludes nothing.
    pub fn excludes(&self, position: RecordPosition) -> bool {
        position.offset < self.min_offset(position.partition)
    }

    /// The lowest offset of a partition that is not excluded.
    pub fn min_offset(&self, partition: i32) -> i64 {
        usize::try_from(partition)
            .ok()
            .and_then(|partition| self.0.get(partition))
            .map_or(0, |watermark| *watermark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_excludes_what_was_written_before_it_and_nothing_else() {
        let floor = MinOffsets::new([10, 0]);
        let excluded = |partition, offset| floor.excludes(RecordPosition { partition, offset });
        assert!(excluded(0, 9));
        assert!(
            !excluded(0, 10),
            "the watermark is the next offset to be written"
        );
        assert!(!excluded(1, 0));
        assert!(!excluded(2, 0), "a partition added later");
        assert!(!excluded(-1, 0), "no partition at all");
        assert!(!MinOffsets::unknown().excludes(RecordPosition {
            partition: 0,
            offset: 0
        }));
    }
}
