//! The broker, through plain librdkafka clients.

use std::net::{SocketAddr, TcpStream};

use embedded::{BrokerError, DemoBroker, DemoTopic};
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, Headers as _, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::kafka::{PATIENCE, Reader, client};

#[tokio::test]
async fn a_record_comes_back_with_its_key_and_headers() {
    let broker = DemoBroker::start(&[topic("perguntas", 3)]).unwrap();
    let producer: FutureProducer = client(broker.bootstrap_servers()).create().unwrap();
    let headers = OwnedHeaders::new().insert(Header {
        key: "question-id",
        value: Some("q1"),
    });
    let record = FutureRecord::to("perguntas")
        .key("k")
        .payload("v")
        .partition(2)
        .headers(headers);
    producer.send(record, PATIENCE).await.unwrap();

    let mut reader = Reader::new(broker.bootstrap_servers(), "perguntas", 3);
    let record = reader.next().await;
    assert_eq!(record.key(), Some("k".as_bytes()));
    assert_eq!(record.payload(), Some("v".as_bytes()));
    let header = record.headers().unwrap().get_as::<str>(0).unwrap();
    assert_eq!((header.key, header.value), ("question-id", Some("q1")));
}

#[test]
fn its_topics_have_their_partitions_before_anybody_connects() {
    let broker = DemoBroker::start(&[topic("perguntas", 3), topic("respostas", 7)]).unwrap();
    let consumer: BaseConsumer = client(broker.bootstrap_servers()).create().unwrap();
    let metadata = consumer.fetch_metadata(None, PATIENCE).unwrap();
    let mut topics: Vec<_> = metadata
        .topics()
        .iter()
        .map(|topic| (topic.name(), topic.partitions().len()))
        .collect();
    topics.sort_unstable();
    assert_eq!(topics, [("perguntas", 3), ("respostas", 7)]);
}

#[test]
fn a_topic_that_cannot_be_is_named() {
    let error = DemoBroker::start(&[topic("a", 1), topic("b", 0)]).unwrap_err();
    assert!(
        matches!(&error, BrokerError::NoPartitions { name } if name == "b"),
        "{error:?}"
    );
    let error = DemoBroker::start(&[topic("a", 1), topic("a", 1)]).unwrap_err();
    assert!(
        matches!(&error, BrokerError::Topic { name, .. } if name == "a"),
        "{error:?}"
    );
}

#[test]
fn a_stopped_broker_leaves_no_port() {
    let broker = DemoBroker::start(&[topic("perguntas", 1)]).unwrap();
    let address: SocketAddr = broker.bootstrap_servers().parse().unwrap();
    TcpStream::connect(address).unwrap();
    broker.stop();
    TcpStream::connect(address).unwrap_err();
}

fn topic(name: &str, partitions: u16) -> DemoTopic {
    DemoTopic {
        name: name.to_owned(),
        partitions,
    }
}
