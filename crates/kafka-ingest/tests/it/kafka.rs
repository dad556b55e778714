//! A mock cluster that can be told to fail, a registry, and an answering side that writes Avro by
//! hand.

use std::time::Duration;

use embedded::DemoRegistry;
use kafka_ingest::{ConsumerSettings, KafkaSettings, RegistrySettings, Secret};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::{ClientConfig, Offset};
use types::RecordPosition;

pub(crate) const TOPIC: &str = "respostas";
/// The schema of [`avro`].
pub(crate) const SCHEMA: &str = r#"{"type":"record","name":"Resposta","fields":[
    {"name":"session_id","type":"string"},{"name":"resposta","type":"string"}]}"#;

/// The outside world of one test.
pub(crate) struct Stack {
    pub(crate) cluster: MockCluster<'static, DefaultProducerContext>,
    pub(crate) registry: DemoRegistry,
    producer: FutureProducer,
}

impl Stack {
    /// A cluster of one broker without topics, and a registry without schemas.
    pub(crate) async fn start() -> Self {
        Self::with_brokers(1).await
    }

    /// The same, with more brokers.
    pub(crate) async fn with_brokers(brokers: i32) -> Self {
        let cluster = MockCluster::new(brokers).unwrap();
        let producer = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .set("linger.ms", "0")
            .create()
            .unwrap();
        Self {
            cluster,
            registry: DemoRegistry::start(0).await.unwrap(),
            producer,
        }
    }

    /// The same, with the answers' topic.
    pub(crate) async fn with_topic(partitions: i32) -> Self {
        let stack = Self::start().await;
        stack.cluster.create_topic(TOPIC, partitions, 1).unwrap();
        stack
    }

    pub(crate) fn settings(&self) -> ConsumerSettings {
        let mut kafka = KafkaSettings::new(self.cluster.bootstrap_servers());
        // The mock does not wake a fetch up when a record comes, and the tests are in a hurry.
        for (name, value) in [
            ("fetch.wait.max.ms", "5"),
            ("topic.metadata.refresh.interval.ms", "200"),
            ("reconnect.backoff.max.ms", "100"),
        ] {
            kafka.properties.insert(name.to_owned(), Secret::new(value));
        }
        ConsumerSettings::new(kafka, RegistrySettings::new(self.registry.url()))
    }

    /// Registers [`SCHEMA`] and returns its id.
    pub(crate) fn register(&self) -> u32 {
        self.registry.register("respostas-value", SCHEMA).unwrap()
    }

    pub(crate) async fn write(&self, partition: i32, value: &[u8]) -> RecordPosition {
        self.write_with(partition, Some(value), OwnedHeaders::new())
            .await
    }

    pub(crate) async fn write_with(
        &self,
        partition: i32,
        value: Option<&[u8]>,
        headers: OwnedHeaders,
    ) -> RecordPosition {
        self.write_keyed(partition, None, value, headers).await
    }

    pub(crate) async fn write_keyed(
        &self,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: OwnedHeaders,
    ) -> RecordPosition {
        self.send(FutureRecord {
            topic: TOPIC,
            partition: Some(partition),
            payload: value,
            key,
            timestamp: None,
            headers: Some(headers),
        })
        .await
    }

    /// Writes to another topic.
    pub(crate) async fn write_to(
        &self,
        topic: &str,
        partition: i32,
        value: &[u8],
        headers: OwnedHeaders,
    ) -> RecordPosition {
        let record = FutureRecord::to(topic)
            .partition(partition)
            .payload(value)
            .headers(headers);
        self.send(record).await
    }

    async fn send(&self, record: FutureRecord<'_, [u8], [u8]>) -> RecordPosition {
        let written = self.producer.send(record, Duration::from_secs(30)).await;
        let written = written.map_err(|(error, _)| error).unwrap();
        RecordPosition {
            partition: written.partition,
            offset: written.offset,
        }
    }
}

/// A record as it stands in a topic.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Copy {
    /// The last header of that name, as text.
    pub(crate) fn last(&self, name: &str) -> Option<String> {
        let of_that_name = |(known, _): &&(String, _)| known == name;
        let (_, value) = self.headers.iter().rev().find(of_that_name)?;
        String::from_utf8(value.clone()?).ok()
    }
}

impl Stack {
    /// Everything that stands in a topic now.
    pub(crate) fn read_all(&self, topic: &str, partitions: i32) -> Vec<Copy> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.cluster.bootstrap_servers())
            .set("group.id", "witness")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "5")
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            let begin = Offset::Beginning;
            list.add_partition_offset(topic, partition, begin).unwrap();
        }
        consumer.assign(&list).unwrap();
        let (mut copies, mut open) = (Vec::new(), partitions);
        while open > 0 {
            match consumer.poll(Duration::from_secs(10)) {
                Some(Ok(record)) => copies.push(Copy {
                    key: record.key().map(<[u8]>::to_vec),
                    value: record.payload().map(<[u8]>::to_vec),
                    headers: record.headers().map_or_else(Vec::new, |headers| {
                        let pair = |header: Header<'_, &[u8]>| {
                            let value = header.value.map(<[u8]>::to_vec);
                            (header.key.to_owned(), value)
                        };
                        headers.iter().map(pair).collect()
                    }),
                }),
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                other => panic!("{other:?}"),
            }
        }
        copies
    }
}

pub(crate) fn header<'a>(name: &'a str, value: &'a [u8]) -> Header<'a, &'a [u8]> {
    Header {
        key: name,
        value: Some(value),
    }
}

/// An answer under [`SCHEMA`], framed with `schema`.
pub(crate) fn avro(schema: u32, session: &str, answer: &str) -> Vec<u8> {
    let mut value = vec![0];
    value.extend(schema.to_be_bytes());
    for text in [session, answer] {
        // A length's zigzag varint.
        let mut length = text.len() << 1;
        while length > 0x7f {
            value.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        value.push(length as u8);
        value.extend(text.as_bytes());
    }
    value
}
