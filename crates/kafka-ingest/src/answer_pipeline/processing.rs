//! A record is taken: decoded and handed over, parked, or skipped with a reason.

use std::time::Instant;

use avro_codec::{DecodeError, DecodedAnswer, SchemaRef};
use telemetry::spans;
use tracing::Span;
use types::{Answer, QuestionId, RecordPosition};

use super::{AnswerPipeline, ParkedRecord, RecordOutcome, RefreshWatermark};
use crate::AnswerSink;
use crate::answer_index::RecordKey;
use crate::answer_record::{self, AnswerHeaders, AnswerRecord, NotAnAnswer};
use crate::dead_letter::{DeadLetter, Envelope};
use crate::schema_lookups::SchemaDecision;
use crate::trace;

impl AnswerPipeline {
    /// Decodes a record, or parks it.
    pub(super) fn process(
        &mut self,
        now: Instant,
        at: RecordPosition,
        record: AnswerRecord<'_>,
        ends: &dyn RefreshWatermark,
    ) -> RecordOutcome {
        let Some(value) = record.value else {
            self.events.tombstone_skipped(at);
            return RecordOutcome::Done;
        };
        let decoded = (self.decoder).decode(value, record.headers.schema_id, &self.schemas);
        let taken = match decoded {
            Ok(decoded) => self.on_decoded(now, at, &decoded, &record.headers.metadata, ends),
            Err(DecodeError::UnknownSchema(schema)) => {
                ends.refresh_watermark(at.partition);
                return self.on_unknown_schema(now, at, schema, value, record);
            }
            Err(error) => Err(error.label()),
        };
        if let Err(reason) = taken {
            self.skip_record(at, reason, value, &record);
        }
        RecordOutcome::Done
    }

    pub(super) fn on_settled(&mut self, at: RecordPosition) {
        if let Some(offsets) = &mut self.offsets {
            offsets.on_settled(at);
        }
    }

    fn on_unknown_schema(
        &mut self,
        now: Instant,
        at: RecordPosition,
        schema: SchemaRef,
        value: &[u8],
        record: AnswerRecord<'_>,
    ) -> RecordOutcome {
        match self.lookups.on_unknown(now, schema) {
            SchemaDecision::Refuse(why) => {
                self.skip_record(at, why, value, &record);
                return RecordOutcome::Done;
            }
            SchemaDecision::Fetch => self.wanted_schemas.push_back(schema),
            SchemaDecision::Wait => {}
        }
        let beside = self.envelope_of(&record);
        let headers = record.headers;
        let bytes = value.len()
            + headers.schema_id.map_or(0, <[u8]>::len)
            + beside.as_ref().map_or(0, Envelope::memory_bytes)
            + PARKED_RECORD_OVERHEAD;
        let parked = ParkedRecord {
            value: value.into(),
            schema_header: headers.schema_id.map(Into::into),
            notes: headers.metadata,
            envelope: beside,
        };
        self.parking.park(at, schema, bytes, parked);
        RecordOutcome::Parked
    }

    pub(super) fn on_decoded(
        &self,
        now: Instant,
        at: RecordPosition,
        decoded: &DecodedAnswer<'_>,
        notes: &AnswerHeaders,
        ends: &dyn RefreshWatermark,
    ) -> Result<(), &'static str> {
        self.index_record(now, answer_record::record_key(decoded, notes), at);
        self.deliver(at, decoded, notes, ends)
    }

    /// A record is about to be handed over.
    pub(super) fn index_record(&self, now: Instant, mark: RecordKey<'_>, at: RecordPosition) {
        if let Some(recent) = &self.answer_index {
            recent.on_record(now, mark, at);
        }
    }

    pub(super) fn clear_answer_index(&self, now: Instant) {
        if let Some(recent) = &self.answer_index {
            recent.clear(now);
        }
    }

    /// Hands the answer over, or says why the record is to be skipped.
    fn deliver(
        &self,
        at: RecordPosition,
        decoded: &DecodedAnswer<'_>,
        notes: &AnswerHeaders,
        ends: &dyn RefreshWatermark,
    ) -> Result<(), &'static str> {
        // One of another replica is only counted: a copy and a span would cost more than all else.
        let answer = if may_concern_session(&*self.sink, decoded.session_id, notes) {
            answer_record::parse_answer(decoded, notes, at).map(Some)
        } else {
            answer_record::check_answer(decoded, notes).map(|()| None)
        };
        match answer {
            Ok(Some(answer)) => {
                ends.refresh_watermark(at.partition);
                self.hand_over(answer, notes);
            }
            Ok(None) => self.sink.on_foreign_answer(at),
            Err(NotAnAnswer::ForeignSession) => {
                self.events.record_foreign(at);
                return Ok(());
            }
            Err(NotAnAnswer::InvalidPart) => return Err(ANSWER_PART),
        }
        self.events.record_delivered(at);
        Ok(())
    }

    fn hand_over(&self, answer: Answer, notes: &AnswerHeaders) {
        let span = self.span(answer.position, notes);
        let trace = spans::context_of(&span).map(trace::to_trace_context);
        let trace = trace.or_else(|| notes.trace.clone());
        span.in_scope(|| self.sink.deliver(answer, trace));
    }

    /// Of the work on a record: of one that is handed over or cannot be decoded.
    fn span(&self, at: RecordPosition, notes: &AnswerHeaders) -> Span {
        let parent = notes.trace.clone().map(trace::to_remote);
        spans::start_process(&self.topic, at.partition, at.offset, parent)
    }

    fn skip_record(
        &self,
        at: RecordPosition,
        reason: &'static str,
        value: &[u8],
        record: &AnswerRecord<'_>,
    ) {
        self.skip(
            at,
            reason,
            value,
            &record.headers.metadata,
            self.envelope_of(record),
        );
    }

    pub(super) fn skip_parked(
        &self,
        at: RecordPosition,
        reason: &'static str,
        parked: ParkedRecord,
    ) {
        self.skip(at, reason, &parked.value, &parked.notes, parked.envelope);
    }

    /// `beside` is there if dead letters are written.
    fn skip(
        &self,
        at: RecordPosition,
        reason: &'static str,
        value: &[u8],
        notes: &AnswerHeaders,
        beside: Option<Envelope>,
    ) {
        // Of a trace that somebody looks at; a flood of others would push out the spans of answers.
        if notes.trace.is_some() {
            spans::record_failure(&self.span(at, notes), reason);
        }
        self.events.record_undecodable(&self.topic, at, reason);
        if let Some((dead_letters, beside)) = self.dead_letters.as_ref().zip(beside) {
            dead_letters.add(DeadLetter {
                at,
                reason,
                value: value.into(),
                envelope: beside,
            });
        }
    }

    fn envelope_of(&self, record: &AnswerRecord<'_>) -> Option<Envelope> {
        self.dead_letters
            .as_ref()
            .map(|_| record.envelope_source.to_envelope())
    }
}

/// Tells whether an answer under this wire id, or to the question its headers name, may matter here.
fn may_concern_session(sink: &dyn AnswerSink, wire_id: &str, notes: &AnswerHeaders) -> bool {
    let awaited = |question: QuestionId| sink.is_question_awaited(question);
    sink.is_session_known(wire_id) || notes.echoed_question().is_some_and(awaited)
}

/// About what a parked record takes beside its value: the place itself and a trace context.
const PARKED_RECORD_OVERHEAD: usize = 512;

/// The reason of a record whose part number, final mark or attempt cannot be read.
const ANSWER_PART: &str = "answer_part";
