//! Reports the consumer's state: the status that others read, and the events that go with its
//! changes. One place, so that neither is changed without the other.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use telemetry::Heartbeat;
use types::MinOffsets;

use crate::StartError;
use crate::events::{ClientRole, Events};
use crate::status::{
    self, ConsumerStatus, DeadLetterTask, LinkStatus, MissingPrerequisite, SharedGroup,
    SkippedBatch, StatusBoard,
};
use crate::topic_offsets::{self, TopicUnavailable};
use crate::unreadable::UnreadableBatch;
use crate::watermarks::Watermarks;
use crate::{dead_letter_queue, librdkafka};

/// The state shared by the consumer's thread and the handle.
#[derive(Debug)]
pub(crate) struct ConsumerReporting {
    pub(crate) topic: Arc<str>,
    /// The consumer group.
    group: String,
    /// The topic's name as librdkafka takes it.
    pub(crate) topic_name: CString,
    pub(crate) watermarks: Watermarks,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) status: StatusBoard<ConsumerStatus>,
    pub(crate) events: Arc<Events>,
}

impl ConsumerReporting {
    pub(crate) fn new(topic: &str, group: &str, events: Arc<Events>) -> Result<Self, StartError> {
        Ok(Self {
            topic: topic.into(),
            group: group.to_owned(),
            topic_name: librdkafka::topic_name(topic).ok_or(StartError::TopicName)?,
            watermarks: Watermarks::default(),
            heartbeat: Heartbeat::new(Instant::now()),
            status: StatusBoard::new(ConsumerStatus {
                running: true,
                positioned: false,
                kafka: LinkStatus::untried(),
                cut_off: false,
                registry: LinkStatus::untried(),
                missing: Vec::new(),
                partitions: 0,
                paused: Vec::new(),
                shared_group: None,
                dead_letters: BTreeMap::new(),
                skipped_batch: None,
            }),
            events,
        })
    }

    pub(crate) fn min_offsets(&self) -> MinOffsets {
        self.watermarks.min_offsets()
    }

    /// Every partition is assigned, from a known offset.
    pub(crate) fn on_positioned(&self, partitions: usize) {
        self.on_kafka_up();
        let first = self.status.update(|status| {
            status.partitions = partitions;
            status.missing.retain(|what| !is_kafka_problem(what));
            !std::mem::replace(&mut status.positioned, true)
        });
        if first {
            self.events.consumer_positioned(&self.topic, partitions);
        }
    }

    /// The group has given `given` of `partitions` partitions, and each is assigned, from a known
    /// offset.
    pub(crate) fn on_group_assigned(&self, given: &[i32], partitions: usize) {
        self.on_positioned(given.len());
        let elsewhere = partitions.saturating_sub(given.len());
        self.status.update(|status| {
            status.shared_group = (elsewhere > 0).then(|| SharedGroup {
                group: self.group.clone(),
                other_partitions: elsewhere,
            });
        });
        self.events
            .group_assigned(&self.topic, &self.group, given, elsewhere);
    }

    pub(crate) fn on_group_denied(&self) {
        let group = self.group.clone();
        let rights = "Read";
        self.report_missing(&MissingPrerequisite::GroupRights { group, rights });
    }

    pub(crate) fn on_partitions_added(&self, partitions: usize, added: &[i32]) {
        self.status.update(|status| status.partitions = partitions);
        self.events.partitions_added(&self.topic, partitions, added);
    }

    pub(crate) fn on_topic_gone(&self) {
        self.status.update(|status| status.partitions = 0);
        self.events.topic_gone(&self.topic);
    }

    pub(crate) fn on_kafka_up(&self) {
        if self.status.update(|status| status.kafka.set(true, None)) {
            self.events.kafka_up(ClientRole::Consumer);
        }
    }

    pub(crate) fn on_kafka_down(&self, problem: String) {
        let said = problem.clone();
        if self
            .status
            .update(|status| record_failure(&mut status.kafka, said))
        {
            self.events.kafka_down(ClientRole::Consumer, &problem);
        }
    }

    /// The client had no connection for so long: a new one takes its place.
    pub(crate) fn on_client_replaced(&self, disconnected_for: Duration) {
        self.on_kafka_down(NO_BROKER.to_owned());
        self.events
            .client_replaced(ClientRole::Consumer, disconnected_for);
    }

    /// No client gets a connection, although a broker answers this process.
    pub(crate) fn on_cut_off(&self, disconnected_for: Duration) {
        self.events.cut_off(ClientRole::Consumer, disconnected_for);
        self.status.update(|status| status.cut_off = true);
    }

    pub(crate) fn report_missing(&self, what: &MissingPrerequisite) {
        self.status.update(|status| {
            status::add_missing(&mut status.missing, what.clone());
        });
        self.events.report_missing(ClientRole::Consumer, what);
    }

    /// Clears the missing prerequisites that `is_healed` names.
    pub(crate) fn clear_missing(&self, is_healed: impl Fn(&MissingPrerequisite) -> bool) {
        self.status
            .update(|status| status.missing.retain(|what| !is_healed(what)));
    }

    pub(crate) fn on_registry_up(&self) {
        self.status.update(|status| {
            status.registry.set(true, None);
            status
                .missing
                .retain(|what| *what != MissingPrerequisite::RegistryLogin);
        });
    }

    pub(crate) fn on_registry_down(&self, problem: String) {
        self.status.update(|status| {
            record_failure(&mut status.registry, problem);
            status
                .missing
                .retain(|what| *what != MissingPrerequisite::RegistryLogin);
        });
    }

    pub(crate) fn on_registry_login_refused(&self) {
        let what = MissingPrerequisite::RegistryLogin;
        self.status.update(|status| {
            record_failure(&mut status.registry, what.to_string());
            status::add_missing(&mut status.missing, what);
        });
    }

    /// Reports the partitions that are paused now, and those newly paused and resumed.
    pub(crate) fn set_paused(&self, paused: Vec<i32>, newly: &[i32], resumed: &[i32]) {
        for partition in newly {
            self.events.partition_paused(&self.topic, *partition);
        }
        for partition in resumed {
            self.events.partition_resumed(&self.topic, *partition);
        }
        self.status.update(|status| status.paused = paused);
    }

    /// Reading went on behind a batch that cannot be read.
    pub(crate) fn on_batch_skipped(&self, now: Instant, batch: &UnreadableBatch) {
        self.status.update(|status| {
            status.skipped_batch = Some(SkippedBatch {
                at: now,
                partition: batch.partition,
                first: batch.first,
                last: batch.next - 1,
            });
        });
        self.events
            .batch_skipped(ClientRole::Consumer, &self.topic, batch);
    }

    // === dead letters ===

    /// Their topic cannot be had.
    pub(crate) fn on_dead_letters_unavailable(&self, unready: TopicUnavailable) {
        match unready {
            TopicUnavailable::Missing(what) => {
                self.report_dead_letters_missing(DeadLetterTask::Topic, what)
            }
            // Told by the consumer's own link.
            TopicUnavailable::Down(_) => {}
        }
    }

    /// Takes an error in. True when it is one that somebody has to put right.
    pub(crate) fn on_dead_letter_error(
        &self,
        trouble: DeadLetterTask,
        error: &KafkaError,
        topic: &str,
    ) -> bool {
        let what = error.rdkafka_error_code().and_then(|code| match trouble {
            DeadLetterTask::Group => {
                (code == RDKafkaErrorCode::GroupAuthorizationFailed).then(|| {
                    MissingPrerequisite::GroupRights {
                        group: dead_letter_queue::OWNER_GROUP.to_owned(),
                        rights: "Read",
                    }
                })
            }
            DeadLetterTask::Topic | DeadLetterTask::Write | DeadLetterTask::Read => {
                topic_offsets::missing_by_code(code, topic, dead_letter_queue::REQUIRED_RIGHTS)
            }
        });
        let Some(what) = what else { return false };
        self.report_dead_letters_missing(trouble, what);
        true
    }

    /// That works now.
    pub(crate) fn clear_dead_letter_error(&self, trouble: DeadLetterTask) {
        self.status
            .update(|status| status.dead_letters.remove(&trouble));
    }

    fn report_dead_letters_missing(&self, trouble: DeadLetterTask, what: MissingPrerequisite) {
        let said = what.clone();
        self.status
            .update(|status| status.dead_letters.insert(trouble, said));
        self.events.report_missing(ClientRole::DeadLetters, &what);
    }

    // === the end ===

    /// The thread ends.
    pub(crate) fn on_thread_ended(&self, panicked: bool) {
        if panicked {
            self.events.consumer_panicked(&self.topic);
        } else {
            self.events.consumer_stopped(&self.topic);
        }
        self.status.update(|status| status.running = false);
    }
}

/// The problem named for a client none of whose connections stands.
pub(crate) const NO_BROKER: &str = "no broker is connected";

/// True when this is news: it was up, or not known to be down.
fn record_failure(link: &mut LinkStatus, problem: String) -> bool {
    let unknown = link.problem.is_none();
    link.set(false, Some(problem)) || unknown
}

fn is_kafka_problem(what: &MissingPrerequisite) -> bool {
    *what != MissingPrerequisite::RegistryLogin
}
