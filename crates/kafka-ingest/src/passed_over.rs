//! What was passed over by its key alone, and looking at it again. Pure.
//!
//! A record that was passed over wrongly is lost to a session that waits. So what was passed over is
//! looked at again, decoded this time: at once when a key turns out to be another than its session
//! id, when nothing has been passed over for a moment (the record that would be compared next may
//! never come), and now and then while a question goes on waiting. Nothing is kept of the records but
//! their numbers: a second look reads them from the topic, from the floor of the question that has
//! waited longest, and leaves out what was taken the first time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use types::{AnswerFloor, RecordPosition};

/// What was passed over and not looked at again, by partition.
///
/// Of each record [`Self::on_read`] is asked; of a new one [`Self::on_passed_over`] or
/// [`Self::on_taken`] is told.
#[derive(Debug)]
pub(crate) struct PassedOver {
    /// The time between two looks while records go on being passed over.
    every: Duration,
    partitions: BTreeMap<i32, Partition>,
    /// When a record was last passed over; `None` when there is nothing to look at.
    latest: Option<Instant>,
    /// When the next look is due however many records are passed over.
    look_at: Instant,
    refuted: bool,
}

/// How a record stands to what was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Read for the first time.
    New,
    /// Passed over the first time: to be decoded now.
    Again,
    /// Handed over, parked or skipped the first time.
    Known,
}

/// Why there is a second look. The metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A key was another than its session id.
    Refuted,
    /// Nothing has been passed over for a moment.
    Quiet,
    /// A question goes on waiting.
    Waiting,
}

/// A second look: where to go back to, by partition. At least one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) cause: Cause,
    pub(crate) from: Vec<(i32, i64)>,
}

#[derive(Debug)]
struct Partition {
    /// The first and the last that were passed over and are not looked at yet.
    first: i64,
    last: i64,
    /// The last at the time of the last periodic look.
    last_before: Option<i64>,
    /// The newest that was read.
    read: i64,
    /// What was read behind `first` and not passed over, ascending; at most [`KEPT`].
    taken: VecDeque<i64>,
    /// Below this the partition is being read again.
    again_below: Option<i64>,
}

impl PassedOver {
    /// `every` is the time between two looks while records go on being passed over.
    pub(crate) fn new(now: Instant, every: Duration) -> Self {
        Self {
            every,
            partitions: BTreeMap::new(),
            latest: None,
            look_at: now + every,
            refuted: false,
        }
    }

    /// A record was read.
    pub(crate) fn on_read(&mut self, at: RecordPosition) -> Standing {
        let Some(partition) = self.partitions.get_mut(&at.partition) else {
            return Standing::New;
        };
        match partition.again_below {
            Some(below) if at.offset < below => return partition.standing(at.offset),
            Some(_) => drop(self.partitions.remove(&at.partition)),
            None => partition.read = at.offset,
        }
        Standing::New
    }

    /// A new record was passed over.
    pub(crate) fn on_passed_over(&mut self, now: Instant, at: RecordPosition) {
        if self.latest.replace(now).is_none() {
            self.look_at = now + self.every;
        }
        let partition = self.partitions.entry(at.partition);
        let partition = partition.or_insert_with(|| Partition::starting(at.offset));
        partition.last = at.offset;
    }

    /// A new record was not passed over.
    pub(crate) fn on_taken(&mut self, at: RecordPosition) {
        let Some(partition) = self.partitions.get_mut(&at.partition) else {
            return;
        };
        if partition.taken.len() >= KEPT {
            partition.taken.pop_front();
        }
        partition.taken.push_back(at.offset);
    }

    /// A key was another than its session id.
    pub(crate) fn on_refuted(&mut self) {
        self.refuted = true;
    }

    /// The log of a partition went back: what was passed over of it is gone.
    pub(crate) fn on_log_went_back(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// The topic is gone, and all that was passed over.
    pub(crate) fn on_topic_gone(&mut self) {
        self.partitions.clear();
        self.latest = None;
    }

    /// A second look, if it is time for one. `floor` is that of the question that has waited longest,
    /// and none when nobody waits: then whatever was passed over can be nobody's answer.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        floor: impl FnOnce() -> Option<AnswerFloor>,
    ) -> Option<Look> {
        let cause = self.cause(now)?;
        self.refuted = false;
        self.look_at = now + self.every;
        let Some(floor) = floor() else {
            self.forget();
            return None;
        };
        for (&number, partition) in &mut self.partitions {
            partition.forget_below(floor.of(number));
        }
        if cause == Cause::Waiting && !self.partitions.values().any(Partition::waited) {
            for partition in self.partitions.values_mut() {
                partition.last_before = Some(partition.last);
            }
            return None;
        }
        let partitions = self.partitions.iter_mut();
        let from = partitions
            .filter_map(|(&number, partition)| Some((number, partition.look_again()?)))
            .collect::<Vec<_>>();
        self.forget();
        (!from.is_empty()).then_some(Look { cause, from })
    }

    fn cause(&self, now: Instant) -> Option<Cause> {
        let latest = self.latest?;
        if self.refuted {
            Some(Cause::Refuted)
        } else if now.saturating_duration_since(latest) >= QUIET {
            Some(Cause::Quiet)
        } else {
            (self.look_at <= now).then_some(Cause::Waiting)
        }
    }

    /// Forgets all but what is being read again.
    fn forget(&mut self) {
        self.latest = None;
        self.partitions
            .retain(|_, partition| partition.again_below.is_some());
    }
}

impl Partition {
    fn starting(first: i64) -> Self {
        Self {
            first,
            last: first,
            last_before: None,
            read: first,
            taken: VecDeque::new(),
            again_below: None,
        }
    }

    fn standing(&self, offset: i64) -> Standing {
        match self.taken.binary_search(&offset) {
            Ok(_) => Standing::Known,
            Err(_) => Standing::Again,
        }
    }

    /// No answer that is waited for stands below `floor`.
    fn forget_below(&mut self, floor: i64) {
        if self.again_below.is_some() {
            return;
        }
        self.first = self.first.max(floor);
        let below = self.taken.partition_point(|offset| *offset < self.first);
        self.taken.drain(..below);
    }

    /// Whether something passed over before the last periodic look is waited for still.
    fn waited(&self) -> bool {
        self.last_before.is_some_and(|before| self.first <= before)
    }

    /// Where to begin reading again; `None` when that is needless, or under way.
    fn look_again(&mut self) -> Option<i64> {
        if self.again_below.is_some() || self.first > self.last {
            return None;
        }
        self.again_below = Some(self.read + 1);
        Some(self.first)
    }
}

impl Cause {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Refuted => "refuted",
            Self::Quiet => "quiet",
            Self::Waiting => "waiting",
        }
    }
}

/// How long nothing is passed over before what was is looked at again.
const QUIET: Duration = Duration::from_millis(500);
/// How many offsets a partition remembers as taken. What is forgotten is handed over twice by a
/// second look, which the sink tells apart.
const KEPT: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(30);

    struct Bench {
        passed_over: PassedOver,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let now = Instant::now();
            Self {
                passed_over: PassedOver::new(now, EVERY),
                now,
            }
        }

        fn read(&mut self, partition: i32, offset: i64) -> Standing {
            self.passed_over.on_read(at(partition, offset))
        }

        fn pass_over(&mut self, partition: i32, offsets: impl IntoIterator<Item = i64>) {
            for offset in offsets {
                assert_eq!(self.read(partition, offset), Standing::New);
                self.passed_over
                    .on_passed_over(self.now, at(partition, offset));
            }
        }

        fn take(&mut self, partition: i32, offsets: impl IntoIterator<Item = i64>) {
            for offset in offsets {
                assert_eq!(self.read(partition, offset), Standing::New);
                self.passed_over.on_taken(at(partition, offset));
            }
        }

        /// Polls while a question waits above this floor.
        fn poll(&mut self, floor: &[i64]) -> Option<Look> {
            let floor = AnswerFloor::new(floor);
            self.passed_over.poll(self.now, || Some(floor))
        }
    }

    fn at(partition: i32, offset: i64) -> RecordPosition {
        RecordPosition { partition, offset }
    }

    fn look(cause: Cause, from: &[(i32, i64)]) -> Option<Look> {
        let from = from.to_vec();
        Some(Look { cause, from })
    }

    #[test]
    fn a_refuted_key_has_everything_read_again_from_the_floor_and_nothing_taken_twice() {
        let mut bench = Bench::new();
        bench.take(0, 0..3);
        bench.pass_over(0, 3..6);
        bench.take(0, [6]);
        bench.pass_over(0, 7..9);
        bench.take(0, [9]);
        bench.pass_over(1, 0..4);
        assert_eq!(bench.poll(&[5, 9]), None, "no reason yet");
        bench.passed_over.on_refuted();
        assert_eq!(
            bench.poll(&[5, 9]),
            look(Cause::Refuted, &[(0, 5)]),
            "partition 1 has nothing above the floor"
        );
        let standings = [5, 6, 7, 8, 9, 10, 5].map(|offset| bench.read(0, offset));
        use Standing::{Again, Known, New};
        assert_eq!(standings, [Again, Known, Again, Again, Known, New, New]);
    }

    #[test]
    fn what_was_passed_over_first_bounds_the_look_when_the_floor_does_not() {
        let mut bench = Bench::new();
        bench.pass_over(0, 40..42);
        bench.passed_over.on_refuted();
        assert_eq!(bench.poll(&[]), look(Cause::Refuted, &[(0, 40)]));
    }

    #[test]
    fn nothing_passed_over_is_nothing_to_look_at() {
        let mut bench = Bench::new();
        bench.take(0, 0..3);
        bench.passed_over.on_refuted();
        bench.now += EVERY;
        let asked = || -> Option<AnswerFloor> { panic!("asked in vain") };
        assert_eq!(bench.passed_over.poll(bench.now, asked), None);
    }

    #[test]
    fn when_nobody_waits_all_is_forgotten() {
        let mut bench = Bench::new();
        bench.pass_over(0, 0..3);
        bench.passed_over.on_refuted();
        assert_eq!(bench.passed_over.poll(bench.now, || None), None);
        bench.now += EVERY;
        assert_eq!(bench.poll(&[]), None);
        assert_eq!(bench.read(0, 1), Standing::New);
    }

    #[test]
    fn a_quiet_moment_is_used_for_a_look() {
        let mut bench = Bench::new();
        bench.pass_over(0, 0..3);
        bench.now += QUIET - Duration::from_millis(1);
        assert_eq!(bench.poll(&[]), None);
        bench.pass_over(0, [3]);
        bench.now += Duration::from_millis(1);
        assert_eq!(bench.poll(&[]), None, "not quiet yet");
        bench.now += QUIET;
        assert_eq!(bench.poll(&[2]), look(Cause::Quiet, &[(0, 2)]));
        bench.now += QUIET;
        assert_eq!(bench.poll(&[2]), None, "looked at");
    }

    #[test]
    fn a_question_that_goes_on_waiting_has_a_look_and_a_new_one_has_none() {
        let mut bench = Bench::new();
        let second = |bench: &mut Bench, offset| {
            bench.now += EVERY;
            bench.pass_over(0, [offset]);
        };
        bench.pass_over(0, 0..3);
        second(&mut bench, 3);
        assert_eq!(bench.poll(&[1]), None, "it may have begun to wait just now");
        second(&mut bench, 4);
        assert_eq!(bench.poll(&[4]), None, "another one");
        second(&mut bench, 5);
        assert_eq!(bench.poll(&[4]), look(Cause::Waiting, &[(0, 4)]));
    }

    #[test]
    fn a_look_under_way_is_not_begun_again() {
        let mut bench = Bench::new();
        bench.pass_over(0, 0..3);
        bench.now += QUIET;
        assert_eq!(bench.poll(&[]), look(Cause::Quiet, &[(0, 0)]));
        assert_eq!(bench.read(0, 0), Standing::Again);
        bench.pass_over(1, [7]);
        bench.passed_over.on_refuted();
        assert_eq!(bench.poll(&[]), look(Cause::Refuted, &[(1, 7)]));
        assert_eq!(bench.read(0, 1), Standing::Again, "goes on");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut bench = Bench::new();
        bench.pass_over(0, [0]);
        let kept = i64::try_from(KEPT).unwrap();
        bench.take(0, 1..=kept + 1);
        bench.passed_over.on_refuted();
        assert!(bench.poll(&[]).is_some());
        let standings = [1, 2].map(|offset| bench.read(0, offset));
        assert_eq!(standings, [Standing::Again, Standing::Known]);
    }

    #[test]
    fn a_log_that_is_another_one_has_nothing_to_look_at() {
        let mut bench = Bench::new();
        bench.pass_over(0, 5..7);
        bench.passed_over.on_log_went_back(0);
        bench.pass_over(0, [2]);
        bench.passed_over.on_refuted();
        assert_eq!(bench.poll(&[]), look(Cause::Refuted, &[(0, 2)]));
        bench.passed_over.on_topic_gone();
        assert_eq!(bench.read(0, 2), Standing::New);
    }
}
