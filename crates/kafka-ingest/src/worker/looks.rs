//! What a worker looks at between records: whether Kafka is there, how many partitions there are,
//! whether the topic still exists, and how far the partitions reach.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

use super::{End, Halt, Worker};
use crate::client_context::Digest;
use crate::native;
use crate::pipeline::Ends;
use crate::positions::{self, READ, Unready};
use crate::reporting::{NO_BROKER, Reporting};
use crate::status::Missing;
use crate::supervisor::Reading;

impl Worker<'_> {
    /// Once a second: is Kafka there, are there more partitions, or fewer?
    pub(super) fn look_at_digest(&mut self, reading: &mut Reading) -> Result<(), Halt> {
        let Some(digest) = self.consumer.context().take_digest() else {
            return Ok(());
        };
        let Digest {
            connected,
            partitions,
            lag_sum,
            lag_max,
        } = digest;
        self.reporting.events.lag(lag_sum, lag_max);
        if connected {
            self.reporting.kafka_up();
            self.reporting
                .healed(|what| matches!(what, Missing::Login | Missing::Tls));
        } else if !self.was_connected {
            // Twice in a row: one alone may be older than the connection.
            self.reporting.kafka_down(NO_BROKER.to_owned());
        }
        self.was_connected = connected;
        if partitions < self.partitions {
            self.topic_watch.on_sign(Instant::now());
        }
        self.partitions = self.partitions.max(partitions);
        let added = reading.assignment.grow(partitions);
        if added.is_empty() {
            return Ok(());
        }
        self.reporting.partitions_added(partitions, &added);
        self.assign(reading)
    }

    /// Ends the work when the client has been without a broker for too long.
    pub(super) fn check_connection(&self, reading: &mut Reading) -> Result<(), Halt> {
        let context = self.consumer.context();
        if !reading.replacement.is_due(context.connected_at()) {
            return Ok(());
        }
        let learned = context.learned_brokers();
        Err(Halt::Ended(End::Disconnected { learned }))
    }

    /// Looks whether the topic still exists, if there was a sign that it does not.
    pub(super) fn look_at_topic(&mut self, reading: &mut Reading) -> Result<(), Halt> {
        let now = Instant::now();
        if !self.topic_watch.is_due(now) {
            return Ok(());
        }
        let topic = &self.reporting.topic;
        match positions::partition_count(self.consumer.client(), topic, READ) {
            Ok(_) => self.on_topic_found(reading),
            Err(Unready::Missing(what)) => {
                self.reporting.missing(&what);
                if self.topic_watch.on_missing(now) {
                    self.close(reading);
                    return Err(Halt::Unready(Unready::Missing(what)));
                }
                Ok(())
            }
            Err(Unready::Down(_)) => {
                self.topic_watch.on_no_answer(now);
                Ok(())
            }
        }
    }

    /// The topic is there after all: the same one, unless it ends before what was read of it.
    fn on_topic_found(&mut self, reading: &mut Reading) -> Result<(), Halt> {
        let starts = reading.assignment.starts();
        let numbers: Vec<i32> = starts.into_iter().map(|(at, _)| at).collect();
        let Ok(ends) = positions::ends(&self.consumer, &self.reporting.topic, &numbers) else {
            self.topic_watch.on_no_answer(Instant::now());
            return Ok(());
        };
        if reading.assignment.outran(&ends) {
            self.close(reading);
            return self.open(reading);
        }
        self.topic_watch.on_found();
        self.reporting
            .healed(|what| matches!(what, Missing::Topic { .. }));
        Ok(())
    }

    /// The topic is gone, or another one of its name: nothing of it is read any more.
    fn close(&mut self, reading: &mut Reading) {
        if let Err(error) = self.consumer.unassign() {
            self.reporting.events.consumer_error(&error);
        }
        reading.assignment.on_topic_gone();
        self.partitions = 0;
        reading.pipeline.on_topic_gone(Instant::now());
        self.reporting.marks.reset(std::iter::empty());
        self.reporting.topic_gone();
    }

    /// Refreshes all high watermarks now and then; idle partitions have no record that would.
    pub(super) fn look_at_marks(&mut self, reading: &Reading) {
        let now = Instant::now();
        if now < self.look_at_marks {
            return;
        }
        self.look_at_marks = now + MARKS_EVERY;
        let partitions = reading.assignment.starts();
        let denied = partitions
            .into_iter()
            .fold(false, |denied, (partition, _)| {
                self.look_at_mark(partition) == Some(FAILED_FETCH) || denied
            });
        if !denied {
            self.reporting
                .healed(|what| matches!(what, Missing::TopicRight { .. }));
        }
    }

    pub(super) fn look_at_mark(&self, partition: i32) -> Option<i64> {
        let Reporting {
            topic_name, marks, ..
        } = self.reporting;
        let mark = native::cached_high_watermark(self.consumer.client(), topic_name, partition)?;
        marks.on_high_watermark(partition, mark);
        Some(mark)
    }

    /// Says why the topic cannot be read now.
    pub(super) fn report(&self, unready: Unready) {
        match unready {
            Unready::Missing(what) => {
                match what {
                    Missing::Login | Missing::Tls => self.reporting.kafka_down(what.to_string()),
                    Missing::Topic { .. }
                    | Missing::TopicRight { .. }
                    | Missing::GroupRight { .. }
                    | Missing::Schema { .. }
                    | Missing::UnusableSchema { .. }
                    | Missing::RegistryLogin => self.reporting.kafka_up(),
                }
                self.reporting.missing(&what);
            }
            Unready::Down(problem) => self.reporting.kafka_down(problem),
        }
    }
}

impl Ends for Worker<'_> {
    fn look_at(&self, partition: i32) {
        self.look_at_mark(partition);
    }
}

/// librdkafka's cached high watermark after a fetch response that names an error.
const FAILED_FETCH: i64 = -1;
const MARKS_EVERY: Duration = Duration::from_millis(100);
