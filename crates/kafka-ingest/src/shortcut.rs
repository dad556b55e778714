//! Past the records of other replicas by their keys: what is believed ([`crate::key_hint`]) and what
//! was passed over ([`crate::passed_over`]), brought together. Pure but for the questions to the sink.

use std::time::{Duration, Instant};

use avro_codec::{SchemaRef, frame};
use types::{QuestionId, RecordPosition};

use crate::AnswerSink;
use crate::key_hint::{Advice, Comparison, KeyHint};
use crate::passed_over::{Look, PassedOver, Standing};
use crate::record::{Notes, Record};
use crate::status::KeyBelief;

/// Decides which records need not be decoded. Each is told once by [`Self::on_read`], and then, if it
/// is decoded, by [`Self::on_decoded`].
#[derive(Debug)]
pub(crate) struct Shortcut {
    hint: KeyHint,
    passed_over: PassedOver,
}

/// What to do with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Decode it and hand it over.
    Take,
    /// Decode it, and hand it over if it concerns somebody here: it was counted as foreign before.
    TakeAgain,
    /// Its key says that it is for another replica.
    PassOver,
    /// It was taken before.
    Drop,
}

impl Shortcut {
    /// Believes keys once they are proven. `every` is the time between two looks at what was passed
    /// over while a question waits.
    pub(crate) fn by_key(now: Instant, every: Duration) -> Self {
        Self {
            hint: KeyHint::unproven(),
            passed_over: PassedOver::new(now, every),
        }
    }

    /// A record was read.
    pub(crate) fn on_read(
        &mut self,
        now: Instant,
        at: RecordPosition,
        record: &Record<'_>,
        sink: &dyn AnswerSink,
    ) -> Course {
        match self.passed_over.on_read(at) {
            Standing::Known => return Course::Drop,
            Standing::Again => return Course::TakeAgain,
            Standing::New => {}
        }
        let Some(schema) = self.foreign(now, record, sink) else {
            self.passed_over.on_taken(at);
            return Course::Take;
        };
        self.hint.on_passed_over(schema);
        self.passed_over.on_passed_over(now, at);
        Course::PassOver
    }

    /// A record was decoded: is its key its session id? [`Comparison::Refuted`] comes once.
    pub(crate) fn on_decoded(
        &mut self,
        now: Instant,
        schema: SchemaRef,
        key: Option<&[u8]>,
        session_id: &str,
    ) -> Comparison {
        let comparison = self.hint.on_decoded(now, schema, key, session_id);
        if comparison == Comparison::Refuted {
            self.passed_over.on_refuted();
        }
        comparison
    }

    /// The log of a partition went back.
    pub(crate) fn on_log_went_back(&mut self, partition: i32) {
        self.passed_over.on_log_went_back(partition);
    }

    /// The topic is gone.
    pub(crate) fn on_topic_gone(&mut self) {
        self.passed_over.on_topic_gone();
    }

    /// A second look, if it is time for one: to be read again from there.
    pub(crate) fn poll_look(&mut self, now: Instant, sink: &dyn AnswerSink) -> Option<Look> {
        self.passed_over.poll(now, || sink.oldest_floor())
    }

    /// How far keys are believed.
    pub(crate) fn belief(&self) -> KeyBelief {
        self.hint.belief()
    }

    /// The record's schema, if its key is believed and it concerns nobody here.
    fn foreign(
        &self,
        now: Instant,
        record: &Record<'_>,
        sink: &dyn AnswerSink,
    ) -> Option<SchemaRef> {
        let schema = frame(record.value?, record.headers.schema).ok()?.schema;
        let Advice::Believe(wire_id) = self.hint.advise(now, schema, record.key) else {
            return None;
        };
        (!concerns(sink, wire_id, &record.headers.notes)).then_some(schema)
    }
}

/// Whether an answer under this wire id, or to the question its headers name, may matter here.
pub(crate) fn concerns(sink: &dyn AnswerSink, wire_id: &str, notes: &Notes) -> bool {
    let awaited = |question: QuestionId| sink.awaits(question);
    sink.is_here(wire_id) || notes.echoed().is_some_and(awaited)
}
