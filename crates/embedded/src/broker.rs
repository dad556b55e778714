//! The in-process Kafka broker: librdkafka's mock cluster with one broker, speaking the real
//! protocol over TCP on a random loopback port.
//!
//! Good for a demo and as a test double. It keeps 5 MiB or 100,000 record batches a partition and
//! nothing after it stops, answers no look-up by time, knows no TLS, SASL or Admin API, and its
//! fetches do not wake up when a record arrives: consumers set `fetch.wait.max.ms` to 5.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;

use crate::events;

/// A running broker. Dropping it stops it.
#[derive(Debug)]
pub struct DemoBroker {
    bootstrap_servers: String,
    /// Dropped to end the thread, which waits for nothing else.
    running: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl DemoBroker {
    /// Starts a broker that has `topics`, and returns once it can be connected to (about a
    /// millisecond). A topic that is not among them is created with four partitions at its first
    /// use.
    ///
    /// # Errors
    /// When librdkafka refuses to set it up, a topic is named twice or has no partition, or the system
    /// gives no thread.
    pub fn start(topics: &[DemoTopic]) -> Result<Self, BrokerError> {
        let topics = topics.to_vec();
        let (started_tx, started) = sync_channel(1);
        let (running, stop) = channel();
        let thread = thread::Builder::new()
            .name("embedded-broker".to_owned())
            .spawn(move || serve(&topics, &started_tx, &stop))
            .map_err(BrokerError::Thread)?;
        let mut broker = Self {
            bootstrap_servers: String::new(),
            running: Some(running),
            thread: Some(thread),
        };
        broker.bootstrap_servers = started.recv().unwrap_or(Err(BrokerError::Died))?;
        events::broker_started(&broker.bootstrap_servers);
        Ok(broker)
    }

    /// `host:port` of the broker, as clients take it for `bootstrap.servers`.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// Stops the broker and returns once its threads have ended and its port is free; blocks for
    /// some milliseconds. Everything it kept is gone.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for DemoBroker {
    fn drop(&mut self) {
        drop(self.running.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if matches!(ended, Some(Ok(()))) && !self.bootstrap_servers.is_empty() {
            events::broker_stopped(&self.bootstrap_servers);
        }
    }
}

/// A topic the broker has from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoTopic {
    /// Its name.
    pub name: String,
    /// The number of partitions, at least one.
    pub partitions: u16,
}

/// The reason for which the broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// librdkafka could not set the cluster up.
    #[error("the embedded broker does not start")]
    Cluster(#[source] KafkaError),
    /// Its thread ended without a word.
    #[error("the embedded broker's thread died at its start")]
    Died,
    /// A topic was to have no partition.
    #[error("the embedded broker's topic {name:?} needs at least one partition")]
    NoPartitions {
        /// The topic.
        name: String,
    },
    /// The system gave no thread.
    #[error("no thread for the embedded broker")]
    Thread(#[source] io::Error),
    /// A topic could not be created.
    #[error("the embedded broker cannot create the topic {name:?} with {partitions} partitions")]
    Topic {
        /// The topic.
        name: String,
        /// The number of partitions it was to have.
        partitions: u16,
        /// The error in librdkafka's words.
        source: KafkaError,
    },
}

/// The broker's thread: the cluster is not `Send`, so it is created, kept and dropped here.
fn serve(
    topics: &[DemoTopic],
    started: &SyncSender<Result<String, BrokerError>>,
    stop: &Receiver<Infallible>,
) {
    let report = |outcome| {
        started
            .send(outcome)
            .expect("the starting thread waits for the report");
    };
    match cluster(topics) {
        Ok(cluster) => {
            report(Ok(cluster.bootstrap_servers()));
            let Err(_sender_dropped) = stop.recv();
        }
        Err(error) => report(Err(error)),
    }
}

fn cluster(
    topics: &[DemoTopic],
) -> Result<MockCluster<'static, impl rdkafka::ClientContext + use<>>, BrokerError> {
    let cluster = MockCluster::new(1).map_err(BrokerError::Cluster)?;
    for DemoTopic { name, partitions } in topics {
        if *partitions == 0 {
            return Err(BrokerError::NoPartitions { name: name.clone() });
        }
        cluster
            .create_topic(name, i32::from(*partitions), 1)
            .map_err(|source| BrokerError::Topic {
                name: name.clone(),
                partitions: *partitions,
                source,
            })?;
    }
    Ok(cluster)
}
