//! Processes the records of the answers' topic: each is decoded and handed to the sink, parked for its
//! schema, or skipped with a reason. Knows no Kafka client and no registry: records and schemas come in,
//! wanted schemas and partitions to pause go out.

mod processing;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use avro_codec::{AnswerDecoder, SchemaRef, SchemaSet};
use types::RecordPosition;

use crate::AnswerSink;
use crate::answer_index::AnswerIndex;
use crate::answer_record::{AnswerHeaders, AnswerRecord};
use crate::assignment::StartPosition;
use crate::dead_letter::{DeadLetter, Envelope};
use crate::dead_letter_queue::DeadLetterQueue;
use crate::events::Events;
use crate::offset_tracker::OffsetTracker;
use crate::parked_records::{Parking, ParkingLimits, PauseChanges};
use crate::schema_lookups::SchemaLookups;
use crate::unreadable::UnreadableBatch;

/// Takes records ([`Self::on_record`]) and the outcomes of look-ups ([`Self::on_schema_found`],
/// [`Self::on_schema_refused`]); then [`Self::poll_wanted_schema`] and [`Self::poll_pause_changes`] are to be drained.
pub(crate) struct AnswerPipeline {
    topic: Arc<str>,
    sink: Arc<dyn AnswerSink>,
    events: Arc<Events>,
    dead_letters: Option<DeadLetterQueue>,
    /// The index of recent records for resumed sessions, in mode broadcast.
    answer_index: Option<Arc<AnswerIndex>>,
    decoder: AnswerDecoder,
    schemas: SchemaSet,
    lookups: SchemaLookups,
    parking: Parking<ParkedRecord>,
    wanted_schemas: VecDeque<SchemaRef>,
    /// The offsets that may be committed, in mode group.
    offsets: Option<OffsetTracker>,
}

/// The outcome of a record for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "after a parked record its partition may have to be paused"]
pub(crate) enum RecordOutcome {
    /// Handed over or skipped.
    Done,
    /// Kept until its schema is known.
    Parked,
}

/// Refreshes the watermarks from which the next questions take their minimum offsets
/// ([`crate::watermarks::Watermarks`]).
pub(crate) trait RefreshWatermark {
    /// Refreshes the high watermark of that partition. To be done before a record is handed over, since the
    /// next question may be asked at once: its minimum offset has to lie above whatever has come with the
    /// answer, or a second copy of that would be taken for its own. And before a record is parked: it is
    /// handed over later, and must not count as written after a question that was asked meanwhile.
    fn refresh_watermark(&self, partition: i32);
}

/// An owned record.
#[derive(Debug)]
struct ParkedRecord {
    value: Box<[u8]>,
    schema_header: Option<Box<[u8]>>,
    notes: AnswerHeaders,
    /// For its dead letter, if those are written.
    envelope: Option<Envelope>,
}

impl AnswerPipeline {
    /// `refused_for` is how long a refused schema is not asked for again.
    pub(crate) fn new(
        topic: Arc<str>,
        sink: Arc<dyn AnswerSink>,
        events: Arc<Events>,
        decoder: AnswerDecoder,
        limits: ParkingLimits,
        refused_for: Duration,
        offsets: Option<OffsetTracker>,
    ) -> Self {
        Self {
            topic,
            sink,
            events,
            dead_letters: None,
            answer_index: None,
            decoder,
            schemas: SchemaSet::default(),
            lookups: SchemaLookups::new(refused_for),
            parking: Parking::new(limits),
            wanted_schemas: VecDeque::new(),
            offsets,
        }
    }

    /// Leaves every record that is skipped as undecodable with `dead_letters`, too.
    pub(crate) fn with_dead_letters(mut self, dead_letters: Option<DeadLetterQueue>) -> Self {
        self.dead_letters = dead_letters;
        self
    }

    /// Remembers every record for resumed sessions.
    pub(crate) fn with_answer_index(mut self, recent: Option<Arc<AnswerIndex>>) -> Self {
        self.answer_index = recent;
        self
    }

    /// A record was read. `record` is asked for the rest of it only if that is to be kept.
    pub(crate) fn on_record(
        &mut self,
        now: Instant,
        at: RecordPosition,
        record: AnswerRecord<'_>,
        ends: &dyn RefreshWatermark,
    ) -> RecordOutcome {
        if let Some(offsets) = &mut self.offsets {
            offsets.on_read(at);
        }
        let outcome = self.process(now, at, record, ends);
        match outcome {
            RecordOutcome::Done => self.on_settled(at),
            RecordOutcome::Parked => {}
        }
        outcome
    }

    /// A look-up found `schema`: what waited for it goes on, in order.
    pub(crate) fn on_schema_found(
        &mut self,
        now: Instant,
        schema: SchemaRef,
        text: &str,
        references: &[String],
        ends: &dyn RefreshWatermark,
    ) {
        if self.schemas.insert(schema, text, references).is_err() {
            self.events.schema_refused(schema, SCHEMA_UNUSABLE);
            return self.on_schema_refused(now, schema, SCHEMA_UNUSABLE);
        }
        self.lookups.on_found(schema);
        let released = self.parking.release(schema);
        self.events.schema_found(schema, released.len());
        for (at, parked) in released {
            let header = parked.schema_header.as_deref();
            let decoded = self.decoder.decode(&parked.value, header, &self.schemas);
            let taken = match decoded {
                Ok(decoded) => self.on_decoded(now, at, &decoded, &parked.notes, ends),
                Err(error) => Err(error.label()),
            };
            if let Err(reason) = taken {
                self.skip_parked(at, reason, parked);
            }
            self.on_settled(at);
        }
    }

    /// A look-up gave `schema` up: what waited for it is skipped.
    pub(crate) fn on_schema_refused(&mut self, now: Instant, schema: SchemaRef, why: &'static str) {
        self.lookups.on_refused(now, schema, why);
        for (at, parked) in self.parking.release(schema) {
            self.skip_parked(at, why, parked);
            self.on_settled(at);
        }
    }

    /// A batch cannot be read: nothing of it is handed over, and its position becomes a dead letter.
    pub(crate) fn on_batch_skipped(&mut self, batch: &UnreadableBatch) {
        if let Some(offsets) = &mut self.offsets {
            offsets.on_batch_skipped(batch.partition, batch.next);
        }
        if let Some(dead_letters) = &self.dead_letters {
            dead_letters.add(DeadLetter::for_batch(batch));
        }
    }

    /// The log of a partition went back. What is kept of a group sees it by the offset.
    pub(crate) fn on_offsets_moved_backwards(&mut self, now: Instant) {
        self.clear_answer_index(now);
    }

    /// The topic is gone.
    pub(crate) fn on_topic_gone(&mut self, now: Instant) {
        self.clear_answer_index(now);
        if let Some(offsets) = &mut self.offsets {
            *offsets = OffsetTracker::default();
        }
    }

    /// The group has taken these partitions away: whoever has them now reads what was parked.
    pub(crate) fn on_revoked(&mut self, partitions: &[i32]) {
        self.parking.on_revoked(partitions);
        if let Some(offsets) = &mut self.offsets {
            offsets.on_revoked(partitions);
        }
    }

    /// Returns the offsets up to which partitions may be committed, where they have changed since the last call.
    pub(crate) fn poll_offsets(&mut self) -> Vec<(i32, i64)> {
        self.offsets
            .as_mut()
            .map_or_else(Vec::new, OffsetTracker::poll_offsets)
    }

    /// A schema to look up, each once until its look-up ends.
    pub(crate) fn poll_wanted_schema(&mut self) -> Option<SchemaRef> {
        self.wanted_schemas.pop_front()
    }

    /// Returns the partitions to pause and to resume since the last call.
    pub(crate) fn poll_pause_changes(&mut self) -> PauseChanges {
        self.parking.poll_changes()
    }

    /// The partitions are assigned anew, none of them paused, each from there.
    pub(crate) fn on_assigned(&mut self, starts: &[(i32, StartPosition)]) {
        if let Some(recent) = &self.answer_index {
            recent.on_assigned(starts.iter().copied());
        }
        self.parking.reset_pauses();
    }

    /// Partitions that are paused, ascending.
    pub(crate) fn paused_partitions(&self) -> Vec<i32> {
        self.parking.paused_partitions()
    }

    /// Returns the most records of `partitions` partitions that may be parked.
    pub(crate) fn max_parked_records(&self, partitions: usize) -> usize {
        self.parking.max_records(partitions)
    }

    /// Returns the number of parked records.
    pub(crate) fn parked_records(&self) -> usize {
        self.parking.len()
    }

    /// True while a look-up is under way.
    pub(crate) fn is_waiting_for_schemas(&self) -> bool {
        !self.lookups.is_idle()
    }
}

const SCHEMA_UNUSABLE: &str = "schema_unusable";

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use avro_codec::{AnswerFieldNames, MINIMAL_ANSWER_SCHEMA};
    use telemetry::Metrics;
    use types::{Answer, QuestionId, TraceContext};

    use super::*;
    use crate::answer_record::RecordHeaders;
    use crate::dead_letter::ToEnvelope;

    const ONE: SchemaRef = SchemaRef::Id(1);
    const TWO: SchemaRef = SchemaRef::Id(2);
    const MINUTE: Duration = Duration::from_secs(60);

    #[derive(Default)]
    struct Delivered {
        /// Records handed over or counted as foreign.
        records: Mutex<Vec<(i32, i64)>>,
        /// For each look at the end of a partition, how many records that had been by then.
        looks: Mutex<Vec<(i32, usize)>>,
    }

    impl RefreshWatermark for Delivered {
        fn refresh_watermark(&self, partition: i32) {
            let delivered = self.records.lock().unwrap().len();
            self.looks.lock().unwrap().push((partition, delivered));
        }
    }

    /// Session `s` is here and waits for everything; no other is.
    impl AnswerSink for Delivered {
        fn deliver(&self, answer: Answer, _: Option<TraceContext>) {
            let RecordPosition { partition, offset } = answer.position;
            self.records.lock().unwrap().push((partition, offset));
        }

        fn on_foreign_answer(&self, at: RecordPosition) {
            self.records.lock().unwrap().push((at.partition, at.offset));
        }

        fn is_session_known(&self, wire_id: &str) -> bool {
            wire_id == "s"
        }

        fn is_question_awaited(&self, question: QuestionId) -> bool {
            question == QuestionId::from_bytes([7; 16])
        }
    }

    /// A record that must not be asked: no dead letters are written here.
    #[derive(Debug)]
    struct Nothing;

    impl ToEnvelope for Nothing {
        fn to_envelope(&self) -> Envelope {
            panic!("nobody needs it")
        }
    }

    /// A pipeline that parks two records a partition.
    struct Bench {
        pipeline: AnswerPipeline,
        delivered: Arc<Delivered>,
        metrics: Metrics,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let delivered = Arc::new(Delivered::default());
            let (metrics, now) = (Metrics::new().unwrap(), Instant::now());
            let limits = ParkingLimits {
                per_partition: 2,
                bytes: 1 << 20,
            };
            let pipeline = AnswerPipeline::new(
                "respostas".into(),
                Arc::<Delivered>::clone(&delivered),
                Arc::new(Events::new(metrics.instruments())),
                AnswerDecoder::new(AnswerFieldNames::default(), 100),
                limits,
                MINUTE,
                None,
            );
            Self {
                pipeline,
                delivered,
                metrics,
                now,
            }
        }

        /// Reads an answer for session `s` under `schema`.
        fn read(&mut self, partition: i32, offset: i64, schema: SchemaRef) -> RecordOutcome {
            let SchemaRef::Id(id) = schema else {
                panic!("these tests have numbers only")
            };
            let value = [&[0][..], &id.to_be_bytes(), &[2, b's', 2, b'a']].concat();
            self.read_value(partition, offset, Some(&value))
        }

        fn read_value(
            &mut self,
            partition: i32,
            offset: i64,
            value: Option<&[u8]>,
        ) -> RecordOutcome {
            let headers = RecordHeaders::read(std::iter::empty());
            self.read_record(partition, offset, value, headers)
        }

        /// Reads an answer for `session`, a letter, under schema one.
        fn read_for(&mut self, offset: i64, session: u8) -> RecordOutcome {
            let value = [0, 0, 0, 0, 1, 2, session, 2, b'a'];
            self.read_value(0, offset, Some(&value))
        }

        fn read_record(
            &mut self,
            partition: i32,
            offset: i64,
            value: Option<&[u8]>,
            headers: RecordHeaders<'_>,
        ) -> RecordOutcome {
            let at = RecordPosition { partition, offset };
            let record = AnswerRecord {
                value,
                headers,
                envelope_source: &Nothing,
            };
            self.pipeline
                .on_record(self.now, at, record, &*self.delivered)
        }

        fn find(&mut self, schema: SchemaRef) {
            self.pipeline.on_schema_found(
                self.now,
                schema,
                MINIMAL_ANSWER_SCHEMA,
                &[],
                &*self.delivered,
            );
        }

        fn looked(&self) -> Vec<(i32, usize)> {
            std::mem::take(&mut *self.delivered.looks.lock().unwrap())
        }

        fn delivered(&self) -> Vec<(i32, i64)> {
            std::mem::take(&mut *self.delivered.records.lock().unwrap())
        }

        fn counted(&self, result: &str) -> f64 {
            let counted = self.metrics.value("answer_gateway_records_total", result);
            counted.unwrap_or(0.0)
        }
    }

    #[test]
    fn a_record_waits_for_its_schema_and_then_for_nothing() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(0, 7, ONE), RecordOutcome::Parked);
        assert_eq!(bench.pipeline.poll_wanted_schema(), Some(ONE));
        assert_eq!(bench.pipeline.poll_wanted_schema(), None);
        assert!(bench.pipeline.is_waiting_for_schemas());
        bench.find(ONE);
        assert!(!bench.pipeline.is_waiting_for_schemas());
        assert_eq!(bench.read(0, 8, ONE), RecordOutcome::Done);
        assert_eq!(bench.delivered(), [(0, 7), (0, 8)]);
        assert_eq!(
            (bench.counted("ok"), bench.pipeline.parked_records()),
            (2.0, 0)
        );
    }

    #[test]
    fn the_end_of_the_partition_is_looked_at_before_an_answer_is_out_and_for_no_foreign_one() {
        let mut bench = Bench::new();
        bench.find(ONE);
        for partition in [0, 1] {
            assert_eq!(bench.read(partition, 7, ONE), RecordOutcome::Done);
        }
        assert_eq!(bench.looked(), [(0, 0), (1, 1)]);
        assert_eq!(bench.read_for(8, b'y'), RecordOutcome::Done);
        assert_eq!((bench.delivered().len(), bench.looked().len()), (3, 0));
    }

    #[test]
    fn a_record_that_waits_lies_below_what_is_asked_meanwhile() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(2, 0, TWO), RecordOutcome::Parked);
        assert_eq!(bench.looked(), [(2, 0)]);
        bench.find(TWO);
        assert_eq!(bench.looked(), [(2, 0)]);
        assert_eq!(bench.delivered(), [(2, 0)]);
    }

    #[test]
    fn one_look_up_serves_every_record_and_only_those_of_its_schema() {
        let mut bench = Bench::new();
        for (partition, offset, schema) in [(0, 1, ONE), (0, 2, TWO), (1, 1, ONE)] {
            assert_eq!(bench.read(partition, offset, schema), RecordOutcome::Parked);
        }
        let wanted: Vec<_> = std::iter::from_fn(|| bench.pipeline.poll_wanted_schema()).collect();
        assert_eq!(wanted, [ONE, TWO]);
        assert_eq!(bench.pipeline.poll_pause_changes().pause, [0], "it is full");
        bench.find(ONE);
        assert_eq!(bench.delivered(), [(0, 1), (1, 1)]);
        assert_eq!(bench.pipeline.poll_pause_changes().resume, [0]);
        bench.find(TWO);
        assert_eq!(bench.delivered(), [(0, 2)]);
    }

    #[test]
    fn a_refused_schema_skips_what_waits_and_what_comes_for_a_while() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(0, 1, ONE), RecordOutcome::Parked);
        assert_eq!(bench.pipeline.poll_wanted_schema(), Some(ONE));
        bench
            .pipeline
            .on_schema_refused(bench.now, ONE, "schema_not_found");
        assert_eq!(bench.read(0, 2, ONE), RecordOutcome::Done);
        assert_eq!(bench.pipeline.poll_wanted_schema(), None);
        assert_eq!(
            (bench.counted("error"), bench.pipeline.parked_records()),
            (2.0, 0)
        );
        bench.now += MINUTE;
        assert_eq!(bench.read(0, 3, ONE), RecordOutcome::Parked);
        assert_eq!(
            bench.pipeline.poll_wanted_schema(),
            Some(ONE),
            "asked for again"
        );
        bench.find(ONE);
        assert_eq!(bench.delivered(), [(0, 3)]);
    }

    #[test]
    fn a_schema_of_no_use_is_refused() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(0, 1, ONE), RecordOutcome::Parked);
        let (now, ends) = (bench.now, &*bench.delivered);
        bench
            .pipeline
            .on_schema_found(now, ONE, r#""string""#, &[], ends);
        assert_eq!(bench.read(0, 2, ONE), RecordOutcome::Done);
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
            assert_eq!(bench.read_value(0, 1, value), RecordOutcome::Done);
            assert_eq!(bench.counted(result), before + 1.0, "{value:?}");
        }
        assert_eq!(
            (bench.delivered().len(), bench.pipeline.parked_records()),
            (0, 0)
        );
    }

    #[test]
    fn an_answer_to_an_awaited_question_is_handed_over_whatever_its_session() {
        let mut bench = Bench::new();
        bench.find(ONE);
        let value = [0, 0, 0, 0, 1, 2, b'y', 2, b'a'];
        let question = "07".repeat(16);
        let name = (&b"question-id"[..], Some(question.as_bytes()));
        let headers = RecordHeaders::read([name].into_iter());
        assert_eq!(
            bench.read_record(0, 9, Some(&value), headers),
            RecordOutcome::Done
        );
        assert_eq!(bench.looked(), [(0, 0)], "handed over, not only counted");
    }

    #[test]
    fn in_a_group_a_parked_record_holds_the_offset_back_until_it_is_settled() {
        let mut bench = Bench::new();
        bench.pipeline.offsets = Some(OffsetTracker::default());
        bench.find(TWO);
        assert_eq!(bench.read(0, 4, ONE), RecordOutcome::Parked);
        assert_eq!(bench.read(0, 5, TWO), RecordOutcome::Done);
        assert_eq!(bench.read(1, 0, ONE), RecordOutcome::Parked);
        assert_eq!(bench.pipeline.poll_offsets(), [(0, 4), (1, 0)]);
        bench.pipeline.on_revoked(&[1]);
        bench.find(ONE);
        assert_eq!(
            bench.delivered(),
            [(0, 5), (0, 4)],
            "the revoked one is not"
        );
        assert_eq!(bench.pipeline.poll_offsets(), [(0, 6)]);
    }
}
