//! Tests the reports and the recovery while the topic, the right to it, or Kafka itself is missing.

use std::time::Duration;

use kafka_ingest::status::{ConsumerStatus, MissingPrerequisite};
use kafka_ingest::{ConsumerSettings, KafkaSettings, RegistrySettings};
use rdkafka::types::RDKafkaRespErr;

use crate::answers::{Reading, eventually};
use crate::kafka::{Stack, TOPIC, avro};

fn topic() -> MissingPrerequisite {
    MissingPrerequisite::Topic {
        topic: TOPIC.to_owned(),
    }
}

fn right() -> MissingPrerequisite {
    MissingPrerequisite::TopicRights {
        topic: TOPIC.to_owned(),
        rights: "Describe and Read",
    }
}

fn is_well(status: &ConsumerStatus) -> bool {
    status.positioned && status.kafka.up && status.missing.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_named_and_read_once_it_appears() {
    let stack = Stack::start().await;
    let schema = stack.register();
    let reading = Reading::start(stack.settings());
    reading
        .until("missing", |status| status.missing == [topic()])
        .await;
    assert!(!reading.handle.status().positioned);

    stack.cluster.create_topic(TOPIC, 2, 1).unwrap();
    reading.until("well", is_well).await;
    assert_eq!(reading.handle.status().partitions, 2);
    stack.write(1, &avro(schema, "s", "yes")).await;
    reading.expect(&["yes"]).await;
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_topic_is_named_with_the_rights_that_are_needed() {
    let stack = Stack::with_topic(1).await;
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    stack.cluster.topic_error(TOPIC, denied).unwrap();
    let reading = Reading::start(stack.settings());
    reading
        .until("denied", |status| status.missing == [right()])
        .await;
    assert!(!reading.handle.status().positioned);

    let granted = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    stack.cluster.topic_error(TOPIC, granted).unwrap();
    reading.until("well", is_well).await;
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_missing_for_a_moment_is_read_on_from_where_it_stood() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    let reading = Reading::positioned(stack.settings()).await;
    stack.write(0, &avro(schema, "s", "one")).await;
    reading.expect(&["one"]).await;

    let missing = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    stack.cluster.topic_error(TOPIC, missing).unwrap();
    reading
        .until("missing", |status| status.missing == [topic()])
        .await;
    let back = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    stack.cluster.topic_error(TOPIC, back).unwrap();
    reading.until("well", is_well).await;
    stack.write(0, &avro(schema, "s", "two")).await;
    reading.expect(&["one", "two"]).await;
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_gone_is_read_from_its_beginning() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    let reading = Reading::positioned(stack.settings()).await;
    stack.write(0, &avro(schema, "s", "one")).await;
    reading.expect(&["one"]).await;

    let missing = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    stack.cluster.topic_error(TOPIC, missing).unwrap();
    reading.until("gone", |status| status.partitions == 0).await;
    let back = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    stack.cluster.topic_error(TOPIC, back).unwrap();
    reading.expect(&["one", "one"]).await;
    assert!(is_well(&reading.handle.status()));
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_delays_answers_and_loses_none() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    let reading = Reading::positioned(stack.settings()).await;
    stack.write(0, &avro(schema, "s", "before")).await;
    reading.expect(&["before"]).await;

    stack.cluster.broker_down(1).unwrap();
    reading.until("down", |status| !status.kafka.up).await;
    let status = reading.handle.status();
    assert!(status.positioned, "nothing is missed meanwhile");
    assert!(status.kafka.problem.is_some());
    stack.cluster.broker_up(1).unwrap();
    stack.write(0, &avro(schema, "s", "after")).await;
    reading.expect(&["before", "after"]).await;
    reading.until("well", is_well).await;
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_broker_the_status_says_so_and_a_stop_does_not_hang() {
    let kafka = KafkaSettings::new("127.0.0.1:1");
    let registry = RegistrySettings::new("http://127.0.0.1:1");
    let reading = Reading::start(ConsumerSettings::new(kafka, registry));
    let is_down = |status: &ConsumerStatus| status.kafka.problem.is_some();
    reading.until("down", is_down).await;
    assert!(!reading.handle.status().positioned);
    tokio::time::timeout(Duration::from_secs(10), reading.handle.stop())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_leader_delays_answers_and_loses_none() {
    let stack = Stack::with_brokers(3).await;
    stack.cluster.create_topic(TOPIC, 1, 3).unwrap();
    let schema = stack.register();
    let reading = Reading::positioned(stack.settings()).await;
    let mut expected = Vec::new();
    for leader in [2, 3, 1, 2] {
        stack
            .cluster
            .partition_leader(TOPIC, 0, Some(leader))
            .unwrap();
        stack.write(0, &avro(schema, "s", "moved")).await;
        expected.push("moved");
        reading.expect(&expected).await;
    }
    let floor = reading.handle.min_offsets();
    let last = *reading.answers.positions().last().unwrap();
    eventually("the floor follows", || floor.excludes(last)).await;
    reading.handle.stop().await;
}
