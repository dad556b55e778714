//! A worker as a member of a consumer group: joins it, takes the partitions it is given, and commits
//! how far they were read.

use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::{Halt, Worker};
use crate::assignment::{Assignment, Known};
use crate::client_context::Rebalance;
use crate::positions::{self, READ};
use crate::supervisor::Reading;

impl Worker<'_> {
    /// Joins the group, and takes what it has given so far.
    pub(super) fn open_group(&mut self, reading: &mut Reading) -> Result<(), Halt> {
        let topic = &self.reporting.topic;
        self.partitions = positions::partition_count(self.consumer.client(), topic, READ)?;
        if !self.subscribed {
            let subscribed = self.consumer.subscribe(&[topic]);
            subscribed.map_err(|error| positions::unready(&error, topic, READ))?;
            self.subscribed = true;
        }
        self.reporting.marks.grow(self.partitions);
        self.take_given(reading)
    }

    /// Does what the group has said since the last call; whether that was anything.
    pub(super) fn on_rebalance(&mut self, reading: &mut Reading) -> Result<bool, Halt> {
        let mut any = false;
        // In broadcast none is joined, and this is asked once a record.
        while let Assignment::Group(group) = &mut reading.assignment
            && let Some(rebalance) = self.consumer.context().take_rebalance()
        {
            any = true;
            match rebalance {
                Rebalance::Assigned(partitions) => {
                    group.on_assigned(&partitions);
                    self.take_given(reading)?;
                }
                Rebalance::Revoked(partitions) => {
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
    pub(super) fn store_offsets(&self, reading: &mut Reading) -> Result<(), Halt> {
        let offsets = reading.pipeline.poll_offsets();
        self.store(&offsets)
    }

    /// Resolves where the partitions given begin, and reads them.
    fn take_given(&mut self, reading: &mut Reading) -> Result<(), Halt> {
        let Assignment::Group(group) = &mut reading.assignment else {
            return Ok(());
        };
        let Some(given) = group.given() else {
            return Ok(());
        };
        let known = self.known(&group.unresolved())?;
        let decided = group.position(&known);
        self.assign(reading)?;
        for Known { partition, end, .. } in known {
            self.reporting.marks.on_high_watermark(partition, end);
        }
        self.store(&decided)?;
        self.backoff.succeeded();
        self.topic_watch.on_found();
        self.opened = true;
        self.reporting.given(&given, self.partitions);
        Ok(())
    }

    /// What the brokers know of these partitions.
    fn known(&self, partitions: &[i32]) -> Result<Vec<Known>, Halt> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let topic = &self.reporting.topic;
        let ends = positions::ends(&self.consumer, topic, partitions)?;
        let asked = positions::bare_list(topic, partitions);
        let committed = self.consumer.committed_offsets(asked, positions::PATIENCE);
        let committed = committed.map_err(|error| positions::unready(&error, topic, READ))?;
        let known = partitions.iter().zip(ends).map(|(&partition, end)| Known {
            partition,
            committed: offset_of(&committed, topic, partition),
            end,
        });
        Ok(known.collect())
    }

    fn store(&self, offsets: &[(i32, i64)]) -> Result<(), Halt> {
        if offsets.is_empty() {
            return Ok(());
        }
        let topic = &self.reporting.topic;
        let stored =
            positions::offsets(topic, offsets).and_then(|list| self.consumer.store_offsets(&list));
        stored.map_err(|error| positions::unready(&error, topic, READ).into())
    }
}

fn offset_of(list: &TopicPartitionList, topic: &str, partition: i32) -> Option<i64> {
    match list.find_partition(topic, partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        Offset::Beginning
        | Offset::End
        | Offset::Stored
        | Offset::Invalid
        | Offset::OffsetTail(_) => None,
    }
}
