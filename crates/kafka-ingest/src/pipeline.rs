//! What becomes of one record: decoded and handed to the sink, parked for its schema, or skipped with
//! a reason. Knows no Kafka client and no registry: records and schemas come
//! in, wanted schemas and partitions to pause go out.

mod taking;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use avro_codec::{AnswerDecoder, SchemaRef, SchemaSet};
use types::RecordPosition;

use crate::AnswerSink;
use crate::assignment::Start;
use crate::dead_letter::{Beside, DeadLetter};
use crate::dead_letters::DeadLetters;
use crate::events::Events;
use crate::head_of_line::HeadOfLine;
use crate::lookups::Lookups;
use crate::parking::{Changes, Limits, Parking};
use crate::recent::Recent;
use crate::record::{Notes, Record};
use crate::unreadable::UnreadableBatch;

/// Takes records ([`Self::on_record`]) and the outcomes of look-ups ([`Self::on_found`],
/// [`Self::on_refused`]); then [`Self::poll_wanted`] and [`Self::poll_changes`] are to be drained.
pub(crate) struct Pipeline {
    topic: Arc<str>,
    sink: Arc<dyn AnswerSink>,
    events: Arc<Events>,
    dead_letters: Option<DeadLetters>,
    /// What is remembered for resumed sessions, where that is kept.
    recent: Option<Arc<Recent>>,
    decoder: AnswerDecoder,
    schemas: SchemaSet,
    lookups: Lookups,
    parking: Parking<Parked>,
    wanted: VecDeque<SchemaRef>,
    keeping: Keeping,
}

/// What is kept of records beside themselves, by mode.
#[derive(Debug)]
pub(crate) enum Keeping {
    /// Broadcast: nothing, since every record is decoded when it comes.
    Nothing,
    /// Group: which hold the offset back.
    Line(HeadOfLine),
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

/// Notes how far partitions reach, for the floors of the questions to come ([`crate::floor::Marks`]).
pub(crate) trait Ends {
    /// Looks at the end of that partition. To be done before a record is handed over, since the next
    /// question may be asked at once: it has to lie above whatever has come with the answer, or a second
    /// copy of that would be taken for its own. And before a record is kept: it is handed over later, and must not lie above a question that was asked meanwhile.
    fn look_at(&self, partition: i32);
}

/// An owned record.
#[derive(Debug)]
struct Parked {
    value: Box<[u8]>,
    schema_header: Option<Box<[u8]>>,
    notes: Notes,
    /// For its dead letter, if those are written.
    beside: Option<Beside>,
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
        keeping: Keeping,
    ) -> Self {
        Self {
            topic,
            sink,
            events,
            dead_letters: None,
            recent: None,
            decoder,
            schemas: SchemaSet::default(),
            lookups: Lookups::new(refused_for),
            parking: Parking::new(limits),
            wanted: VecDeque::new(),
            keeping,
        }
    }

    /// Leaves every record that is skipped as undecodable with `dead_letters`, too.
    pub(crate) fn with_dead_letters(mut self, dead_letters: Option<DeadLetters>) -> Self {
        self.dead_letters = dead_letters;
        self
    }

    /// Remembers every record for resumed sessions.
    pub(crate) fn with_recent(mut self, recent: Option<Arc<Recent>>) -> Self {
        self.recent = recent;
        self
    }

    /// A record was read. `record` is asked for the rest of it only if that is to be kept.
    pub(crate) fn on_record(
        &mut self,
        now: Instant,
        at: RecordPosition,
        record: Record<'_>,
        ends: &dyn Ends,
    ) -> Fate {
        match &mut self.keeping {
            Keeping::Nothing => {}
            Keeping::Line(line) => line.on_read(at),
        }
        let fate = self.take(now, at, record, ends);
        match fate {
            Fate::Settled => self.settled(at),
            Fate::Parked => {}
        }
        fate
    }

    /// A look-up found `schema`: what waited for it goes on, in order.
    pub(crate) fn on_found(
        &mut self,
        now: Instant,
        schema: SchemaRef,
        text: &str,
        references: &[String],
        ends: &dyn Ends,
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
            let taken = match self.decode(&parked.value, header) {
                Ok(decoded) => self.on_decoded(now, at, &decoded, &parked.notes, ends),
                Err(error) => Err(error.reason()),
            };
            if let Err(reason) = taken {
                self.skip_parked(at, reason, parked);
            }
            self.settled(at);
        }
    }

    /// A look-up gave `schema` up: what waited for it is skipped.
    pub(crate) fn on_refused(&mut self, now: Instant, schema: SchemaRef, why: &'static str) {
        self.lookups.on_refused(now, schema, why);
        for (at, parked) in self.parking.release(schema) {
            self.skip_parked(at, why, parked);
            self.settled(at);
        }
    }

    /// A batch cannot be read: nothing of it is handed over, and its position becomes a dead letter.
    pub(crate) fn on_stepped_over(&mut self, batch: &UnreadableBatch) {
        match &mut self.keeping {
            Keeping::Nothing => {}
            Keeping::Line(line) => line.on_stepped_over(batch.partition, batch.next),
        }
        if let Some(dead_letters) = &self.dead_letters {
            dead_letters.found(DeadLetter::of_batch(batch));
        }
    }

    /// The log of a partition went back. What is kept of a group sees it by the offset.
    pub(crate) fn on_log_went_back(&mut self, now: Instant) {
        self.forget_recent(now);
    }

    /// The topic is gone.
    pub(crate) fn on_topic_gone(&mut self, now: Instant) {
        self.forget_recent(now);
        match &mut self.keeping {
            Keeping::Nothing => {}
            Keeping::Line(line) => *line = HeadOfLine::default(),
        }
    }

    /// The group has taken these partitions away: whoever has them now reads what was parked.
    pub(crate) fn on_revoked(&mut self, partitions: &[i32]) {
        self.parking.on_revoked(partitions);
        match &mut self.keeping {
            Keeping::Nothing => {}
            Keeping::Line(line) => line.on_revoked(partitions),
        }
    }

    /// How far partitions may be committed, where that has changed since the last call.
    pub(crate) fn poll_offsets(&mut self) -> Vec<(i32, i64)> {
        match &mut self.keeping {
            Keeping::Nothing => Vec::new(),
            Keeping::Line(line) => line.poll(),
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

    /// The partitions are assigned anew, none of them paused, each from there.
    pub(crate) fn on_assigned(&mut self, starts: &[(i32, Start)]) {
        if let Some(recent) = &self.recent {
            recent.on_assigned(starts.iter().copied());
        }
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
}

const UNUSABLE: &str = "schema_unusable";

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use avro_codec::{AnswerFields, MINIMAL_ANSWER};
    use telemetry::Metrics;
    use types::{Answer, QuestionId, TraceContext};

    use super::*;
    use crate::dead_letter::HasBeside;
    use crate::record::Headers;

    const ONE: SchemaRef = SchemaRef::Id(1);
    const TWO: SchemaRef = SchemaRef::Id(2);
    const MINUTE: Duration = Duration::from_secs(60);

    #[derive(Default)]
    struct Delivered {
        /// What was handed over or counted as foreign.
        records: Mutex<Vec<(i32, i64)>>,
        /// For each look at the end of a partition, how many records that had been by then.
        looks: Mutex<Vec<(i32, usize)>>,
    }

    impl Ends for Delivered {
        fn look_at(&self, partition: i32) {
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

        fn foreign(&self, at: RecordPosition) {
            self.records.lock().unwrap().push((at.partition, at.offset));
        }

        fn is_here(&self, wire_id: &str) -> bool {
            wire_id == "s"
        }

        fn awaits(&self, question: QuestionId) -> bool {
            question == QuestionId::from_bytes([7; 16])
        }
    }

    /// A record that must not be asked: no dead letters are written here.
    #[derive(Debug)]
    struct Nothing;

    impl HasBeside for Nothing {
        fn copy(&self) -> Beside {
            panic!("nobody needs it")
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
            let (metrics, now) = (Metrics::new().unwrap(), Instant::now());
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
                Keeping::Nothing,
            );
            Self {
                pipeline,
                delivered,
                metrics,
                now,
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
            self.read_record(partition, offset, value, headers)
        }

        /// Reads an answer for `session`, a letter, under schema one.
        fn read_for(&mut self, offset: i64, session: u8) -> Fate {
            let value = [0, 0, 0, 0, 1, 2, session, 2, b'a'];
            self.read_value(0, offset, Some(&value))
        }

        fn read_record(
            &mut self,
            partition: i32,
            offset: i64,
            value: Option<&[u8]>,
            headers: Headers<'_>,
        ) -> Fate {
            let at = RecordPosition { partition, offset };
            let record = Record {
                value,
                headers,
                whole: &Nothing,
            };
            self.pipeline
                .on_record(self.now, at, record, &*self.delivered)
        }

        fn find(&mut self, schema: SchemaRef) {
            self.pipeline
                .on_found(self.now, schema, MINIMAL_ANSWER, &[], &*self.delivered);
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
    fn the_end_of_the_partition_is_looked_at_before_an_answer_is_out_and_for_no_foreign_one() {
        let mut bench = Bench::new();
        bench.find(ONE);
        for partition in [0, 1] {
            assert_eq!(bench.read(partition, 7, ONE), Fate::Settled);
        }
        assert_eq!(bench.looked(), [(0, 0), (1, 1)]);
        assert_eq!(bench.read_for(8, b'y'), Fate::Settled);
        assert_eq!((bench.delivered().len(), bench.looked().len()), (3, 0));
    }

    #[test]
    fn a_record_that_waits_lies_below_what_is_asked_meanwhile() {
        let mut bench = Bench::new();
        assert_eq!(bench.read(2, 0, TWO), Fate::Parked);
        assert_eq!(bench.looked(), [(2, 0)]);
        bench.find(TWO);
        assert_eq!(bench.looked(), [(2, 0)]);
        assert_eq!(bench.delivered(), [(2, 0)]);
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
        let (now, ends) = (bench.now, &*bench.delivered);
        bench.pipeline.on_found(now, ONE, r#""string""#, &[], ends);
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

    #[test]
    fn an_answer_to_an_awaited_question_is_handed_over_whatever_its_session() {
        let mut bench = Bench::new();
        bench.find(ONE);
        let value = [0, 0, 0, 0, 1, 2, b'y', 2, b'a'];
        let question = "07".repeat(16);
        let name = (&b"question-id"[..], Some(question.as_bytes()));
        let headers = Headers::read([name].into_iter());
        assert_eq!(
            bench.read_record(0, 9, Some(&value), headers),
            Fate::Settled
        );
        assert_eq!(bench.looked(), [(0, 0)], "handed over, not only counted");
    }

    #[test]
    fn in_a_group_a_parked_record_holds_the_offset_back_until_it_is_settled() {
        let mut bench = Bench::new();
        bench.pipeline.keeping = Keeping::Line(HeadOfLine::default());
        bench.find(TWO);
        assert_eq!(bench.read(0, 4, ONE), Fate::Parked);
        assert_eq!(bench.read(0, 5, TWO), Fate::Settled);
        assert_eq!(bench.read(1, 0, ONE), Fate::Parked);
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
