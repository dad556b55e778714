//! A worker as a member of a consumer group: joins it, takes the partitions it is given, and commits
//! how far they were read.

use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::{ReadHalt, Worker};
use crate::assignment::{Assignment, PartitionOffsets};
use crate::client_context::RebalanceEvent;
use crate::consumer_supervisor::ReadingState;
use crate::topic_offsets::{self, READ_RIGHTS};

impl Worker<'_> {
    /// Joins the group, and takes what it has given so far.
    pub(super) fn open_group(&mut self, reading: &mut ReadingState) -> Result<(), ReadHalt> {
        let topic = &self.reporting.topic;
        self.partitions =
            topic_offsets::fetch_partition_count(self.consumer.client(), topic, READ_RIGHTS)?;
        if !self.subscribed {
            let subscribed = self.consumer.subscribe(&[topic]);
            subscribed
                .map_err(|error| topic_offsets::unavailable_by_error(&error, topic, READ_RIGHTS))?;
            self.subscribed = true;
        }
        self.reporting.watermarks.add_partitions(self.partitions);
        self.take_assignment(reading)
    }

    /// Does what the group has said since the last call; whether that was anything.
    pub(super) fn on_rebalance(&mut self, reading: &mut ReadingState) -> Result<bool, ReadHalt> {
        let mut any = false;
        // In broadcast none is joined, and this is asked once a record.
        while let Assignment::Group(group) = &mut reading.assignment
            && let Some(rebalance) = self.consumer.context().take_rebalance()
        {
            any = true;
            match rebalance {
                RebalanceEvent::Assigned(partitions) => {
                    group.on_assigned(&partitions);
                    self.take_assignment(reading)?;
                }
                RebalanceEvent::Revoked(partitions) => {
                    group.on_revoked(&partitions);
                    reading.pipeline.on_revoked(&partitions);
                    self.pause_and_resume(reading)?;
                }
            }
        }
        Ok(any)
    }

    /// Tells librdkafka how far may be committed, which it does once a second, and when partitions
    /// are taken away, and at the end.
    pub(super) fn store_offsets(&self, reading: &mut ReadingState) -> Result<(), ReadHalt> {
        let offsets = reading.pipeline.poll_offsets();
        self.store(&offsets)
    }

    /// Resolves where the partitions given begin, and reads them.
    fn take_assignment(&mut self, reading: &mut ReadingState) -> Result<(), ReadHalt> {
        let Assignment::Group(group) = &mut reading.assignment else {
            return Ok(());
        };
        let Some(given) = group.assigned_partitions() else {
            return Ok(());
        };
        let known = self.fetch_offsets(&group.unresolved_partitions())?;
        let decided = group.set_positions(&known);
        self.assign(reading)?;
        for PartitionOffsets { partition, end, .. } in known {
            self.reporting.watermarks.on_high_watermark(partition, end);
        }
        self.store(&decided)?;
        self.backoff.reset();
        self.topic_watch.on_found();
        self.opened = true;
        self.reporting.on_group_assigned(&given, self.partitions);
        Ok(())
    }

    /// Fetches the committed and end offsets of these partitions.
    fn fetch_offsets(&self, partitions: &[i32]) -> Result<Vec<PartitionOffsets>, ReadHalt> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let topic = &self.reporting.topic;
        let ends = topic_offsets::fetch_end_offsets(&self.consumer, topic, partitions)?;
        let asked = topic_offsets::partition_list(topic, partitions);
        let committed = self
            .consumer
            .committed_offsets(asked, topic_offsets::BROKER_TIMEOUT);
        let committed = committed
            .map_err(|error| topic_offsets::unavailable_by_error(&error, topic, READ_RIGHTS))?;
        let known = partitions
            .iter()
            .zip(ends)
            .map(|(&partition, end)| PartitionOffsets {
                partition,
                committed: committed_offset(&committed, topic, partition),
                end,
            });
        Ok(known.collect())
    }

    fn store(&self, offsets: &[(i32, i64)]) -> Result<(), ReadHalt> {
        if offsets.is_empty() {
            return Ok(());
        }
        let topic = &self.reporting.topic;
        let stored = topic_offsets::offset_list(topic, offsets)
            .and_then(|list| self.consumer.store_offsets(&list));
        stored
            .map_err(|error| topic_offsets::unavailable_by_error(&error, topic, READ_RIGHTS).into())
    }
}

fn committed_offset(list: &TopicPartitionList, topic: &str, partition: i32) -> Option<i64> {
    match list.find_partition(topic, partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        Offset::Beginning
        | Offset::End
        | Offset::Stored
        | Offset::Invalid
        | Offset::OffsetTail(_) => None,
    }
}
