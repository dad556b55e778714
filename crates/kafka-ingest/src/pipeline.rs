//! What becomes of one record: decoded and handed to the sink, parked for its schema, or skipped
//! with a reason. Knows no Kafka client and no registry: records and schemas come in, wanted schemas
//! and partitions to pause go out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use avro_codec::{AnswerDecoder, DecodeError, DecodedAnswer, SchemaRef, SchemaSet};
use telemetry::spans;
use types::RecordPosition;

use crate::AnswerSink;
use crate::events::Events;
use crate::lookups::{Decision, Lookups};
use crate::parking::{Changes, Limits, Parking};
use crate::record::{self, Headers, NoAnswer, Notes};
use crate::trace;

/// Takes records ([`Self::on_record`]) and the outcomes of look-ups ([`Self::on_found`],
/// [`Self::on_refused`]); then [`Self::poll_wanted`] and [`Self::poll_changes`] are to be drained.
pub(crate) struct Pipeline {
    topic: Arc<str>,
    sink: Arc<dyn AnswerSink>,
    events: Arc<Events>,
    decoder: AnswerDecoder,
    schemas: SchemaSet,
    lookups: Lookups,
    parking: Parking<Parked>,
    wanted: VecDeque<SchemaRef>,
}

/// What became of a record for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "after a parked record its partition may have to be paused"]
pub(crate) enum Fate {
    /// Handed over or skipped.
    Settled,
    /// Kept until its schema is known.
    Parked,
}

/// An owned record.
#[derive(Debug)]
struct Parked {
    value: Box<[u8]>,
    schema_header: Option<Box<[u8]>>,
    notes: Notes,
}

impl Pipeline {
    /// `refused_for` is how long a refused schema is not asked for again.
    pub(crate) fn new(
        topic: Arc<str>,
        sink: Arc<dyn AnswerSink>,
        events: Arc<Events>,
        decoder: AnswerDecoder,
        limits: Limits,
        refused_for: Duration,
    ) -> Self {
        Self {
            topic,
            sink,
            events,
            decoder,
            schemas: SchemaSet::default(),
            lookups: Lookups::new(refused_for),
            parking: Parking::new(limits),
            wanted: VecDeque::new(),
        }
    }

    /// A record was read.
    pub(crate) fn on_record(
        &mut self,
        now: Instant,
        at: RecordPosition,
        value: Option<&[u8]>,
        headers: Headers<'_>,
    ) -> Fate {
        let Some(value) = value else {
            self.events.tombstone_skipped(at);
            return Fate::Settled;
        };
        match self.decoder.decode(value, headers.schema, &self.schemas) {
            Ok(decoded) => self.deliver(at, decoded, &headers.notes),
            Err(DecodeError::UnknownSchema(schema)) => {
                return self.on_unknown(now, at, schema, value, headers);
            }
            Err(error) => self.skip(at, error.reason()),
        }
        Fate::Settled
    }

    /// A look-up found `schema`: what waited for it goes on, in order.
    pub(crate) fn on_found(
        &mut self,
        now: Instant,
        schema: SchemaRef,
        text: &str,
        references: &[String],
    ) {
        if self.schemas.insert(schema, text, references).is_err() {
            self.events.schema_refused(schema, UNUSABLE);
            return self.on_refused(now, schema, UNUSABLE);
        }
        self.lookups.on_found(schema);
        let released = self.parking.release(schema);
        self.events.schema_found(schema, released.len());
        for (at, parked) in released {
            let header = parked.schema_header.as_deref();
            match self.decoder.decode(&parked.value, header, &self.schemas) {
                Ok(decoded) => self.deliver(at, decoded, &parked.notes),
                Err(error) => self.skip(at, error.reason()),
            }
        }
    }

    /// A look-up gave `schema` up: what waited for it is skipped.
    pub(crate) fn on_refused(&mut self, now: Instant, schema: SchemaRef, why: &'static str) {
        self.lookups.on_refused(now, schema, why);
        for (at, _) in self.parking.release(schema) {
            self.skip(at, why);
        }
    }

    /// A schema to look up, each once until its look-up ends.
    pub(crate) fn poll_wanted(&mut self) -> Option<SchemaRef> {
        self.wanted.pop_front()
    }

    /// What to pause and resume since the last call.
    pub(crate) fn poll_changes(&mut self) -> Changes {
        self.parking.poll_changes()
    }

    /// The partitions are assigned anew, none of them paused.
    pub(crate) fn on_assigned(&mut self) {
        self.parking.forget_pauses();
    }

    /// Partitions that are paused, ascending.
    pub(crate) fn paused(&self) -> Vec<i32> {
        self.parking.paused()
    }

    /// How many records of `partitions` partitions may be parked.
    pub(crate) fn max_parked(&self, partitions: usize) -> usize {
        self.parking.max_records(partitions)
    }

    /// How many records are parked.
    pub(crate) fn parked(&self) -> usize {
        self.parking.len()
    }

    /// True while a look-up is under way.
    pub(crate) fn waits(&self) -> bool {
        !self.lookups.is_idle()
    }

    fn on_unknown(
        &mut self,
        now: Instant,
        at: RecordPosition,
        schema: SchemaRef,
        value: &[u8],
        headers: Headers<'_>,
    ) -> Fate {
        match self.lookups.on_unknown(now, schema) {
            Decision::Refuse(why) => {
                self.skip(at, why);
                return Fate::Settled;
            }
            Decision::LookUp => self.wanted.push_back(schema),
            Decision::Wait => {}
        }
        let bytes = value.len() + headers.schema.map_or(0, <[u8]>::len) + BESIDE;
        let parked = Parked {
            value: value.into(),
            schema_header: headers.schema.map(Into::into),
            notes: headers.notes,
        };
        self.parking.park(at, schema, bytes, parked);
        Fate::Parked
    }

    fn deliver(&self, at: RecordPosition, decoded: DecodedAnswer, notes: &Notes) {
        let answer = match record::answer(decoded, notes, at) {
            Ok(answer) => answer,
            Err(NoAnswer::Foreign) => return self.events.record_foreign(at),
            Err(NoAnswer::Part) => return self.skip(at, PART),
        };
        let parent = notes.trace.clone();
        let RecordPosition { partition, offset } = at;
        let span = spans::process(&self.topic, partition, offset, parent.map(trace::remote));
        let trace = spans::context_of(&span).map(trace::local);
        let trace = trace.or_else(|| notes.trace.clone());
        span.in_scope(|| self.sink.deliver(answer, trace));
        self.events.record_delivered(at);
    }

    fn skip(&self, at: RecordPosition, reason: &'static str) {
        self.events.record_undecodable(&self.topic, at, reason);
    }
}

/// About what a parked record takes beside its value: the place itself and a trace context.
const BESIDE: usize = 512;

const UNUSABLE: &str = "schema_unusable";
/// Which part of its answer a record is cannot be told.
const PART: &str = "answer_part";

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use avro_codec::{AnswerFields, MINIMAL_ANSWER};
    use telemetry::Metrics;
    use types::{Answer, TraceContext};

    use super::*;

    const ONE: SchemaRef = SchemaRef::Id(1);
    const TWO: SchemaRef = SchemaRef::Id(2);
    const MINUTE: Duration = Duration::from_secs(60);

    #[derive(Default)]
    struct Delivered(Mutex<Vec<(i32, i64)>>);

    impl AnswerSink for Delivered {
        fn deliver(&self, answer: Answer, _: Option<TraceContext>) {
            let RecordPosition { partition, offset } = answer.position;
            self.0.lock().unwrap().push((partition, offset));
        }
    }

    /// A pipeline that parks two records a partition.
    struct Bench {
        pipeline: Pipeline,
        delivered: Arc<Delivered>,
        metrics: Metrics,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let delivered = Arc::new(Delivered::default());
            let metrics = Metrics::new().unwrap();
            let limits = Limits {
                per_partition: 2,
                bytes: 1 << 20,
            };
            let pipeline = Pipeline::new(
                "respostas".into(),
                Arc::<Delivered>::clone(&delivered),
                Arc::new(Events::new(metrics.instruments())),
                AnswerDecoder::new(AnswerFields::default(), 100),
                limits,
                MINUTE,
            );
            Self {
                pipeline,
                delivered,
                metrics,
                now: Instant::now(),
            }
        }

        /// Reads an answer for session `s` under `schema`.
        fn read(&mut self, partition: i32, offset: i64, schema: SchemaRef) -> Fate {
            let SchemaRef::Id(id) = schema else {
                panic!("these tests have numbers only")
            };
            let value = [&[0][..], &id.to_be_bytes(), &[2, b's', 2, b'a']].concat();
            self.read_value(partition, offset, Some(&value))
        }

        fn read_value(&mut self, partition: i32, offset: i64, value: Option<&[u8]>) -> Fate {
            let headers = Headers::read(std::iter::empty());
            let at = RecordPosition { partition, offset };
            self.pipeline.on_record(self.now, at, value, headers)
        }

        fn find(&mut self, schema: SchemaRef) {
            self.pipeline
                .on_found(self.now, schema, MINIMAL_ANSWER, &[]);
        }

        fn delivered(&self) -> Vec<(i32, i64)> {
            std::mem::take(&mut *self.delivered.0.lock().unwrap())
        }

        fn counted(&self, result: &str) -> f64 {
            let counted = self.metrics.value("answer_gateway_records_total", result);
            counted.unwrap_or(0.0)
        }
    }

    #[test]
    fn a_record_waits_for_its_schema_and_then_for_nothing() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(0, 7, ONE), Fate::Parked);
        assert_eq!(bench.pipeline.poll_wanted(), Some(ONE));
        assert_eq!(bench.pipeline.poll_wanted(), None);
        assert!(bench.pipeline.waits());
        bench.find(ONE);
        assert!(!bench.pipeline.waits());
        assert_eq!(bench.read(0, 8, ONE), Fate::Settled);
        assert_eq!(bench.delivered(), [(0, 7), (0, 8)]);
        assert_eq!((bench.counted("ok"), bench.pipeline.parked()), (2.0, 0));
    }

    #[test]
    fn one_look_up_serves_every_record_and_only_those_of_its_schema() {
        let mut bench = Bench::new();
        for (partition, offset, schema) in [(0, 1, ONE), (0, 2, TWO), (1, 1, ONE)] {
            assert_eq!(bench.read(partition, offset, schema), Fate::Parked);
        }
        let wanted: Vec<_> = std::iter::from_fn(|| bench.pipeline.poll_wanted()).collect();
        assert_eq!(wanted, [ONE, TWO]);
        assert_eq!(bench.pipeline.poll_changes().pause, [0], "it is full");
        bench.find(ONE);
        assert_eq!(bench.delivered(), [(0, 1), (1, 1)]);
        assert_eq!(bench.pipeline.poll_changes().resume, [0]);
        bench.find(TWO);
        assert_eq!(bench.delivered(), [(0, 2)]);
    }

    #[test]
    fn a_refused_schema_skips_what_waits_and_what_comes_for_a_while() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(0, 1, ONE), Fate::Parked);
        assert_eq!(bench.pipeline.poll_wanted(), Some(ONE));
        bench
            .pipeline
            .on_refused(bench.now, ONE, "schema_not_found");
        assert_eq!(bench.read(0, 2, ONE), Fate::Settled);
        assert_eq!(bench.pipeline.poll_wanted(), None);
        assert_eq!((bench.counted("error"), bench.pipeline.parked()), (2.0, 0));
        bench.now += MINUTE;
        assert_eq!(bench.read(0, 3, ONE), Fate::Parked);
        assert_eq!(bench.pipeline.poll_wanted(), Some(ONE), "asked for again");
        bench.find(ONE);
        assert_eq!(bench.delivered(), [(0, 3)]);
    }

    #[test]
    fn a_schema_of_no_use_is_refused() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(0, 1, ONE), Fate::Parked);
        bench.pipeline.on_found(bench.now, ONE, r#""string""#, &[]);
        assert_eq!(bench.read(0, 2, ONE), Fate::Settled);
        assert_eq!((bench.counted("error"), bench.delivered().len()), (2.0, 0));
    }

    #[test]
    fn what_nobody_can_read_is_counted_and_never_parked() {
        let mut bench = Bench::new();
        bench.find(ONE);
        let foreign = [&[0, 0, 0, 0, 1][..], &[2, b' ', 2, b'a']].concat();
        for (value, result) in [
            (None, "skipped"),
            (Some(&b"{}"[..]), "error"),
            (Some(&[0, 0, 0, 0, 1, 2]), "error"),
            (Some(&foreign), "skipped"),
        ] {
            let before = bench.counted(result);
            assert_eq!(bench.read_value(0, 1, value), Fate::Settled);
            assert_eq!(bench.counted(result), before + 1.0, "{value:?}");
        }
        assert_eq!((bench.delivered().len(), bench.pipeline.parked()), (0, 0));
    }
}
