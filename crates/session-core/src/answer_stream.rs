//! Keeps the version-2 part of a question: its client's id for it, numbered
//! parts that leave as they come, and a past to be looked up when it is resumed.

use std::collections::HashMap;
use std::time::Instant;

use types::{Answer, AnswerBody, AnswerMetadata, AnswerPart, AnswerText, AskId, PartOrder};

use crate::server_message::ChunkedText;
use crate::stream_progress::StreamProgress;
use crate::text_chunks::split_into_chunks;

/// The outgoing half of a question of version 2.
#[derive(Debug)]
pub(crate) struct AnswerStream {
    pub(crate) ask_id: AskId,
    /// The number of the last part before its own.
    pub(crate) seq_before: u64,
    pub(crate) chunk_bytes: usize,
    /// The number of parts, sent or known to be with the client.
    pub(crate) chunk_count: u64,
    /// The client has the parts up to this number.
    pub(crate) received_seq: u64,
    /// The metadata of the answer, as the answering side sent it last.
    pub(crate) metadata: Option<AnswerMetadata>,
    /// Set until it is known what was written of its answer before it was resumed.
    pub(crate) recovery: Option<QuestionRecovery>,
}

/// A question whose past is being looked up. It stands in no account.
#[derive(Debug)]
pub(crate) struct QuestionRecovery {
    pub(crate) cause: RecoveryCause,
    /// The time at which it stops waiting once its past is known.
    pub(crate) deadline: Instant,
    /// The records that came meanwhile.
    pub(crate) held: HeldRecords,
}

/// The reason for which a past is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecoveryCause {
    /// The session is resumed.
    Resume,
    /// The client asks again for parts that it does not have.
    AskedAgain,
}

/// Records that came while the past was looked up, bounded in bytes.
#[derive(Debug, Default)]
pub(crate) struct HeldRecords {
    records: Vec<Answer>,
    bytes: usize,
    has_overflowed: bool,
}

impl AnswerStream {
    pub(crate) fn new(id: AskId, base: u64, part_bytes: usize) -> Self {
        Self {
            ask_id: id,
            seq_before: base,
            chunk_bytes: part_bytes,
            chunk_count: 0,
            received_seq: base,
            metadata: None,
            recovery: None,
        }
    }

    /// Tells whether any part was sent, or is known to be with the client.
    pub(crate) fn has_begun(&self) -> bool {
        self.chunk_count > 0
    }

    /// Numbers the parts of a text; `None` when the client has them all.
    pub(crate) fn number_chunks(
        &mut self,
        course: &mut StreamProgress,
        text: AnswerText,
    ) -> Option<ChunkedText> {
        let count = split_into_chunks(text.expose(), self.chunk_bytes).count();
        let parts = u64::try_from(count).expect("fewer parts than bytes");
        let first_seq = course.last_seq + 1;
        let first_part = self.chunk_count;
        let seen = self.received_seq.saturating_sub(course.last_seq).min(parts);
        course.last_seq += parts;
        self.chunk_count += parts;
        (seen < parts).then(|| ChunkedText {
            ask_id: self.ask_id.clone(),
            text,
            chunk_bytes: self.chunk_bytes,
            first_seq,
            first_chunk_index: first_part,
            skip_chunks: usize::try_from(seen).expect("fewer than there are"),
            end: None,
        })
    }
}

impl HeldRecords {
    /// Keeps a record. One always fits, however large; further ones within `max_bytes` together.
    pub(crate) fn push(&mut self, record: Answer, max_bytes: usize) {
        let bytes = size_of::<Answer>() + body_len(&record);
        if !self.records.is_empty() && self.bytes + bytes > max_bytes {
            self.has_overflowed = true;
        }
        if self.has_overflowed {
            self.records.clear();
            return;
        }
        self.bytes += bytes;
        self.records.push(record);
    }

    /// These and the records `found`, each once, in the order they stand; `None` when some of these
    /// were too many to be kept.
    pub(crate) fn merge_found(self, found: Vec<Answer>) -> Option<Vec<Answer>> {
        if self.has_overflowed {
            return None;
        }
        let mut all = found;
        all.extend(self.records);
        all.sort_by_key(|record| record.position);
        all.dedup_by_key(|record| record.position);
        Some(all)
    }
}

/// Tells whether these records are one answer beyond doubt, whichever of them came first. In one partition
/// they are: their order is the same for everybody. In several, nobody knows in which order they
/// came, so they must be the same in any: one text, or the numbered parts of one attempt.
pub(crate) fn are_one_answer(records: &[Answer]) -> bool {
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
        *body == &record.body && is_same_attempt(record.part, first.part)
    })
}

/// Tells whether a record of the first kind and one of the second can be of one attempt at one answer.
fn is_same_attempt(part: AnswerPart, first: AnswerPart) -> bool {
    let attempt = |part| match part {
        AnswerPart::Whole => Some(None),
        AnswerPart::Piece {
            order: PartOrder::Numbered(_),
            attempt,
            ..
        } => Some(Some(attempt)),
        AnswerPart::Piece {
            order: PartOrder::ByOffset,
            ..
        } => None,
    };
    attempt(part).is_some() && attempt(part) == attempt(first)
}

fn body_len(record: &Answer) -> usize {
    match &record.body {
        AnswerBody::Text(text) => text.expose().len(),
        AnswerBody::Failed(error) => error.as_ref().map_or(0, |error| error.expose().len()),
    }
}
