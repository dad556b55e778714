//! Does a worker's periodic checks between records: whether Kafka is there, how many partitions there are,
//! whether the topic still exists, and how far the partitions reach.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{ReadHalt, Worker, WorkerEnd};
use crate::answer_pipeline::RefreshWatermark;
use crate::client_context::ClientStatistics;
use crate::consumer_reporting::{ConsumerReporting, NO_BROKER};
use crate::consumer_supervisor::ReadingState;
use crate::librdkafka;
use crate::status::MissingPrerequisite;
use crate::topic_offsets::{self, READ_RIGHTS, TopicUnavailable};
use crate::unreadable::is_unreadable_batch;

impl Worker<'_> {
    /// Once a second: is Kafka there, are there more partitions, or fewer?
    pub(super) fn check_statistics(&mut self, reading: &mut ReadingState) -> Result<(), ReadHalt> {
        let Some(digest) = self.consumer.context().take_statistics() else {
            return Ok(());
        };
        let ClientStatistics {
            connected,
            partitions,
            lag_sum,
            lag_max,
        } = digest;
        self.reporting.events.set_lag(lag_sum, lag_max);
        if connected {
            self.reporting.on_kafka_up();
            self.reporting.clear_missing(|what| {
                matches!(what, MissingPrerequisite::Login | MissingPrerequisite::Tls)
            });
        } else if !self.was_connected {
            // Twice in a row: one alone may be older than the connection.
            self.reporting.on_kafka_down(NO_BROKER.to_owned());
        }
        self.was_connected = connected;
        if partitions < self.partitions {
            self.topic_watch.on_suspicion(Instant::now());
        }
        self.partitions = self.partitions.max(partitions);
        let added = reading.assignment.add_partitions(partitions);
        if added.is_empty() {
            return Ok(());
        }
        self.reporting.on_partitions_added(partitions, &added);
        self.assign(reading)
    }

    /// Ends the work when the client has been without a broker for too long.
    pub(super) fn check_connection(&self, reading: &mut ReadingState) -> Result<(), ReadHalt> {
        let context = self.consumer.context();
        if !reading.replacement.is_due(context.connected_at()) {
            return Ok(());
        }
        let learned = context.learned_brokers();
        Err(ReadHalt::Ended(WorkerEnd::Disconnected { learned }))
    }

    /// Looks whether the topic still exists, if there was a sign that it does not.
    pub(super) fn check_topic(&mut self, reading: &mut ReadingState) -> Result<(), ReadHalt> {
        let now = Instant::now();
        if !self.topic_watch.is_due(now) {
            return Ok(());
        }
        let topic = &self.reporting.topic;
        match topic_offsets::fetch_partition_count(self.consumer.client(), topic, READ_RIGHTS) {
            Ok(_) => self.on_topic_found(reading),
            Err(TopicUnavailable::Missing(what)) => {
                self.reporting.report_missing(&what);
                if self.topic_watch.on_missing(now) {
                    self.close_topic(reading);
                    return Err(ReadHalt::Unready(TopicUnavailable::Missing(what)));
                }
                Ok(())
            }
            Err(TopicUnavailable::Down(_)) => {
                self.topic_watch.on_check_failed(now);
                Ok(())
            }
        }
    }

    /// The topic is there after all: the same one, unless it ends before what was read of it.
    fn on_topic_found(&mut self, reading: &mut ReadingState) -> Result<(), ReadHalt> {
        let starts = reading.assignment.start_positions();
        let numbers: Vec<i32> = starts.into_iter().map(|(at, _)| at).collect();
        let Ok(ends) =
            topic_offsets::fetch_end_offsets(&self.consumer, &self.reporting.topic, &numbers)
        else {
            self.topic_watch.on_check_failed(Instant::now());
            return Ok(());
        };
        if reading.assignment.is_past_the_end(&ends) {
            self.close_topic(reading);
            return self.open(reading);
        }
        self.topic_watch.on_found();
        self.reporting
            .clear_missing(|what| matches!(what, MissingPrerequisite::Topic { .. }));
        Ok(())
    }

    /// The topic is gone, or another one of its name: nothing of it is read any more.
    fn close_topic(&mut self, reading: &mut ReadingState) {
        if let Err(error) = self.consumer.unassign() {
            self.reporting.events.consumer_error(&error);
        }
        reading.assignment.on_topic_gone();
        self.partitions = 0;
        reading.pipeline.on_topic_gone(Instant::now());
        self.reporting.watermarks.reset(std::iter::empty());
        self.reporting.on_topic_gone();
    }

    /// Refreshes all high watermarks now and then; idle partitions have no record that would.
    pub(super) fn refresh_watermarks(&mut self, reading: &ReadingState) {
        let now = Instant::now();
        if now < self.refresh_watermarks_at {
            return;
        }
        self.refresh_watermarks_at = now + WATERMARK_INTERVAL;
        let partitions = reading.assignment.start_positions();
        let denied = partitions
            .into_iter()
            .fold(false, |denied, (partition, _)| {
                self.refresh_watermark(partition) == Some(FAILED_FETCH) || denied
            });
        if !denied {
            self.reporting
                .clear_missing(|what| matches!(what, MissingPrerequisite::TopicRights { .. }));
        }
    }

    pub(super) fn refresh_watermark(&self, partition: i32) -> Option<i64> {
        let ConsumerReporting {
            topic_name,
            watermarks: marks,
            ..
        } = self.reporting;
        let mark =
            librdkafka::cached_high_watermark(self.consumer.client(), topic_name, partition)?;
        marks.on_high_watermark(partition, mark);
        Some(mark)
    }

    /// Handles an error that librdkafka reports between records. Most of them it gets over by itself.
    pub(super) fn on_error(
        &mut self,
        reading: &ReadingState,
        error: &KafkaError,
    ) -> Result<(), ReadHalt> {
        if let KafkaError::MessageConsumptionFatal(_) = error {
            return Err(self.client_failed(error.to_string()));
        }
        let code = error.rdkafka_error_code();
        match code {
            Some(code @ RDKafkaErrorCode::AllBrokersDown) => {
                self.reporting.on_kafka_down(code.to_string());
                return Ok(());
            }
            // Without a group librdkafka looks for its coordinator all the same.
            Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {
                if self.subscribed {
                    self.reporting.on_group_denied();
                }
                return Ok(());
            }
            Some(code) if is_unreadable_batch(code) => self.on_unreadable(reading),
            _ => {}
        }
        let missing = code.and_then(|code| {
            topic_offsets::missing_by_code(code, &self.reporting.topic, READ_RIGHTS)
        });
        match missing {
            // Only a look shows whether it is.
            Some(MissingPrerequisite::Topic { .. }) => {
                self.topic_watch.on_suspicion(Instant::now())
            }
            Some(what) => self.reporting.report_missing(&what),
            None => self.reporting.events.consumer_error(error),
        }
        Ok(())
    }

    /// Says why the topic cannot be read now.
    pub(super) fn report_unavailable(&self, unready: TopicUnavailable) {
        match unready {
            TopicUnavailable::Missing(what) => {
                match what {
                    MissingPrerequisite::Login | MissingPrerequisite::Tls => {
                        self.reporting.on_kafka_down(what.to_string())
                    }
                    MissingPrerequisite::Topic { .. }
                    | MissingPrerequisite::TopicRights { .. }
                    | MissingPrerequisite::GroupRights { .. }
                    | MissingPrerequisite::Schema { .. }
                    | MissingPrerequisite::UnusableSchema { .. }
                    | MissingPrerequisite::RegistryLogin => self.reporting.on_kafka_up(),
                }
                self.reporting.report_missing(&what);
            }
            TopicUnavailable::Down(problem) => self.reporting.on_kafka_down(problem),
        }
    }
}

impl RefreshWatermark for Worker<'_> {
    fn refresh_watermark(&self, partition: i32) {
        self.refresh_watermark(partition);
    }
}

/// librdkafka's cached high watermark after a fetch response that names an error.
const FAILED_FETCH: i64 = -1;
const WATERMARK_INTERVAL: Duration = Duration::from_millis(100);
