//! Finds how far an unreadable batch reaches, from what comes when its partition is read from one
//! offset or another. Pure.
//!
//! Every offset inside a batch brings the same error, which names the batch; the first offset behind it
//! brings something else. So the search doubles its steps until it is outside, then halves what is left:
//! about two looks for each doubling of the batch. No offset is taken for part of the batch unless an
//! offset at or behind it brought the error of that same batch, so nothing readable is stepped over.

/// The first thing that came when a partition was read from an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbeOutcome {
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
pub(crate) enum SearchStep {
    /// Read from the position once more, after a wait.
    Retry,
    /// Read from this offset.
    Read(i64),
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
    pub(crate) fn next_step(&self) -> SearchStep {
        if self.readable {
            return SearchStep::Readable;
        }
        if self.retries > 0 {
            return SearchStep::Retry;
        }
        match self.outside {
            None => SearchStep::Read(self.inside.saturating_add(self.stride)),
            Some(outside) if outside - self.inside <= 1 => SearchStep::Found(outside),
            Some(outside) => SearchStep::Read(self.inside + (outside - self.inside) / 2),
        }
    }

    /// Takes what came of the last step.
    pub(crate) fn on_outcome(&mut self, outcome: ProbeOutcome) {
        let same = outcome == ProbeOutcome::Unreadable { batch: self.batch };
        match self.next_step() {
            SearchStep::Retry if same => self.retries -= 1,
            // Whatever stands there now, it is not what failed before.
            SearchStep::Retry => self.readable = true,
            SearchStep::Read(offset) if same => {
                self.inside = offset;
                self.stride = self.stride.saturating_mul(2);
            }
            SearchStep::Read(offset) => self.outside = Some(offset),
            SearchStep::Found(_) | SearchStep::Readable => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A partition: batches by their first and last offset, and whether they can be read.
    struct Log(Vec<(i64, i64, bool)>);

    impl Log {
        fn read(&self, from: i64) -> ProbeOutcome {
            let next = self.0.iter().find(|(_, last, _)| *last >= from);
            match next {
                None => ProbeOutcome::End,
                Some((_, _, true)) => ProbeOutcome::Record,
                Some((first, _, false)) => ProbeOutcome::Unreadable { batch: *first },
            }
        }

        /// Returns the end of the batch at `position` as the search finds it, and the number of looks.
        fn search(&self, position: i64) -> (Option<i64>, u32) {
            let ProbeOutcome::Unreadable { batch } = self.read(position) else {
                panic!("nothing to search for")
            };
            let mut search = BatchSearch::new(position, batch);
            for looks in 1.. {
                let outcome = match search.next_step() {
                    SearchStep::Retry => self.read(position),
                    SearchStep::Read(offset) => self.read(offset),
                    SearchStep::Found(next) => return (Some(next), looks),
                    SearchStep::Readable => return (None, looks),
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
        while search.next_step() == SearchStep::Retry {
            search.on_outcome(ProbeOutcome::Unreadable { batch: 7 });
            reads += 1;
        }
        assert_eq!(
            (reads, search.next_step()),
            (BatchSearch::TRIES, SearchStep::Read(8))
        );
    }

    #[test]
    fn what_can_be_read_at_a_later_try_is_not_stepped_over() {
        for outcome in [
            ProbeOutcome::Record,
            ProbeOutcome::End,
            // Another log, or one that was cut meanwhile.
            ProbeOutcome::Unreadable { batch: 9 },
        ] {
            let mut search = BatchSearch::new(7, 7);
            search.on_outcome(ProbeOutcome::Unreadable { batch: 7 });
            search.on_outcome(outcome);
            assert_eq!(search.next_step(), SearchStep::Readable);
        }
    }
}
