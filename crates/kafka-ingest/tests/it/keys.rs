//! Records of other replicas, told by their keys: what is passed over, and that nothing is lost when
//! the keys turn out to be something else.

use std::time::Duration;

use kafka_ingest::ConsumerSettings;
use kafka_ingest::status::KeyBelief;
use rdkafka::message::OwnedHeaders;
use types::RecordPosition;

use crate::answers::{Reading, eventually};
use crate::kafka::{Keyed, SCHEMA, Stack, avro};

const RECORDS: &str = "answer_gateway_records_total";

/// Writes an answer for `session` under this key.
async fn write(stack: &Stack, key: Option<&str>, schema: u32, session: &str) -> RecordPosition {
    let value = avro(schema, session, session);
    let key = key.map(str::as_bytes);
    stack
        .write_keyed(0, key, Some(&value), OwnedHeaders::new())
        .await
}

/// A consumer that believes the keys of `schema`.
async fn proven(stack: &Stack, schema: u32) -> Reading {
    let reading = Reading::positioned(settings(stack)).await;
    for _ in 0..100 {
        write(stack, Some("s"), schema, "s").await;
    }
    reading
        .until("proven", |status| status.keys == KeyBelief::Proven)
        .await;
    reading.expect(&["s"; 100]).await;
    reading
}

/// Writes so many foreign records under right keys at once.
async fn foreign_burst(stack: &Stack, schema: u32, records: usize) {
    let record = ("foreign".to_owned(), avro(schema, "foreign", "foreign"));
    stack.write_burst(&vec![record; records]).await;
}

fn settings(stack: &Stack) -> ConsumerSettings {
    ConsumerSettings {
        key_hint: Some(Duration::from_secs(30)),
        ..stack.settings()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_records_under_proven_keys_are_passed_over() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    let reading = proven(&stack, schema).await;
    foreign_burst(&stack, schema, 500).await;
    write(&stack, Some("s"), schema, "s").await;
    // One of the foreign ones may be looked at, to see whether keys are still right.
    eventually("the own one comes", || {
        let texts = reading.answers.texts();
        texts.iter().filter(|text| *text == "s").count() == 101
    })
    .await;
    let handed_over = reading.answers.positions().len() as f64;
    let passed_over = reading.count(RECORDS, "passed_over");
    assert!(passed_over > 0.0, "none of 500 was passed over");
    assert!(handed_over + passed_over <= 601.0);
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_under_keys_that_suddenly_are_something_else_all_arrive_once() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    let reading = proven(&stack, schema).await;
    let sessions: Vec<String> = (0..300).map(|number| format!("s-{number}")).collect();
    let hashed: Vec<String> = (0..300)
        .map(|number| format!("foreign{number:x}"))
        .collect();
    let burst: Vec<Keyed> = hashed
        .into_iter()
        .zip(&sessions)
        .map(|(key, session)| (key, avro(schema, session, session)))
        .collect();
    stack.write_burst(&burst).await;
    eventually("all come", || reading.answers.texts().len() >= 400).await;
    let mut texts = reading.answers.texts().split_off(100);
    texts.sort();
    let mut sessions = sessions;
    sessions.sort();
    assert_eq!(texts, sessions);
    reading
        .until("refuted", |status| status.keys == KeyBelief::Refuted)
        .await;
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_record_before_a_silence_is_looked_at_again() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    let reading = proven(&stack, schema).await;
    foreign_burst(&stack, schema, 500).await;
    let passed_over = || reading.count(RECORDS, "passed_over");
    // Whether this one is passed over is the comparison's chance; that it arrives is none.
    write(&stack, Some("foreign-hash"), schema, "s-1").await;
    eventually("it comes", || {
        reading.answers.texts().contains(&"s-1".to_owned())
    })
    .await;
    assert!(passed_over() > 0.0);
    let texts = reading.answers.texts();
    assert_eq!(texts.iter().filter(|text| *text == "s-1").count(), 1);
    assert_eq!(texts.iter().filter(|text| *text == "s").count(), 100);
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_no_wire_ids_are_decoded_from_the_first_record_on() {
    for key in [None, Some(r#"{"session_id":"s"}"#), Some("9f2c")] {
        let stack = Stack::with_topic(1).await;
        let schema = stack.register();
        let reading = Reading::positioned(settings(&stack)).await;
        for _ in 0..150 {
            write(&stack, key, schema, "s").await;
        }
        reading.expect(&["s"; 150]).await;
        let keys = reading.handle.status().keys;
        assert_eq!(keys, KeyBelief::Refuted, "{key:?}");
        assert_eq!(
            reading.count("answer_gateway_second_looks_total", "refuted"),
            0.0
        );
        reading.handle.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_writers_schema_is_proven_for_itself() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    let reading = proven(&stack, schema).await;
    let evolved = SCHEMA.replace("Resposta", "Evolved");
    let evolved = stack.registry.register("evolved", &evolved).unwrap();
    write(&stack, Some("foreign"), evolved, "s-1").await;
    eventually("it comes", || {
        reading.answers.texts().contains(&"s-1".to_owned())
    })
    .await;
    reading
        .until("refuted", |status| status.keys == KeyBelief::Refuted)
        .await;
    reading.handle.stop().await;
}
