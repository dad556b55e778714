//! Indexes the records written before this process began to read, once, so that sessions that
//! were another replica's find their answers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::RecoveryWorker;
use super::offset_ranges::{OffsetRange, RangeQueue};
use super::range_reader::{self, IncompleteRead, RangeReader, ReadDeadline};
use crate::answer_index::AnswerIndex;
use crate::answer_record;
use crate::monotonic_consumer::MonotonicConsumer;

/// The longest time for indexing. A session resumed meanwhile waits, or has its ranges read for it alone.
const INDEX_TIMEOUT: Duration = Duration::from_secs(60);
const BROKER_TIMEOUT: Duration = Duration::from_secs(5);

impl RecoveryWorker {
    /// Waits until partitions are read, then goes through what stands before.
    pub(super) fn index_history(&mut self, client: &mut Option<MonotonicConsumer>) {
        const STEP: Duration = Duration::from_millis(20);
        let mut beginnings = self.answer_index.reading_starts();
        while beginnings.is_empty() {
            if self.stop.wait(STEP) {
                return;
            }
            beginnings = self.answer_index.reading_starts();
        }
        let begun = Instant::now();
        let Some(client) = self.client(client) else {
            return;
        };
        let topic = std::sync::Arc::clone(&self.reporting.topic);
        let oldest = SystemTime::now() - self.window;
        let Ok(starts) = fetch_offsets_by_time(client, &topic, &beginnings, oldest) else {
            return;
        };
        let mut segments = missing_ranges(&starts, &beginnings);
        let mut from: BTreeMap<i32, i64> = starts;
        let mut records = 0_u64;
        let patience = ReadDeadline {
            until: begun + INDEX_TIMEOUT,
            stop: &self.stop,
        };
        let (decoding, recent) = (&mut self.reader, &self.answer_index);
        let mut topic_reader = RangeReader {
            client,
            topic: &topic,
            finder: &mut self.finder,
            events: &self.reporting.events,
        };
        let ended = topic_reader.read(&mut segments, &patience, |at, message| {
            let headers = range_reader::record_headers(message);
            let Some(decoded) = decoding.decode(message, &headers, &patience)? else {
                return Ok(());
            };
            records += 1;
            let mark = answer_record::record_key(&decoded, &headers.metadata);
            if let Some(out) = recent.on_history_record(Instant::now(), mark, at)
                && let Some(from) = from.get_mut(&out.partition)
            {
                *from = (*from).max(out.offset + 1);
            }
            Ok(())
        });
        drop(client.unassign());
        if let Err(IncompleteRead { unread, .. }) = &ended {
            from.retain(|partition, _| !unread.contains(partition));
        }
        mark_indexed(client, &topic, recent, from);
        self.reporting
            .events
            .history_indexed(ended.is_ok(), records, begun.elapsed());
        self.update_gauges();
    }
}

/// Returns what lies between where each partition is looked at from and where it began to be read.
fn missing_ranges(starts: &BTreeMap<i32, i64>, beginnings: &[(i32, i64)]) -> RangeQueue {
    let stretches = starts.iter().filter_map(|(partition, from)| {
        let until = beginnings.iter().find(|(one, _)| one == partition)?.1;
        let segment = OffsetRange {
            from: *from,
            until: Some(until),
        };
        (*from < until).then_some((*partition, segment))
    });
    RangeQueue::new(stretches)
}

/// Notes from where on each partition's past is known.
fn mark_indexed(
    client: &MonotonicConsumer,
    topic: &str,
    recent: &AnswerIndex,
    from: BTreeMap<i32, i64>,
) {
    for (partition, from) in from {
        // What was deleted meanwhile may have been passed over unread.
        if let Ok((low, _)) = client.fetch_watermarks(topic, partition, BROKER_TIMEOUT) {
            recent.mark_complete(partition, from.max(low));
        }
    }
}

/// Fetches the first offsets of records of at least that time; partitions without any are left out.
fn fetch_offsets_by_time(
    client: &MonotonicConsumer,
    topic: &str,
    beginnings: &[(i32, i64)],
    oldest: SystemTime,
) -> KafkaResult<BTreeMap<i32, i64>> {
    let millis = oldest.duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(millis.as_millis()).unwrap_or(i64::MAX);
    let mut asked = TopicPartitionList::with_capacity(beginnings.len());
    for (partition, _) in beginnings {
        asked.add_partition_offset(topic, *partition, Offset::Offset(millis))?;
    }
    let answered = client.offsets_for_times(asked, BROKER_TIMEOUT)?;
    let elements = answered.elements();
    let starts = elements
        .iter()
        .filter_map(|element| match element.offset() {
            Offset::Offset(offset) => Some((element.partition(), offset)),
            // Nothing is as young as that.
            Offset::Beginning
            | Offset::End
            | Offset::Stored
            | Offset::Invalid
            | Offset::OffsetTail(_) => None,
        });
    Ok(starts.collect())
}
