//! Serves several wishes in one pass.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::lookup_plan::LookupPlan;
use super::range_reader::{self, IncompleteRead, RangeReader, ReadDeadline};
use super::{LookupRequest, RecoveryOutcome, RecoveryWorker, UnavailableReason};
use crate::answer_index::RecordKey;
use crate::answer_record;
use crate::monotonic_consumer::MonotonicConsumer;

/// The longest time for a lookup, from when it was requested.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time for a broker to name a partition's offsets.
const BROKER_TIMEOUT: Duration = Duration::from_secs(2);

impl RecoveryWorker {
    pub(super) fn serve_requests(
        &mut self,
        client: &mut Option<MonotonicConsumer>,
        batch: Vec<LookupRequest>,
    ) {
        let now = Instant::now();
        let (batch, late): (Vec<LookupRequest>, Vec<LookupRequest>) = batch
            .into_iter()
            .partition(|wish| now < wish.since + LOOKUP_TIMEOUT);
        for wish in late {
            wish.report(RecoveryOutcome::Unavailable(UnavailableReason::TimedOut));
        }
        let mut plan = LookupPlan::default();
        for LookupRequest { lookup: wanted, .. } in &batch {
            let marks = [
                RecordKey::QuestionId(wanted.question_id),
                RecordKey::WireId(wanted.wire_id.as_str()),
            ];
            let traces = self.answer_index.locate(&marks, &wanted.min_offsets);
            plan.add(wanted, traces);
        }
        let since = batch.iter().map(|wish| wish.since).min();
        if let Some(since) = since
            && let Err(IncompleteRead { cause, unread }) =
                self.read_planned_ranges(client, since + LOOKUP_TIMEOUT, &mut plan)
        {
            plan.on_incomplete(cause, &unread);
        }
        for (wish, recovered) in batch.into_iter().zip(plan.into_outcomes()) {
            wish.report(recovered);
        }
    }

    fn read_planned_ranges(
        &mut self,
        client: &mut Option<MonotonicConsumer>,
        until: Instant,
        plan: &mut LookupPlan,
    ) -> Result<(), IncompleteRead> {
        if plan.ranges_to_read().is_empty() {
            return Ok(());
        }
        let nothing_read = |plan: &LookupPlan| IncompleteRead {
            cause: UnavailableReason::TimedOut,
            unread: plan.ranges_to_read().partitions().collect(),
        };
        let client = self.client(client).ok_or_else(|| nothing_read(plan))?;
        let topic = &self.reporting.topic;
        fetch_low_watermarks(client, topic, plan).map_err(|_| nothing_read(plan))?;
        let stop = &self.stop;
        let patience = ReadDeadline { until, stop };
        let mut segments = plan.ranges_to_read();
        let decoding = &mut self.reader;
        let mut topic_reader = RangeReader {
            client,
            topic,
            finder: &mut self.finder,
            events: &self.reporting.events,
        };
        let ended = topic_reader.read(&mut segments, &patience, |at, message| {
            plan.on_read(at);
            let headers = range_reader::record_headers(message);
            let Some(decoded) = decoding.decode(message, &headers, &patience)? else {
                return Ok(());
            };
            // One that is no answer was handed to nobody.
            if let Ok(answer) = answer_record::parse_answer(&decoded, &headers.metadata, at) {
                plan.on_answer(&answer);
            }
            Ok(())
        });
        // It would go on reading ahead.
        drop(client.unassign());
        // A client that comes too late for a record goes on with the next one and says nothing.
        fetch_low_watermarks(client, topic, plan).map_err(|_| nothing_read(plan))?;
        ended
    }
}

/// Has the plan know where each partition that is looked through begins now.
fn fetch_low_watermarks(
    client: &MonotonicConsumer,
    topic: &str,
    plan: &mut LookupPlan,
) -> Result<(), UnavailableReason> {
    for partition in plan.scanned_partitions() {
        let low = client.fetch_watermarks(topic, partition, BROKER_TIMEOUT);
        let (low, _) = low.map_err(|_| UnavailableReason::TimedOut)?;
        plan.on_low_watermark(partition, low);
    }
    Ok(())
}
