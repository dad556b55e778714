//! Plain librdkafka clients for the tests.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::OwnedMessage;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn client(bootstrap_servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap_servers)
        .set("fetch.wait.max.ms", "5");
    config
}

/// Reads a whole topic, every partition from its beginning.
pub(crate) struct Reader(Option<BaseConsumer>);

impl Reader {
    pub(crate) fn new(bootstrap_servers: &str, topic: &str, partitions: i32) -> Self {
        let consumer: BaseConsumer = client(bootstrap_servers)
            .set("group.id", "reader")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            assignment
                .add_partition_offset(topic, partition, Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&assignment).unwrap();
        Self(Some(consumer))
    }

    /// The next record; panics when none comes.
    pub(crate) async fn next(&mut self) -> OwnedMessage {
        let consumer = self.0.take().unwrap();
        let (consumer, record) = spawn_blocking(move || {
            let record = consumer.poll(PATIENCE).unwrap().unwrap().detach();
            (consumer, record)
        })
        .await
        .unwrap();
        self.0 = Some(consumer);
        record
    }
}
