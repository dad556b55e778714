//! Finds how far an unreadable batch reaches, from what comes when its partition is read from one
//! offset or another. Pure.
//!
//! Every offset inside a batch brings the same error, which names the batch; the first offset behind it
//! brings something else. So the search doubles its steps until it is outside, then halves what is left:
//! about two looks for each doubling of the batch. No offset is taken for part of the batch unless an
//! offset at or behind it brought the error of that same batch, so nothing readable is stepped over.

/// The first thing that came when a partition was read from an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A record.
    Record,
    /// An error that names the batch it stands for.
    Unreadable {
        /// The offset that the batch is known by.
        batch: i64,
    },
    /// Nothing: the partition has no record at that offset or behind it.
    End,
}

/// The next thing that the search wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Read from the position once more, after a wait.
    Retry,
    /// Read from this offset.
    Look(i64),
    /// The batch ends before this offset.
    Found(i64),
    /// The record at the position can be read after all.
    Readable,
}

/// The search for the end of one batch.
#[derive(Debug)]
pub(crate) struct BatchSearch {
    batch: i64,
    /// The reads from the position that still have to fail.
    retries: u32,
    /// The largest offset known to lie in the batch.
    inside: i64,
    /// The smallest offset known to lie behind it.
    outside: Option<i64>,
    stride: i64,
    readable: bool,
}

impl BatchSearch {
    /// The number of reads after which a batch is given up.
    pub(crate) const TRIES: u32 = 3;

    /// Starts at `position`, where the error of `batch` has come once.
    pub(crate) fn new(position: i64, batch: i64) -> Self {
        Self {
            batch,
            retries: Self::TRIES - 1,
            inside: position.max(batch),
            outside: None,
            stride: 1,
            readable: false,
        }
    }

    /// Returns what to do next; its outcome goes to [`Self::on_outcome`].
    pub(crate) fn next_step(&self) -> Step {
        if self.readable {
            return Step::Readable;
        }
        if self.retries > 0 {
            return Step::Retry;
        }
        match self.outside {
            None => Step::Look(self.inside.saturating_add(self.stride)),
            Some(outside) if outside - self.inside <= 1 => Step::Found(outside),
            Some(outside) => Step::Look(self.inside + (outside - self.inside) / 2),
        }
    }

    /// Takes what came of the last step.
    pub(crate) fn on_outcome(&mut self, outcome: Outcome) {
        let same = outcome == Outcome::Unreadable { batch: self.batch };
        match self.next_step() {
            Step::Retry if same => self.retries -= 1,
            // Whatever stands there now, it is not what failed before.
            Step::Retry => self.readable = true,
            Step::Look(offset) if same => {
                self.inside = offset;
                self.stride = self.stride.saturating_mul(2);
            }
            Step::Look(offset) => self.outside = Some(offset),
            Step::Found(_) | Step::Readable => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A partition: batches by their first and last offset, and whether they can be read.
    struct Log(Vec<(i64, i64, bool)>);

    impl Log {
        fn read(&self, from: i64) -> Outcome {
            let next = self.0.iter().find(|(_, last, _)| *last >= from);
            match next {
                None => Outcome::End,
                Some((_, _, true)) => Outcome::Record,
                Some((first, _, false)) => Outcome::Unreadable { batch: *first },
            }
        }

        /// Returns the end of the batch at `position` as the search finds it, and the number of looks.
        fn search(&self, position: i64) -> (Option<i64>, u32) {
            let Outcome::Unreadable { batch } = self.read(position) else {
                panic!("nothing to search for")
            };
            let mut search = BatchSearch::new(position, batch);
            for looks in 1.. {
                let outcome = match search.next_step() {
                    Step::Retry => self.read(position),
                    Step::Look(offset) => self.read(offset),
                    Step::Found(next) => return (Some(next), looks),
                    Step::Readable => return (None, looks),
                };
                search.on_outcome(outcome);
            }
            unreachable!()
        }
    }

    #[test]
    fn a_batch_is_left_at_its_end_whatever_its_length_and_wherever_reading_stood() {
        for length in 1..70 {
            let last = 100 + length - 1;
            let behind = [
                vec![],
                vec![(last + 1, last + 1, true)],
                vec![(last + 1, last + 90, true)],
                // A gap, as compaction leaves it, belongs to nobody.
                vec![(last + 5, last + 6, true)],
                vec![(last + 1, last + 1, true), (last + 2, last + 80, false)],
                vec![(last + 1, last + 40, false), (last + 41, last + 41, true)],
            ];
            for behind in behind {
                let mut log = Log(vec![(90, 99, true), (100, last, false)]);
                log.0.extend(&behind);
                for position in 100..=last {
                    assert_eq!(log.search(position).0, Some(last + 1), "{:?}", log.0);
                }
            }
        }
    }

    #[test]
    fn a_gap_before_the_batch_is_no_part_of_its_length() {
        let log = Log(vec![(90, 93, true), (100, 104, false), (105, 105, true)]);
        assert_eq!(log.search(94), (Some(105), log.search(100).1));
    }

    #[test]
    fn the_longest_batch_takes_few_looks() {
        let log = Log(vec![(0, i64::from(i32::MAX), false)]);
        let (next, looks) = log.search(0);
        assert_eq!(next, Some(i64::from(i32::MAX) + 1));
        assert!(looks < 70, "{looks}");
    }

    #[test]
    fn a_batch_is_given_up_after_a_few_tries_and_not_before() {
        let mut search = BatchSearch::new(7, 7);
        let mut reads = 1;
        while search.next_step() == Step::Retry {
            search.on_outcome(Outcome::Unreadable { batch: 7 });
            reads += 1;
        }
        assert_eq!(
            (reads, search.next_step()),
            (BatchSearch::TRIES, Step::Look(8))
        );
    }

    #[test]
    fn what_can_be_read_at_a_later_try_is_not_stepped_over() {
        for outcome in [
            Outcome::Record,
            Outcome::End,
            // Another log, or one that was cut meanwhile.
            Outcome::Unreadable { batch: 9 },
        ] {
            let mut search = BatchSearch::new(7, 7);
            search.on_outcome(Outcome::Unreadable { batch: 7 });
            search.on_outcome(outcome);
            assert_eq!(search.next_step(), Step::Readable);
        }
    }
}
