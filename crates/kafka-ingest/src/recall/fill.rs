//! What was written before this process began to read: looked through once, so that sessions that
//! were another replica's find their answers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::Looking;
use super::reader::{self, Incomplete, Patience, TopicReader};
use super::segments::{Segment, Segments};
use crate::recent::Recent;
use crate::record;
use crate::steady_consumer::SteadyConsumer;

/// How long it may take. Whoever is resumed waits, or has what he needs looked through by itself.
const PATIENCE: Duration = Duration::from_secs(60);
const ASK: Duration = Duration::from_secs(5);

impl Looking {
    /// Waits until partitions are read, then goes through what stands before.
    pub(super) fn fill(&mut self, client: &mut Option<SteadyConsumer>) {
        const STEP: Duration = Duration::from_millis(20);
        let mut beginnings = self.recent.beginnings();
        while beginnings.is_empty() {
            if self.stop.wait(STEP) {
                return;
            }
            beginnings = self.recent.beginnings();
        }
        let begun = Instant::now();
        let Some(client) = self.client(client) else {
            return;
        };
        let topic = std::sync::Arc::clone(&self.reporting.topic);
        let oldest = SystemTime::now() - self.window;
        let Ok(starts) = starts(client, &topic, &beginnings, oldest) else {
            return;
        };
        let mut segments = stretches(&starts, &beginnings);
        let mut from: BTreeMap<i32, i64> = starts;
        let mut records = 0_u64;
        let patience = Patience {
            until: begun + PATIENCE,
            stop: &self.stop,
        };
        let (decoding, recent) = (&mut self.reader, &self.recent);
        let mut topic_reader = TopicReader {
            client,
            topic: &topic,
            finder: &mut self.finder,
            events: &self.reporting.events,
        };
        let ended = topic_reader.read(&mut segments, &patience, |at, message| {
            let headers = reader::headers(message);
            let Some(decoded) = decoding.decode(message, &headers, &patience)? else {
                return Ok(());
            };
            records += 1;
            let mark = record::mark(&decoded, &headers.notes);
            if let Some(out) = recent.on_past(Instant::now(), mark, at)
                && let Some(from) = from.get_mut(&out.partition)
            {
                *from = (*from).max(out.offset + 1);
            }
            Ok(())
        });
        drop(client.unassign());
        if let Err(Incomplete { unread, .. }) = &ended {
            from.retain(|partition, _| !unread.contains(partition));
        }
        filled(client, &topic, recent, from);
        self.reporting
            .events
            .past_filled(ended.is_ok(), records, begun.elapsed());
        self.measure();
    }
}

/// Returns what lies between where each partition is looked at from and where it began to be read.
fn stretches(starts: &BTreeMap<i32, i64>, beginnings: &[(i32, i64)]) -> Segments {
    let stretches = starts.iter().filter_map(|(partition, from)| {
        let until = beginnings.iter().find(|(one, _)| one == partition)?.1;
        let segment = Segment {
            from: *from,
            until: Some(until),
        };
        (*from < until).then_some((*partition, segment))
    });
    Segments::new(stretches)
}

/// Notes from where on each partition's past is known.
fn filled(client: &SteadyConsumer, topic: &str, recent: &Recent, from: BTreeMap<i32, i64>) {
    for (partition, from) in from {
        // What was deleted meanwhile may have been passed over unread.
        if let Ok((low, _)) = client.fetch_watermarks(topic, partition, ASK) {
            recent.filled(partition, from.max(low));
        }
    }
}

/// Where records of at least that time begin; partitions without any are left out.
fn starts(
    client: &SteadyConsumer,
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
    let answered = client.offsets_for_times(asked, ASK)?;
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
