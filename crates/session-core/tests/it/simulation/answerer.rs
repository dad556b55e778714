//! The answering side, in each of the ways it may be.

use std::collections::HashMap;

use types::{
    Answer, AnswerBody, AnswerPart, AnswerText, PartOrder, QuestionId, QuestionIdEcho,
    QuestionRecord, RecordPosition, WireId,
};

use super::kafka::{Kafka, PARTITIONS};
use super::random::Random;

/// The behaviour for the whole of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Echoes `question-id`.
    pub(super) echoes: bool,
    /// Answers a question more than once now and then.
    pub(super) repeats: bool,
    /// And then perhaps with another text.
    pub(super) varies: bool,
    /// Answers in parts.
    pub(super) parts: bool,
    /// And then perhaps begins a second attempt.
    pub(super) attempts: bool,
    /// Keeps a question's records in one partition.
    pub(super) keyed: bool,
    /// Answers under the bare session id whatever suffix the question has.
    pub(super) strips: bool,
    /// Never answers one in so many.
    pub(super) forgets: Option<usize>,
}

impl Manner {
    pub(super) fn random(random: &mut Random) -> Self {
        let repeats = random.one_in(3);
        let parts = random.one_in(3);
        Self {
            echoes: random.one_in(3),
            repeats,
            // Two texts in parts of one attempt cannot be told apart by anybody.
            varies: repeats && !parts && random.one_in(2),
            parts,
            attempts: parts && random.one_in(2),
            keyed: random.one_in(2),
            strips: random.one_in(6),
            forgets: random.one_in(2).then_some(10),
        }
    }
}

/// Questions it works on, and every text it has ever given.
#[derive(Debug)]
pub(super) struct Answerer {
    manner: Manner,
    read: usize,
    /// Records still to be written, in order, and where.
    writing: Vec<Vec<(usize, Answer)>>,
    /// Whole texts by question.
    texts: HashMap<QuestionId, Vec<String>>,
    /// The parts it wrote, by question and asking: of another text's parts under the same attempt
    /// nobody could tell which is whose.
    in_parts: HashMap<(QuestionId, WireId), String>,
    answers: usize,
}

impl Answerer {
    pub(super) fn new(manner: Manner) -> Self {
        Self {
            manner,
            read: 0,
            writing: Vec::new(),
            texts: HashMap::new(),
            in_parts: HashMap::new(),
            answers: 0,
        }
    }

    /// Tells whether this is, whole, the answer it wrote to that question.
    pub(super) fn has_said(&self, question: QuestionId, text: &str) -> bool {
        let texts = self.texts.get(&question);
        texts.is_some_and(|texts| texts.iter().any(|one| one == text))
    }

    /// Tells whether it has nothing more to do.
    pub(super) fn is_idle(&self, kafka: &Kafka) -> bool {
        self.read == kafka.questions.len() && self.writing.is_empty()
    }

    /// Reads a question, or writes a record.
    pub(super) fn step(&mut self, random: &mut Random, kafka: &mut Kafka) {
        if self.writing.is_empty() || random.one_in(3) {
            let Some(question) = kafka.questions.get(self.read) else {
                return self.write(random, kafka);
            };
            self.read += 1;
            self.think(random, question);
        } else {
            self.write(random, kafka);
        }
    }

    fn think(&mut self, random: &mut Random, question: &QuestionRecord) {
        if self.manner.forgets.is_some_and(|n| random.one_in(n)) {
            return;
        }
        let times = if self.manner.repeats && random.one_in(2) {
            2
        } else {
            1
        };
        let mut text = self.text(question);
        if self.manner.parts {
            let asking = (question.question_id, self.written_id(question));
            text = self.in_parts.entry(asking).or_insert(text).clone();
        }
        for _ in 0..times {
            self.texts
                .entry(question.question_id)
                .or_default()
                .push(text.clone());
            let records = self.records(random, question, &text);
            self.writing.push(records);
            if self.manner.varies {
                text = self.text(question);
            }
        }
    }

    /// The session id that its answer to this question has.
    fn written_id(&self, question: &QuestionRecord) -> WireId {
        match self.manner.strips {
            true => WireId::plain(&question.session_id),
            false => question.wire_id.clone(),
        }
    }

    /// A text that belongs to one question and says to which.
    fn text(&mut self, question: &QuestionRecord) -> String {
        self.answers += 1;
        format!(
            "{}/{}/{}",
            question.session_id,
            question.text.expose(),
            self.answers
        )
    }

    fn records(
        &self,
        random: &mut Random,
        question: &QuestionRecord,
        text: &str,
    ) -> Vec<(usize, Answer)> {
        let home = random.below(PARTITIONS);
        let record = |part, text: &str| Answer {
            wire_id: self.written_id(question),
            question_id: match self.manner.echoes {
                true => QuestionIdEcho::Echoed(question.question_id),
                false => QuestionIdEcho::Absent,
            },
            part,
            body: AnswerBody::Text(AnswerText::new(text)),
            position: RecordPosition {
                partition: 0,
                offset: 0,
            },
            metadata: None,
            is_replayed: false,
        };
        if !self.manner.parts {
            return vec![(home, record(AnswerPart::Whole, text))];
        }
        let half = text.len() / 2;
        let halves = [text.get(..half).unwrap(), text.get(half..).unwrap()];
        let mut records = Vec::new();
        // One that crashes has written the first half.
        let crashes = self.manner.attempts && random.one_in(2);
        for attempt in 0..=u32::from(crashes) {
            for (number, half) in (0..).zip(halves) {
                let is_final = number == 1;
                if crashes && attempt == 0 && is_final {
                    continue;
                }
                let part = AnswerPart::Piece {
                    order: PartOrder::Numbered(number),
                    is_final,
                    attempt,
                };
                let partition = match self.manner.keyed {
                    true => home,
                    false => random.below(PARTITIONS),
                };
                records.push((partition, record(part, half)));
            }
        }
        records
    }

    /// The next record of any answer that is being written.
    fn write(&mut self, random: &mut Random, kafka: &mut Kafka) {
        if self.writing.is_empty() {
            return;
        }
        let place = random.below(self.writing.len());
        let (partition, record) = self.writing[place].remove(0);
        kafka.answer(partition, record);
        if self.writing[place].is_empty() {
            self.writing.swap_remove(place);
        }
    }
}
