//! Answers arrive: where reading begins, what is skipped, what stops it.

use std::sync::Arc;
use std::time::Duration;

use kafka_ingest::{
    ConsumerSettings, KafkaResponseConsumer, KafkaSettings, RegistrySettings, StartError,
};
use rdkafka::message::OwnedHeaders;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use telemetry::Metrics;
use types::{MinOffsets, QuestionIdEcho, RecordPosition};

use crate::answers::{Answers, PANIC, Reading, eventually};
use crate::kafka::{Stack, avro, header};

const ID: &str = "000102030405060708090a0b0c0d0e0f";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_arrives_with_its_position_its_question_and_its_trace() {
    let stack = Stack::with_topic(3).await;
    let schema = stack.register();
    let reading = Reading::positioned(stack.settings()).await;

    let headers = OwnedHeaders::new()
        .insert(header("question-id", ID.as_bytes()))
        .insert(header("traceparent", PARENT.as_bytes()));
    let value = avro(schema, "s-1", "yes");
    let at = stack.write_with(2, Some(&value), headers).await;
    reading.expect(&["yes"]).await;

    let (answer, trace) = reading.answers.all().remove(0);
    assert_eq!(answer.wire_id.to_string(), "s-1");
    assert_eq!(answer.position, at);
    assert!(matches!(answer.question_id, QuestionIdEcho::Echoed(id) if id.to_string() == ID));
    assert_eq!(trace.unwrap().to_string(), PARENT);
    assert_eq!(reading.count("answer_gateway_records_total", "ok"), 1.0);
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_not_read_and_everything_after_is() {
    let stack = Stack::with_topic(2).await;
    let schema = stack.register();
    for partition in [0, 0, 1] {
        stack.write(partition, &avro(schema, "s", "before")).await;
    }
    let reading = Reading::positioned(stack.settings()).await;
    assert_eq!(reading.handle.min_offsets(), MinOffsets::new([2, 1]));
    let written = [
        stack.write(1, &avro(schema, "s", "after")).await,
        stack.write(0, &avro(schema, "s", "after")).await,
    ];
    eventually("both come", || reading.answers.positions().len() == 2).await;
    let mut read = reading.answers.positions();
    read.sort();
    assert_eq!(read, [written[1], written[0]]);
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_positioned_only_once_the_ends_are_known_and_misses_nothing_from_then_on() {
    let stack = Stack::with_topic(2).await;
    let schema = stack.register();
    stack.write(0, &avro(schema, "s", "before")).await;
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    let ends = RDKafkaApiKey::ListOffsets;
    stack.cluster.request_errors(ends, &[denied; 1_000]);
    let reading = Reading::start(stack.settings());
    reading
        .until("denied", |status| !status.missing.is_empty())
        .await;
    assert!(!reading.handle.status().positioned, "no end is known");

    stack.cluster.clear_request_errors(ends);
    reading
        .until("positioned", |status| status.positioned)
        .await;
    stack.write(0, &avro(schema, "s", "after")).await;
    reading.expect(&["after"]).await;
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_floor_is_above_every_answer_that_was_handed_over() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    let reading = Reading::positioned(stack.settings()).await;
    for number in 0..20 {
        let at = stack.write(0, &avro(schema, "s", "answer")).await;
        let arrived = || reading.answers.positions().len() == number + 1;
        eventually("it comes", arrived).await;
        assert!(reading.handle.min_offsets().excludes(at), "{at:?}");
        let next = RecordPosition {
            offset: at.offset + 1,
            ..at
        };
        assert!(!reading.handle.min_offsets().excludes(next), "{next:?}");
    }
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_values_of_every_kind_are_skipped_and_the_valid_ones_between_arrive() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    let number = r#"{"type":"record","name":"R","fields":[{"name":"session_id","type":"long"}]}"#;
    let number = stack.registry.register("number", number).unwrap();
    let other = r#"{"type":"record","name":"R","fields":[{"name":"x","type":"string"}]}"#;
    let other = stack.registry.register("other", other).unwrap();
    let mut settings = stack.settings();
    settings.schema_not_found_timeout = Duration::ZERO;
    settings.max_answer_bytes = 1_000;
    let reading = Reading::positioned(settings).await;

    let good = avro(schema, "s", "good");
    let framed = |schema: u32, datum: &[u8]| [&[0][..], &schema.to_be_bytes(), datum].concat();
    let long = "x".repeat(1_001);
    let invalid: Vec<Option<Vec<u8>>> = vec![
        None,
        Some(vec![]),
        Some(br#"{"session_id":"s","resposta":"json"}"#.to_vec()),
        Some(vec![0, 0, 0]),
        Some(framed(schema, &[])),
        Some(good[..good.len() - 1].to_vec()),
        Some([&good[..], b"more"].concat()),
        Some(framed(schema, &[2, 0xff, 0])),
        Some(framed(schema, &[0xfe, 0xff, 0xff, 0xff, 0x7f])),
        Some(framed(number, &[2])),
        Some(avro(other, "x", "")[..7].to_vec()),
        Some(avro(4_000, "s", "unknown to the registry")),
        Some(avro(schema, "s", &long)),
    ];
    for value in &invalid {
        let headers = OwnedHeaders::new();
        stack.write_with(0, value.as_deref(), headers).await;
        stack.write(0, &good).await;
    }
    let expected = vec!["good"; invalid.len()];
    reading.expect(&expected).await;
    let errors = || reading.count("answer_gateway_records_total", "error");
    eventually("every mistake is counted", || {
        errors() == (invalid.len() - 1) as f64
    })
    .await;
    assert_eq!(
        reading.count("answer_gateway_records_total", "skipped"),
        1.0
    );
    let undecodable = reading.count("answer_gateway_answers_total", "invalid");
    assert_eq!(undecodable, (invalid.len() - 1) as f64);
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_consumer_hands_nothing_over_and_can_be_followed_by_another() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    let first = Reading::positioned(stack.settings()).await;
    first.handle.stop().await;
    first.handle.stop().await;
    assert!(!first.handle.status().running);
    let second = Reading::positioned(stack.settings()).await;
    stack.write(0, &avro(schema, "s", "late")).await;
    second.expect(&["late"]).await;
    assert_eq!(first.answers.texts(), Vec::<String>::new());
    second.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_handle_stops_the_consumer() {
    let stack = Stack::with_topic(1).await;
    let Reading { handle, .. } = Reading::positioned(stack.settings()).await;
    let mut status = handle.watch();
    drop(handle);
    let ended = status.wait_for(|status| !status.running);
    tokio::time::timeout(Duration::from_secs(30), ended)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_on_the_thread_is_told() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    let reading = Reading::positioned(stack.settings()).await;
    stack.write(0, &avro(schema, PANIC, "")).await;
    reading.until("told", |status| !status.running).await;
    let panics = reading.count("answer_gateway_errors_total", "consumer_panicked");
    assert_eq!(panics, 1.0);
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_consumers_of_one_group_id_both_read_everything() {
    let stack = Stack::with_topic(2).await;
    let schema = stack.register();
    let one = Reading::positioned(stack.settings()).await;
    let two = Reading::positioned(stack.settings()).await;
    for partition in 0..2 {
        stack.write(partition, &avro(schema, "s", "all")).await;
    }
    for reading in [&one, &two] {
        reading.expect(&["all", "all"]).await;
    }
    one.handle.stop().await;
    two.handle.stop().await;
}

#[test]
fn a_start_outside_a_runtime_is_an_error_and_not_a_panic() {
    let kafka = KafkaSettings::new("127.0.0.1:1");
    let registry = RegistrySettings::new("http://127.0.0.1:1");
    let settings = ConsumerSettings::new(kafka, registry);
    let instruments = Metrics::new().unwrap().instruments();
    let consumer = KafkaResponseConsumer::new(settings, Arc::new(Answers::default()), instruments);
    assert!(matches!(consumer.start(), Err(StartError::NoRuntime(_))));
}
