//! What the consumer says of itself: the status that others read, and the events that go with its
//! changes. One place, so that neither is changed without the other.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use telemetry::Pulse;
use types::AnswerFloor;

use crate::StartError;
use crate::events::{Client, Events};
use crate::floor::Marks;
use crate::positions::{self, Unready};
use crate::status::{
    self, Board, ConsumerStatus, DeadLetterTrouble, Link, Missing, SharedGroup, SteppedOver,
};
use crate::unreadable::UnreadableBatch;
use crate::{dead_letters, native};

/// What the consumer's thread and the handle share.
#[derive(Debug)]
pub(crate) struct Reporting {
    pub(crate) topic: Arc<str>,
    /// The consumer group.
    group: String,
    /// The topic's name as librdkafka takes it.
    pub(crate) topic_name: CString,
    pub(crate) marks: Marks,
    pub(crate) pulse: Pulse,
    pub(crate) board: Board<ConsumerStatus>,
    pub(crate) events: Arc<Events>,
}

impl Reporting {
    pub(crate) fn new(topic: &str, group: &str, events: Arc<Events>) -> Result<Self, StartError> {
        Ok(Self {
            topic: topic.into(),
            group: group.to_owned(),
            topic_name: native::topic_name(topic).ok_or(StartError::TopicName)?,
            marks: Marks::default(),
            pulse: Pulse::new(Instant::now()),
            board: Board::new(ConsumerStatus {
                running: true,
                positioned: false,
                kafka: Link::untried(),
                cut_off: false,
                registry: Link::untried(),
                missing: Vec::new(),
                partitions: 0,
                paused: Vec::new(),
                shared: None,
                dead_letters: BTreeMap::new(),
                stepped_over: None,
            }),
            events,
        })
    }

    pub(crate) fn floor(&self) -> AnswerFloor {
        self.marks.floor()
    }

    /// Every partition is assigned, from a known offset.
    pub(crate) fn opened(&self, partitions: usize) {
        self.kafka_up();
        let first = self.board.update(|status| {
            status.partitions = partitions;
            status.missing.retain(|what| !is_kafkas(what));
            !std::mem::replace(&mut status.positioned, true)
        });
        if first {
            self.events.consumer_positioned(&self.topic, partitions);
        }
    }

    /// The group has given `given` of `partitions` partitions, and each is assigned, from a known
    /// offset.
    pub(crate) fn given(&self, given: &[i32], partitions: usize) {
        self.opened(given.len());
        let elsewhere = partitions.saturating_sub(given.len());
        self.board.update(|status| {
            status.shared = (elsewhere > 0).then(|| SharedGroup {
                group: self.group.clone(),
                elsewhere,
            });
        });
        self.events
            .group_assigned(&self.topic, &self.group, given, elsewhere);
    }

    pub(crate) fn group_denied(&self) {
        let group = self.group.clone();
        let rights = "Read";
        self.missing(&Missing::GroupRight { group, rights });
    }

    pub(crate) fn partitions_added(&self, partitions: usize, added: &[i32]) {
        self.board.update(|status| status.partitions = partitions);
        self.events.partitions_added(&self.topic, partitions, added);
    }

    pub(crate) fn topic_gone(&self) {
        self.board.update(|status| status.partitions = 0);
        self.events.topic_gone(&self.topic);
    }

    pub(crate) fn kafka_up(&self) {
        if self.board.update(|status| status.kafka.set(true, None)) {
            self.events.kafka_up(Client::Consumer);
        }
    }

    pub(crate) fn kafka_down(&self, problem: String) {
        let said = problem.clone();
        if self.board.update(|status| fails(&mut status.kafka, said)) {
            self.events.kafka_down(Client::Consumer, &problem);
        }
    }

    /// The client had no connection for so long: a new one takes its place.
    pub(crate) fn client_replaced(&self, disconnected_for: Duration) {
        self.kafka_down(NO_BROKER.to_owned());
        self.events
            .client_replaced(Client::Consumer, disconnected_for);
    }

    /// No client gets a connection, although a broker answers this process.
    pub(crate) fn cut_off(&self, disconnected_for: Duration) {
        self.events.cut_off(Client::Consumer, disconnected_for);
        self.board.update(|status| status.cut_off = true);
    }

    pub(crate) fn missing(&self, what: &Missing) {
        self.board.update(|status| {
            status::add(&mut status.missing, what.clone());
        });
        self.events.missing(Client::Consumer, what);
    }

    /// What `is_healed` names is there now.
    pub(crate) fn healed(&self, is_healed: impl Fn(&Missing) -> bool) {
        self.board
            .update(|status| status.missing.retain(|what| !is_healed(what)));
    }

    pub(crate) fn registry_up(&self) {
        self.board.update(|status| {
            status.registry.set(true, None);
            status
                .missing
                .retain(|what| *what != Missing::RegistryLogin);
        });
    }

    pub(crate) fn registry_down(&self, problem: String) {
        self.board.update(|status| {
            fails(&mut status.registry, problem);
            status
                .missing
                .retain(|what| *what != Missing::RegistryLogin);
        });
    }

    pub(crate) fn registry_login_refused(&self) {
        let what = Missing::RegistryLogin;
        self.board.update(|status| {
            fails(&mut status.registry, what.to_string());
            status::add(&mut status.missing, what);
        });
    }

    /// Which partitions are paused now, and which of them newly.
    pub(crate) fn paused(&self, paused: Vec<i32>, newly: &[i32], resumed: &[i32]) {
        for partition in newly {
            self.events.partition_paused(&self.topic, *partition);
        }
        for partition in resumed {
            self.events.partition_resumed(&self.topic, *partition);
        }
        self.board.update(|status| status.paused = paused);
    }

    /// Reading went on behind a batch that cannot be read.
    pub(crate) fn stepped_over(&self, now: Instant, batch: &UnreadableBatch) {
        self.board.update(|status| {
            status.stepped_over = Some(SteppedOver {
                at: now,
                partition: batch.partition,
                first: batch.first,
                last: batch.next - 1,
            });
        });
        self.events
            .stepped_over(Client::Consumer, &self.topic, batch);
    }

    // === dead letters ===

    /// Their topic cannot be had.
    pub(crate) fn dead_letters_unready(&self, unready: Unready) {
        match unready {
            Unready::Missing(what) => self.dead_letters_miss(DeadLetterTrouble::Topic, what),
            // Told by the consumer's own link.
            Unready::Down(_) => {}
        }
    }

    /// Takes an error in. True when it is one that somebody has to put right.
    pub(crate) fn dead_letters_trouble(
        &self,
        trouble: DeadLetterTrouble,
        error: &KafkaError,
        topic: &str,
    ) -> bool {
        let what = error.rdkafka_error_code().and_then(|code| match trouble {
            DeadLetterTrouble::Group => {
                (code == RDKafkaErrorCode::GroupAuthorizationFailed).then(|| Missing::GroupRight {
                    group: dead_letters::GROUP.to_owned(),
                    rights: "Read",
                })
            }
            DeadLetterTrouble::Topic | DeadLetterTrouble::Write | DeadLetterTrouble::Read => {
                positions::missing(code, topic, dead_letters::RIGHTS)
            }
        });
        let Some(what) = what else { return false };
        self.dead_letters_miss(trouble, what);
        true
    }

    /// That works now.
    pub(crate) fn dead_letters_healed(&self, trouble: DeadLetterTrouble) {
        self.board
            .update(|status| status.dead_letters.remove(&trouble));
    }

    fn dead_letters_miss(&self, trouble: DeadLetterTrouble, what: Missing) {
        let said = what.clone();
        self.board
            .update(|status| status.dead_letters.insert(trouble, said));
        self.events.missing(Client::DeadLetters, &what);
    }

    // === the end ===

    /// The thread ends.
    pub(crate) fn ended(&self, panicked: bool) {
        if panicked {
            self.events.consumer_panicked(&self.topic);
        } else {
            self.events.consumer_stopped(&self.topic);
        }
        self.board.update(|status| status.running = false);
    }
}

/// The problem named for a client none of whose connections stands.
pub(crate) const NO_BROKER: &str = "no broker is connected";

/// True when this is news: it was up, or not known to be down.
fn fails(link: &mut Link, problem: String) -> bool {
    let unknown = link.problem.is_none();
    link.set(false, Some(problem)) || unknown
}

fn is_kafkas(what: &Missing) -> bool {
    *what != Missing::RegistryLogin
}
