//! A record is taken: decoded and handed over, parked, or skipped with a reason.

use std::time::Instant;

use avro_codec::{DecodeError, DecodedAnswer, SchemaRef};
use telemetry::spans;
use tracing::Span;
use types::{Answer, QuestionId, RecordPosition};

use super::{Ends, Fate, Keeping, Parked, Pipeline};
use crate::AnswerSink;
use crate::dead_letter::{Beside, DeadLetter};
use crate::lookups::Decision;
use crate::recent::Mark;
use crate::record::{self, NoAnswer, Notes, Record};
use crate::trace;

impl Pipeline {
    /// Decodes a record, or parks it.
    pub(super) fn take(
        &mut self,
        now: Instant,
        at: RecordPosition,
        record: Record<'_>,
        ends: &dyn Ends,
    ) -> Fate {
        let Some(value) = record.value else {
            self.events.tombstone_skipped(at);
            return Fate::Settled;
        };
        let taken = match self.decode(value, record.headers.schema) {
            Ok(decoded) => self.on_decoded(now, at, &decoded, &record.headers.notes, ends),
            Err(DecodeError::UnknownSchema(schema)) => {
                ends.look_at(at.partition);
                return self.on_unknown(now, at, schema, value, record);
            }
            Err(error) => Err(error.reason()),
        };
        if let Err(reason) = taken {
            self.skip_read(at, reason, value, &record);
        }
        Fate::Settled
    }

    pub(super) fn settled(&mut self, at: RecordPosition) {
        match &mut self.keeping {
            Keeping::Nothing => {}
            Keeping::Line(line) => line.on_settled(at),
        }
    }

    fn on_unknown(
        &mut self,
        now: Instant,
        at: RecordPosition,
        schema: SchemaRef,
        value: &[u8],
        record: Record<'_>,
    ) -> Fate {
        match self.lookups.on_unknown(now, schema) {
            Decision::Refuse(why) => {
                self.skip_read(at, why, value, &record);
                return Fate::Settled;
            }
            Decision::LookUp => self.wanted.push_back(schema),
            Decision::Wait => {}
        }
        let beside = self.beside(&record);
        let headers = record.headers;
        let bytes = value.len()
            + headers.schema.map_or(0, <[u8]>::len)
            + beside.as_ref().map_or(0, Beside::bytes)
            + BESIDE;
        let parked = Parked {
            value: value.into(),
            schema_header: headers.schema.map(Into::into),
            notes: headers.notes,
            beside,
        };
        self.parking.park(at, schema, bytes, parked);
        Fate::Parked
    }

    pub(super) fn decode<'a>(
        &self,
        value: &'a [u8],
        header: Option<&[u8]>,
    ) -> Result<DecodedAnswer<'a>, DecodeError> {
        self.decoder.decode(value, header, &self.schemas)
    }

    pub(super) fn on_decoded(
        &self,
        now: Instant,
        at: RecordPosition,
        decoded: &DecodedAnswer<'_>,
        notes: &Notes,
        ends: &dyn Ends,
    ) -> Result<(), &'static str> {
        self.remember(now, record::mark(decoded, notes), at);
        self.deliver(at, decoded, notes, ends)
    }

    /// A record is about to be handed over.
    pub(super) fn remember(&self, now: Instant, mark: Mark<'_>, at: RecordPosition) {
        if let Some(recent) = &self.recent {
            recent.on_record(now, mark, at);
        }
    }

    pub(super) fn forget_recent(&self, now: Instant) {
        if let Some(recent) = &self.recent {
            recent.clear(now);
        }
    }

    /// Hands the answer over, or says why the record is to be skipped.
    fn deliver(
        &self,
        at: RecordPosition,
        decoded: &DecodedAnswer<'_>,
        notes: &Notes,
        ends: &dyn Ends,
    ) -> Result<(), &'static str> {
        // One of another replica is only counted: a copy and a span would cost more than all else.
        let answer = if concerns(&*self.sink, decoded.session_id, notes) {
            record::answer(decoded, notes, at).map(Some)
        } else {
            record::check(decoded, notes).map(|()| None)
        };
        match answer {
            Ok(Some(answer)) => {
                ends.look_at(at.partition);
                self.hand_over(answer, notes);
            }
            Ok(None) => self.sink.foreign(at),
            Err(NoAnswer::Foreign) => {
                self.events.record_foreign(at);
                return Ok(());
            }
            Err(NoAnswer::Part) => return Err(PART),
        }
        self.events.record_delivered(at);
        Ok(())
    }

    fn hand_over(&self, answer: Answer, notes: &Notes) {
        let span = self.span(answer.position, notes);
        let trace = spans::context_of(&span).map(trace::local);
        let trace = trace.or_else(|| notes.trace.clone());
        span.in_scope(|| self.sink.deliver(answer, trace));
    }

    /// Of the work on a record: of one that is handed over or cannot be decoded.
    fn span(&self, at: RecordPosition, notes: &Notes) -> Span {
        let parent = notes.trace.clone().map(trace::remote);
        spans::process(&self.topic, at.partition, at.offset, parent)
    }

    fn skip_read(
        &self,
        at: RecordPosition,
        reason: &'static str,
        value: &[u8],
        record: &Record<'_>,
    ) {
        self.skip(
            at,
            reason,
            value,
            &record.headers.notes,
            self.beside(record),
        );
    }

    pub(super) fn skip_parked(&self, at: RecordPosition, reason: &'static str, parked: Parked) {
        self.skip(at, reason, &parked.value, &parked.notes, parked.beside);
    }

    /// `beside` is there if dead letters are written.
    fn skip(
        &self,
        at: RecordPosition,
        reason: &'static str,
        value: &[u8],
        notes: &Notes,
        beside: Option<Beside>,
    ) {
        // Of a trace that somebody looks at; a flood of others would push out the spans of answers.
        if notes.trace.is_some() {
            spans::fail(&self.span(at, notes), reason);
        }
        self.events.record_undecodable(&self.topic, at, reason);
        if let Some((dead_letters, beside)) = self.dead_letters.as_ref().zip(beside) {
            dead_letters.found(DeadLetter {
                at,
                reason,
                value: value.into(),
                beside,
            });
        }
    }

    fn beside(&self, record: &Record<'_>) -> Option<Beside> {
        self.dead_letters.as_ref().map(|_| record.whole.copy())
    }
}

/// Whether an answer under this wire id, or to the question its headers name, may matter here.
fn concerns(sink: &dyn AnswerSink, wire_id: &str, notes: &Notes) -> bool {
    let awaited = |question: QuestionId| sink.awaits(question);
    sink.is_here(wire_id) || notes.echoed().is_some_and(awaited)
}

/// About what a parked record takes beside its value: the place itself and a trace context.
const BESIDE: usize = 512;

/// Which part of its answer a record is cannot be told.
const PART: &str = "answer_part";
