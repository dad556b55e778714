//! The two topics: what is in them stays, and everybody reads them at his own pace.

use std::collections::HashSet;

use types::{Answer, MinOffsets, QuestionId, QuestionIdEcho, QuestionRecord, RecordPosition};

/// The number of partitions of the answers' topic.
pub(super) const PARTITIONS: usize = 3;

#[derive(Debug, Default)]
pub(super) struct Kafka {
    pub(super) questions: Vec<QuestionRecord>,
    answers: [Vec<Answer>; PARTITIONS],
}

impl Kafka {
    /// Appends an answer; its position is made true.
    pub(super) fn answer(&mut self, partition: usize, mut answer: Answer) {
        answer.position = RecordPosition {
            partition: i32::try_from(partition).unwrap(),
            offset: i64::try_from(self.answers[partition].len()).unwrap(),
        };
        self.answers[partition].push(answer);
    }

    /// Tells whether a question was written more than once.
    pub(super) fn has_a_question_twice(&self) -> bool {
        let mut asked = HashSet::new();
        let mut questions = self.questions.iter();
        questions.any(|question| !asked.insert((question.question_id, question.wire_id.as_str())))
    }

    /// The record at this place of a partition, if there is one.
    pub(super) fn record(&self, partition: usize, at: usize) -> Option<&Answer> {
        self.answers[partition].get(at)
    }

    pub(super) fn ends(&self) -> [usize; PARTITIONS] {
        std::array::from_fn(|partition| self.answers[partition].len())
    }

    /// Returns the high watermarks that a replica knows that has read so far.
    pub(super) fn floor(read: &[usize; PARTITIONS]) -> MinOffsets {
        MinOffsets::new(read.map(|read| i64::try_from(read).unwrap()))
    }

    /// Every record before `read`, not below the floor, that names the question, or names none and
    /// is under its wire id.
    pub(super) fn find(
        &self,
        question: QuestionId,
        wire_id: &str,
        floor: &MinOffsets,
        read: &[usize; PARTITIONS],
    ) -> Vec<Answer> {
        let known = self.answers.iter().zip(read);
        let known = known.flat_map(|(records, read)| &records[..*read]);
        let of_it = known.filter(|record| match record.question_id {
            QuestionIdEcho::Echoed(id) => id == question,
            QuestionIdEcho::Absent => record.wire_id.as_str() == wire_id,
            QuestionIdEcho::Foreign => false,
        });
        of_it
            .filter(|record| !floor.excludes(record.position))
            .cloned()
            .collect()
    }
}
