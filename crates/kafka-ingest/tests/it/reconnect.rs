//! Clients that have had no broker for too long are replaced by new ones, and nothing is lost by that.

use std::time::Duration;

use types::{Persisted, PublishFailure};

use crate::answers::{Reading, eventually};
use crate::kafka::{Stack, TOPIC, avro};
use crate::questions::{Asking, question};

const REPLACED: &str = "answer_gateway_kafka_clients_replaced_total";
/// Some statistics of librdkafka, which come once a second, fit into it.
const TIMEOUT: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn every_client_that_reads_is_replaced_and_answers_go_on_where_they_stood() {
    let stack = Stack::with_topic(2).await;
    let schema = stack.register();
    stack.cluster.create_topic("respostas.dlq", 1, 1).unwrap();
    let mut settings = stack.settings();
    settings.kafka.reconnect_timeout = TIMEOUT;
    settings.dead_letter_topic = Some("respostas.dlq".to_owned());
    let reading = Reading::positioned(settings).await;
    stack.write(0, &avro(schema, "s-1", "one")).await;
    stack.write(1, &avro(schema, "s-2", "two")).await;
    eventually("both come", || reading.answers.texts().len() == 2).await;

    stack.cluster.broker_down(1).unwrap();
    for client in ["consumer", "recall", "dead_letters"] {
        let what = format!("the client {client} is replaced");
        eventually(&what, || reading.count(REPLACED, client) >= 1.0).await;
    }
    assert!(!reading.handle.status().kafka.up);
    stack.cluster.broker_up(1).unwrap();
    stack.write(0, &avro(schema, "s-1", "three")).await;
    eventually("the next comes", || reading.answers.texts().len() >= 3).await;
    reading.until("up", |status| status.kafka.up).await;
    stack.write(1, &avro(schema, "s-2", "four")).await;
    eventually("the last comes", || reading.answers.texts().len() >= 4).await;
    let mut positions = reading.answers.positions();
    positions.sort_by_key(|at| (at.partition, at.offset));
    let positions: Vec<_> = positions
        .iter()
        .map(|at| (at.partition, at.offset))
        .collect();
    assert_eq!(positions, [(0, 0), (0, 1), (1, 0), (1, 1)], "{TOPIC}");
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_of_a_replaced_producer_are_reported_once_as_possibly_written() {
    let stack = Stack::for_questions().await;
    let mut settings = stack.publisher_settings();
    settings.kafka.reconnect_timeout = TIMEOUT;
    // Only the replacement ends their wait.
    settings.publish_timeout = Duration::from_secs(300);
    let asking = Asking::ready(settings).await;
    stack.cluster.broker_down(1).unwrap();
    asking.until("down", |status| !status.kafka.up).await;
    for _ in 0..3 {
        asking.ask(question("s-1"), None);
    }
    let persisted = Persisted::Maybe;
    for _ in 0..3 {
        assert_eq!(asking.next(), Err(PublishFailure { persisted }));
    }
    eventually("it is counted", || {
        asking.count(REPLACED, "producer") >= 1.0
    })
    .await;
    stack.cluster.broker_up(1).unwrap();
    asking
        .until("up again", |status| status.kafka.up && status.has_producer)
        .await;
    assert_eq!(asking.outcome("s-2"), Ok(()));
    assert_eq!(asking.rest().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_connected_stays() {
    let stack = Stack::for_questions().await;
    stack.cluster.create_topic(TOPIC, 1, 1).unwrap();
    let mut settings = stack.settings();
    settings.kafka.reconnect_timeout = TIMEOUT;
    let reading = Reading::positioned(settings).await;
    // A role that is without a broker shows that enough time has passed.
    let mut away = stack.settings();
    away.kafka.bootstrap_servers = "127.0.0.1:1".to_owned();
    away.kafka.reconnect_timeout = TIMEOUT;
    let cut_off = Reading::start(away);
    eventually("the other is replaced twice", || {
        cut_off.count(REPLACED, "consumer") >= 2.0
    })
    .await;
    assert_eq!(reading.count(REPLACED, "consumer"), 0.0);
    assert_eq!(reading.count(REPLACED, "recall"), 0.0);
    cut_off.handle.stop().await;
    reading.handle.stop().await;
}
