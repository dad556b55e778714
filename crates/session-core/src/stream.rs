//! What a question of version 2 has that one of version 1 has not: its client's name for it, numbered
//! parts that leave as they come, and a past to be looked up when it is resumed.

use std::collections::HashMap;
use std::time::Instant;

use types::{Answer, AnswerBody, AnswerMetadata, AnswerPart, AnswerText, AskId, PartOrder};

use crate::course::Course;
use crate::cut::cut;
use crate::told::Stretch;

/// The outgoing half of a question of version 2.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: AskId,
    /// The number of the last part before its own.
    pub(crate) base: u64,
    pub(crate) part_bytes: usize,
    /// How many parts there were, sent or known to be with the client.
    pub(crate) parts: u64,
    /// The client has the parts up to this number.
    pub(crate) seen: u64,
    /// What the answering side has said of its answer last.
    pub(crate) metadata: Option<AnswerMetadata>,
    /// Set until it is known what was written of its answer before it was resumed.
    pub(crate) recovering: Option<Recovering>,
}

/// A question whose past is being looked up. It stands in no account.
#[derive(Debug)]
pub(crate) struct Recovering {
    pub(crate) cause: Cause,
    /// When it stops waiting once its past is known.
    pub(crate) deadline: Instant,
    /// What comes meanwhile.
    pub(crate) held: Held,
}

/// Why a past is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The session is resumed.
    Resume,
    /// The client asks again for parts that it does not have.
    AskedAgain,
}

/// Records that came while the past was looked up, bounded in bytes.
#[derive(Debug, Default)]
pub(crate) struct Held {
    records: Vec<Answer>,
    bytes: usize,
    overflown: bool,
}

impl Stream {
    pub(crate) fn new(id: AskId, base: u64, part_bytes: usize) -> Self {
        Self {
            id,
            base,
            part_bytes,
            parts: 0,
            seen: base,
            metadata: None,
            recovering: None,
        }
    }

    /// Whether any part was sent, or is known to be with the client.
    pub(crate) fn has_begun(&self) -> bool {
        self.parts > 0
    }

    /// Numbers the parts of a text; `None` when the client has them all.
    pub(crate) fn number(&mut self, course: &mut Course, text: AnswerText) -> Option<Stretch> {
        let count = cut(text.expose(), self.part_bytes).count();
        let parts = u64::try_from(count).expect("fewer parts than bytes");
        let first_seq = course.seq + 1;
        let first_part = self.parts;
        let seen = self.seen.saturating_sub(course.seq).min(parts);
        course.seq += parts;
        self.parts += parts;
        (seen < parts).then(|| Stretch {
            id: self.id.clone(),
            text,
            part_bytes: self.part_bytes,
            first_seq,
            first_part,
            skip: usize::try_from(seen).expect("fewer than there are"),
            end: None,
        })
    }
}

impl Held {
    /// Keeps a record. One always fits, however large; further ones within `max_bytes` together.
    pub(crate) fn push(&mut self, record: Answer, max_bytes: usize) {
        let bytes = size_of::<Answer>() + text_len(&record);
        if !self.records.is_empty() && self.bytes + bytes > max_bytes {
            self.overflown = true;
        }
        if self.overflown {
            self.records.clear();
            return;
        }
        self.bytes += bytes;
        self.records.push(record);
    }

    /// These and the records `found`, each once, in the order they stand; `None` when some of these
    /// were too many to be kept.
    pub(crate) fn with(self, found: Vec<Answer>) -> Option<Vec<Answer>> {
        if self.overflown {
            return None;
        }
        let mut all = found;
        all.extend(self.records);
        all.sort_by_key(|record| record.position);
        all.dedup_by_key(|record| record.position);
        Some(all)
    }
}

/// Whether these records are one answer beyond doubt, whichever of them came first. In one partition
/// they are: their order is the same for everybody. In several, nobody knows in which order they
/// came, so they must be the same in any: one text, or the numbered parts of one attempt.
pub(crate) fn are_clear(records: &[Answer]) -> bool {
    let [first, others @ ..] = records else {
        return true;
    };
    let partition = first.position.partition;
    if others
        .iter()
        .all(|record| record.position.partition == partition)
    {
        return true;
    }
    let mut texts: HashMap<AnswerPart, &AnswerBody> = HashMap::new();
    records.iter().all(|record| {
        let body = texts.entry(record.part).or_insert(&record.body);
        *body == &record.body && is_one_of(record.part, first.part)
    })
}

/// Whether a record of the first kind and one of the second can be of one attempt at one answer.
fn is_one_of(part: AnswerPart, first: AnswerPart) -> bool {
    let attempt = |part| match part {
        AnswerPart::Whole => Some(None),
        AnswerPart::Piece {
            order: PartOrder::Numbered(_),
            attempt,
            ..
        } => Some(Some(attempt)),
        AnswerPart::Piece {
            order: PartOrder::AsWritten,
            ..
        } => None,
    };
    attempt(part).is_some() && attempt(part) == attempt(first)
}

fn text_len(record: &Answer) -> usize {
    match &record.body {
        AnswerBody::Text(text) => text.expose().len(),
        AnswerBody::Failed(error) => error.as_ref().map_or(0, |error| error.expose().len()),
    }
}
