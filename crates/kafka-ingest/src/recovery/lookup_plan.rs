//! Plans which records are read for several lookups, and what each is told. Pure.

use std::collections::{BTreeSet, HashMap};

use types::{Answer, AnswerLookup, MinOffsets, QuestionId, QuestionIdEcho, RecordPosition};

use super::offset_ranges::{OffsetRange, RangeQueue};
use super::{RecoveryOutcome, UnavailableReason};
use crate::answer_index::RecordLocations;

/// Several wishes that are served together.
#[derive(Debug, Default)]
pub(super) struct LookupPlan {
    entries: Vec<PlannedLookup>,
    by_question: HashMap<QuestionId, Vec<usize>>,
    by_wire_id: HashMap<String, Vec<usize>>,
    by_position: HashMap<RecordPosition, Vec<usize>>,
}

#[derive(Debug)]
struct PlannedLookup {
    floor: MinOffsets,
    /// Known to be there and not read yet.
    missing: BTreeSet<RecordPosition>,
    /// To be looked through.
    ranges: Vec<(i32, OffsetRange)>,
    found: Vec<Answer>,
    unavailable: Option<UnavailableReason>,
}

impl LookupPlan {
    pub(super) fn add(&mut self, wanted: &AnswerLookup, traces: RecordLocations) {
        let number = self.entries.len();
        let wire_id = wanted.wire_id.as_str().to_owned();
        self.by_wire_id.entry(wire_id).or_default().push(number);
        let question = self.by_question.entry(wanted.question_id);
        question.or_default().push(number);
        for at in &traces.known {
            self.by_position.entry(*at).or_default().push(number);
        }
        let unknown = traces.unindexed.into_iter();
        self.entries.push(PlannedLookup {
            floor: wanted.min_offsets.clone(),
            missing: traces.known.into_iter().collect(),
            ranges: unknown
                .map(|(partition, from, until)| (partition, OffsetRange { from, until }))
                .collect(),
            found: Vec::new(),
            unavailable: None,
        });
    }

    /// Partitions of which something is to be looked through.
    pub(super) fn scanned_partitions(&self) -> BTreeSet<i32> {
        let unknown = self.entries.iter().flat_map(|entry| &entry.ranges);
        unknown.map(|(partition, _)| *partition).collect()
    }

    /// The oldest record of a partition is this one. Whoever needs an older one will not know.
    pub(super) fn on_low_watermark(&mut self, partition: i32, low: i64) {
        for entry in &mut self.entries {
            let needs =
                |(one, segment): &(i32, OffsetRange)| *one == partition && segment.from < low;
            if entry.ranges.iter().any(needs) {
                entry.unavailable = Some(UnavailableReason::Deleted);
            }
        }
    }

    /// Returns the ranges to read for the lookups that can still succeed.
    pub(super) fn ranges_to_read(&self) -> RangeQueue {
        let open = self
            .entries
            .iter()
            .filter(|entry| entry.unavailable.is_none());
        let stretches = open.flat_map(|entry| {
            let known = entry.missing.iter().map(|at| {
                let until = Some(at.offset + 1);
                let from = at.offset;
                (at.partition, OffsetRange { from, until })
            });
            known.chain(entry.ranges.iter().copied())
        });
        RangeQueue::new(stretches)
    }

    /// The record at this place is read, whatever it is.
    pub(super) fn on_read(&mut self, at: RecordPosition) {
        for number in self.by_position.get(&at).into_iter().flatten() {
            self.entries[*number].missing.remove(&at);
        }
    }

    /// It is this answer, of whatever question.
    pub(super) fn on_answer(&mut self, answer: &Answer) {
        let wanting = match answer.question_id {
            QuestionIdEcho::Echoed(question) => self.by_question.get(&question),
            QuestionIdEcho::Absent => self.by_wire_id.get(answer.wire_id.as_str()),
            QuestionIdEcho::Foreign => None,
        };
        for number in wanting.into_iter().flatten() {
            let entry = &mut self.entries[*number];
            if !entry.floor.excludes(answer.position) {
                entry.found.push(answer.clone());
            }
        }
    }

    /// Reading ended early, for this reason, before these partitions were read: nobody who needed any of
    /// them can know.
    pub(super) fn on_incomplete(&mut self, cause: UnavailableReason, unread: &BTreeSet<i32>) {
        for entry in &mut self.entries {
            let known = entry.missing.iter().map(|at| at.partition);
            let unknown = entry.ranges.iter().map(|(partition, _)| *partition);
            let needed = known.chain(unknown).any(|one| unread.contains(&one));
            if needed && entry.unavailable.is_none() {
                entry.unavailable = Some(cause);
            }
        }
    }

    /// Returns the outcome of each lookup, in the order they were added.
    pub(super) fn into_outcomes(self) -> impl Iterator<Item = RecoveryOutcome> {
        self.entries.into_iter().map(|entry| {
            let mut found = entry.found;
            match entry.unavailable {
                Some(cause) => RecoveryOutcome::Unavailable(cause),
                // It was there and is not: deleted, or the log is another one.
                None if !entry.missing.is_empty() => {
                    RecoveryOutcome::Unavailable(UnavailableReason::Deleted)
                }
                None => {
                    found.sort_by_key(|answer| answer.position);
                    RecoveryOutcome::Found(found)
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use types::{AnswerBody, AnswerPart, AnswerText, WireId};

    use super::*;

    fn at(partition: i32, offset: i64) -> RecordPosition {
        RecordPosition { partition, offset }
    }

    /// The question's id is made of its wire id.
    fn question(wire_id: &str) -> QuestionId {
        QuestionId::from_bytes([wire_id.as_bytes()[0]; 16])
    }

    fn wanted(wire_id: &str, floor: i64) -> AnswerLookup {
        AnswerLookup {
            question_id: question(wire_id),
            wire_id: WireId::parse(wire_id).unwrap(),
            min_offsets: MinOffsets::new([floor]),
        }
    }

    fn answer(wire_id: &str, position: RecordPosition) -> Answer {
        Answer {
            wire_id: WireId::parse(wire_id).unwrap(),
            question_id: QuestionIdEcho::Absent,
            part: AnswerPart::Whole,
            body: AnswerBody::Text(AnswerText::new("x")),
            position,
            metadata: None,
            is_replayed: false,
        }
    }

    fn known(positions: &[RecordPosition]) -> RecordLocations {
        RecordLocations {
            known: positions.to_vec(),
            unindexed: Vec::new(),
        }
    }

    fn unknown(from: i64) -> RecordLocations {
        RecordLocations {
            known: Vec::new(),
            unindexed: vec![(0, from, Some(20))],
        }
    }

    fn told(plan: LookupPlan) -> Vec<Result<Vec<i64>, UnavailableReason>> {
        let recovered = plan.into_outcomes();
        recovered
            .map(|recovered| match recovered {
                RecoveryOutcome::Found(found) => {
                    Ok(found.iter().map(|answer| answer.position.offset).collect())
                }
                RecoveryOutcome::Unavailable(cause) => Err(cause),
            })
            .collect()
    }

    #[test]
    fn who_has_no_traces_is_told_so_without_reading() {
        let mut plan = LookupPlan::default();
        plan.add(&wanted("a~1", 5), RecordLocations::default());
        assert!(plan.ranges_to_read().is_empty());
        assert_eq!(told(plan), [Ok(vec![])]);
    }

    #[test]
    fn everybody_gets_his_own_in_order_and_what_shares_a_hash_is_passed_over() {
        let mut plan = LookupPlan::default();
        plan.add(&wanted("a~1", 5), known(&[at(0, 9), at(0, 7)]));
        plan.add(&wanted("b~1", 5), known(&[at(0, 8), at(0, 9)]));
        for (wire_id, offset) in [("a~1", 9), ("a~1", 7), ("b~1", 8), ("a~1", 4), ("c~1", 6)] {
            plan.on_read(at(0, offset));
            plan.on_answer(&answer(wire_id, at(0, offset)));
        }
        assert_eq!(told(plan), [Ok(vec![7, 9]), Ok(vec![8])]);
    }

    #[test]
    fn the_question_that_a_record_names_decides_whatever_its_wire_id() {
        let mut plan = LookupPlan::default();
        plan.add(&wanted("a~1", 5), known(&[at(0, 9)]));
        plan.add(&wanted("b~1", 5), RecordLocations::default());
        plan.on_read(at(0, 9));
        plan.on_answer(&Answer {
            question_id: QuestionIdEcho::Echoed(question("a~1")),
            ..answer("b~1", at(0, 9))
        });
        plan.on_answer(&Answer {
            question_id: QuestionIdEcho::Foreign,
            ..answer("a~1", at(0, 10))
        });
        assert_eq!(told(plan), [Ok(vec![9]), Ok(vec![])]);
    }

    #[test]
    fn what_was_there_and_is_not_is_lost() {
        let mut plan = LookupPlan::default();
        plan.add(&wanted("a~1", 5), known(&[at(0, 9)]));
        assert_eq!(told(plan), [Err(UnavailableReason::Deleted)]);
    }

    #[test]
    fn what_is_deleted_is_lost_to_who_needs_it_and_not_read_for_him() {
        let mut plan = LookupPlan::default();
        plan.add(&wanted("a~1", 5), unknown(5));
        plan.add(&wanted("b~1", 15), unknown(15));
        assert_eq!(plan.scanned_partitions(), BTreeSet::from([0]));
        plan.on_low_watermark(0, 10);
        let from = 15;
        let until = Some(20);
        assert_eq!(
            plan.ranges_to_read(),
            RangeQueue::new([(0, OffsetRange { from, until })])
        );
        assert_eq!(told(plan), [Err(UnavailableReason::Deleted), Ok(vec![])]);
    }

    #[test]
    fn what_was_deleted_while_it_was_looked_through_is_lost_whatever_was_found() {
        let mut plan = LookupPlan::default();
        plan.add(&wanted("a~1", 5), unknown(5));
        plan.add(&wanted("b~1", 15), unknown(15));
        plan.on_low_watermark(0, 5);
        for (wire_id, offset) in [("a~1", 17), ("b~1", 18)] {
            plan.on_read(at(0, offset));
            plan.on_answer(&answer(wire_id, at(0, offset)));
        }
        plan.on_low_watermark(0, 10);
        assert_eq!(told(plan), [Err(UnavailableReason::Deleted), Ok(vec![18])]);
    }

    #[test]
    fn trouble_is_told_to_who_needed_what_was_not_read() {
        let mut plan = LookupPlan::default();
        plan.add(&wanted("a~1", 5), RecordLocations::default());
        plan.add(&wanted("b~1", 5), known(&[at(0, 9)]));
        plan.add(&wanted("c~1", 5), unknown(5));
        let elsewhere = (1, 5, Some(20));
        let traces = RecordLocations {
            known: Vec::new(),
            unindexed: vec![elsewhere],
        };
        plan.add(&wanted("d~1", 5), traces);
        plan.on_incomplete(UnavailableReason::TimedOut, &BTreeSet::from([0]));
        let late = UnavailableReason::TimedOut;
        assert_eq!(told(plan), [Ok(vec![]), Err(late), Err(late), Ok(vec![])]);
    }
}
