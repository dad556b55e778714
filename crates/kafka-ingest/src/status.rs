//! Statuses for readiness and for people: what works and what is missing. Cheap to read from any thread; no
//! secret and nothing of a record is ever in here.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Instant, SystemTime};

use tokio::sync::watch;

/// The state of a connection to something outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStatus {
    /// True when it answered the last time it was needed.
    pub up: bool,
    /// The time at which `up` last changed.
    pub since: SystemTime,
    /// The reason for which it is not up, once that is known.
    pub problem: Option<String>,
}

/// The state of the consumer of answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerStatus {
    /// False once the consumer's thread has ended, stopped or not.
    pub running: bool,
    /// True from the moment on that no answer written later can be missed. Stays true: whatever
    /// fails afterwards delays answers and loses none.
    pub positioned: bool,
    /// Kafka, as the consumer sees it.
    pub kafka: LinkStatus,
    /// True once no new client gets a connection although a broker answers this process: only another
    /// process may.
    pub cut_off: bool,
    /// The schema registry, as far as answers need it.
    pub registry: LinkStatus,
    /// Prerequisites that somebody has to put right before answers are read.
    pub missing: Vec<MissingPrerequisite>,
    /// The number of partitions that are read.
    pub partitions: usize,
    /// Partitions that wait until the registry answers, ascending.
    pub paused: Vec<i32>,
    /// The consumer group, if another member of it reads partitions too.
    pub shared_group: Option<SharedGroup>,
    /// Prerequisites that somebody has to put right before dead letters are written, by the task they are in the
    /// way of. Answers do not depend on it.
    pub dead_letters: BTreeMap<DeadLetterTask, MissingPrerequisite>,
    /// The batch that was stepped over last because it cannot be read.
    pub skipped_batch: Option<SkippedBatch>,
}

/// A batch of the answers' topic that cannot be read, by this replica or any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkippedBatch {
    /// The time at which reading went on behind it.
    pub at: Instant,
    /// Its partition.
    pub partition: i32,
    /// The offset of its first record.
    pub first: i64,
    /// The offset of its last record.
    pub last: i64,
}

/// A consumer group with another member. Answers in that member's partitions do not come here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedGroup {
    /// The group's id.
    pub group: String,
    /// The number of partitions that are read elsewhere.
    pub other_partitions: usize,
}

/// A task of the dead letters that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeadLetterTask {
    /// Finding their topic.
    Topic,
    /// Writing copies to it.
    Write,
    /// Seeing the copies of other replicas.
    Read,
    /// Taking part in the group that names the owner of each partition.
    Group,
}

/// The state of the publisher of questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherStatus {
    /// False once it was stopped.
    pub running: bool,
    /// Kafka, as the producer sees it.
    pub kafka: LinkStatus,
    /// True once no new client gets a connection although a broker answers this process: only another
    /// process may.
    pub cut_off: bool,
    /// The schema registry, as far as questions need it.
    pub registry: LinkStatus,
    /// Prerequisites that somebody has to put right before questions can be published.
    pub missing: Vec<MissingPrerequisite>,
    /// The number of the schema questions are written with; `None` before there is one.
    pub schema: Option<u32>,
    /// False while a producer that failed for good is being replaced.
    pub has_producer: bool,
}

impl PublisherStatus {
    /// True when a question can be published, as far as is known.
    pub fn is_ready(&self) -> bool {
        self.running && self.has_producer && self.schema.is_some() && self.missing.is_empty()
    }
}

/// Something that a person has to put right. `Display` says what, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MissingPrerequisite {
    /// The topic does not exist.
    Topic {
        /// Its name.
        topic: String,
    },
    /// Kafka's access rules refuse the topic.
    TopicRights {
        /// Its name.
        topic: String,
        /// The rights that are needed, as Kafka names them.
        rights: &'static str,
    },
    /// Kafka's access rules refuse the consumer group.
    GroupRights {
        /// Its name.
        group: String,
        /// The rights that are needed, as Kafka names them.
        rights: &'static str,
    },
    /// Kafka refuses the login.
    Login,
    /// The TLS connection to Kafka is refused by either side.
    Tls,
    /// The registry has no schema for questions, and none may be registered.
    Schema {
        /// The subject.
        subject: String,
    },
    /// The registry's latest schema for questions cannot be used, and there is no older good one.
    UnusableSchema {
        /// The subject.
        subject: String,
        /// The reason.
        reason: String,
    },
    /// The registry refuses the login, or the right to read.
    RegistryLogin,
}

impl fmt::Display for MissingPrerequisite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic { topic } => write!(f, "the topic {topic} does not exist"),
            Self::TopicRights { topic, rights } => {
                write!(
                    f,
                    "Kafka denies access to the topic {topic}: {rights} needed"
                )
            }
            Self::GroupRights { group, rights } => {
                write!(
                    f,
                    "Kafka denies access to the group {group}: {rights} needed"
                )
            }
            Self::Login => f.write_str("Kafka refuses the login"),
            Self::Tls => f.write_str("the TLS connection to Kafka fails"),
            Self::Schema { subject } => {
                write!(f, "the registry has no schema for the subject {subject}")
            }
            Self::UnusableSchema { subject, reason } => {
                write!(
                    f,
                    "the schema of the subject {subject} cannot be used: {reason}"
                )
            }
            Self::RegistryLogin => f.write_str("the schema registry refuses the login"),
        }
    }
}

impl LinkStatus {
    /// Down since now, for no known reason: nothing was tried yet.
    pub(crate) fn untried() -> Self {
        Self {
            up: false,
            since: SystemTime::now(),
            problem: None,
        }
    }

    /// Takes the present state. True when `up` changed.
    pub(crate) fn set(&mut self, up: bool, problem: Option<String>) -> bool {
        let changed = self.up != up;
        if changed {
            self.since = SystemTime::now();
        }
        self.up = up;
        self.problem = problem;
        changed
    }

    /// Takes a failure. True when it is news: it was up, or nothing was known yet.
    pub(crate) fn record_failure(&mut self, problem: String) -> bool {
        let untried = self.problem.is_none();
        self.set(false, Some(problem)) || untried
    }
}

/// A status that one side writes and others read or watch.
#[derive(Debug)]
pub(crate) struct StatusBoard<S>(watch::Sender<S>);

impl<S: Clone + PartialEq> StatusBoard<S> {
    pub(crate) fn new(status: S) -> Self {
        Self(watch::Sender::new(status))
    }

    /// Changes the status; whoever watches is told only if it is another one afterwards.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut S) -> T) -> T {
        let mut result = None;
        self.0.send_if_modified(|status| {
            let before = status.clone();
            result = Some(change(status));
            *status != before
        });
        result.expect("send_if_modified calls its closure once")
    }

    pub(crate) fn read(&self) -> S {
        self.0.borrow().clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<S> {
        self.0.subscribe()
    }
}

/// Adds `what` unless it is there. True when it was not.
pub(crate) fn add_missing(
    missing: &mut Vec<MissingPrerequisite>,
    what: MissingPrerequisite,
) -> bool {
    let new = !missing.contains(&what);
    if new {
        missing.push(what);
        missing.sort();
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_keeps_the_time_of_its_last_change() {
        let mut link = LinkStatus::untried();
        assert!(!link.set(false, Some("refused".to_owned())), "still down");
        assert_eq!(link.problem.as_deref(), Some("refused"));
        let down_since = link.since;
        assert!(link.set(true, None));
        assert!(link.since >= down_since);
        let up_since = link.since;
        assert!(!link.set(true, None));
        assert_eq!(link.since, up_since);
    }

    #[test]
    fn watchers_hear_of_changes_only() {
        let board = StatusBoard::new(LinkStatus::untried());
        let mut watcher = board.watch();
        board.update(|link| link.set(false, None));
        assert!(!watcher.has_changed().unwrap());
        assert!(board.update(|link| link.set(true, None)));
        assert!(watcher.has_changed().unwrap());
        assert!(watcher.borrow_and_update().up);
        assert!(board.read().up);
    }

    #[test]
    fn a_missing_thing_is_named_once() {
        let mut missing = Vec::new();
        assert!(add_missing(&mut missing, MissingPrerequisite::Login));
        assert!(!add_missing(&mut missing, MissingPrerequisite::Login));
        assert_eq!(missing, [MissingPrerequisite::Login]);
    }

    #[test]
    fn what_is_missing_is_said_in_a_sentence() {
        let topic = || "respostas".to_owned();
        let said = [
            MissingPrerequisite::Topic { topic: topic() },
            MissingPrerequisite::TopicRights {
                topic: topic(),
                rights: "Read",
            },
            MissingPrerequisite::GroupRights {
                group: "a-group".to_owned(),
                rights: "Read",
            },
        ]
        .map(|missing| missing.to_string());
        assert_eq!(
            said,
            [
                "the topic respostas does not exist",
                "Kafka denies access to the topic respostas: Read needed",
                "Kafka denies access to the group a-group: Read needed"
            ]
        );
    }
}
