//! Answers under schemas that have to be fetched: what a registry that is away delays, and what one
//! that has no such schema costs.

use std::time::Duration;

use embedded::RegistryFault;
use kafka_ingest::status::MissingPrerequisite;
use rdkafka::message::OwnedHeaders;

use crate::answers::{Reading, eventually};
use crate::kafka::{SCHEMA, Stack, avro, header};

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_asked_for_once() {
    let stack = Stack::with_topic(2).await;
    let schema = stack.register();
    let reading = Reading::positioned(stack.settings()).await;
    for number in 0..20 {
        stack.write(number % 2, &avro(schema, "s", "yes")).await;
    }
    reading.expect(&["yes"; 20]).await;
    assert_eq!(stack.registry.requests(), 1);
    assert!(reading.handle.status().registry.up);
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_away_pauses_the_partition_and_loses_nothing() {
    let stack = Stack::with_topic(2).await;
    let known = stack.register();
    let mut settings = stack.settings();
    settings.max_parked_per_partition = 3;
    let reading = Reading::positioned(settings).await;
    stack.write(1, &avro(known, "s", "0")).await;
    reading.expect(&["0"]).await;

    let evolved = SCHEMA.replace("Resposta", "Evolved");
    let unknown = stack.registry.register("evolved", &evolved).unwrap();
    stack.registry.set_fault(RegistryFault::Unavailable503);
    let texts: Vec<String> = (1..=20).map(|number| number.to_string()).collect();
    for text in &texts {
        stack.write(0, &avro(unknown, "s", text)).await;
    }
    reading
        .until("paused, and the reason is told", |status| {
            status.paused == [0] && !status.registry.up && status.registry.problem.is_some()
        })
        .await;
    assert_eq!(reading.count("answer_gateway_parked_records", "used"), 3.0);
    stack.write(1, &avro(known, "s", "flows")).await;
    reading.expect(&["0", "flows"]).await;

    stack.registry.set_fault(RegistryFault::None);
    let expected: Vec<&str> = ["0", "flows"]
        .into_iter()
        .chain(texts.iter().map(String::as_str))
        .collect();
    reading.expect(&expected).await;
    reading
        .until("resumed", |status| {
            status.paused.is_empty() && status.registry.up
        })
        .await;
    assert_eq!(reading.count("answer_gateway_parked_records", "used"), 0.0);
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_bytes_are_bounded_over_all_partitions() {
    let stack = Stack::with_topic(2).await;
    let schema = stack.register();
    stack.registry.set_fault(RegistryFault::Unavailable503);
    let mut settings = stack.settings();
    settings.max_parked_bytes = 1;
    let reading = Reading::positioned(settings).await;
    for partition in [0, 1, 0, 1] {
        stack.write(partition, &avro(schema, "s", "all")).await;
    }
    reading
        .until("both paused", |status| status.paused == [0, 1])
        .await;
    assert_eq!(reading.count("answer_gateway_parked_records", "used"), 2.0);
    stack.registry.set_fault(RegistryFault::None);
    reading.expect(&["all"; 4]).await;
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_refuses_the_login_is_named_and_asked_again() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    stack.registry.set_fault(RegistryFault::Unauthorized401);
    let reading = Reading::positioned(stack.settings()).await;
    stack.write(0, &avro(schema, "s", "yes")).await;
    reading
        .until("refused", |status| {
            status.missing == [MissingPrerequisite::RegistryLogin]
        })
        .await;
    stack.registry.set_fault(RegistryFault::None);
    reading.expect(&["yes"]).await;
    reading
        .until("well", |status| {
            status.missing.is_empty() && status.registry.up
        })
        .await;
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_appears_late_is_waited_for() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    stack.registry.set_fault(RegistryFault::NotFound);
    let reading = Reading::positioned(stack.settings()).await;
    stack.write(0, &avro(schema, "s", "yes")).await;
    eventually("it was asked for twice", || stack.registry.requests() > 1).await;
    assert_eq!(reading.count("answer_gateway_records_total", "error"), 0.0);
    stack.registry.set_fault(RegistryFault::None);
    reading.expect(&["yes"]).await;
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_does_not_exist_is_given_up_and_not_asked_for_by_every_record() {
    let stack = Stack::with_topic(1).await;
    let known = stack.register();
    let mut settings = stack.settings();
    settings.schema_not_found_timeout = Duration::ZERO;
    let reading = Reading::positioned(settings).await;
    for _ in 0..5 {
        stack.write(0, &avro(999, "s", "never")).await;
    }
    eventually("they are counted", || {
        reading.count("answer_gateway_records_total", "error") == 5.0
    })
    .await;
    let asked = stack.registry.requests();
    stack.write(0, &avro(999, "s", "never")).await;
    stack.write(0, &avro(known, "s", "yes")).await;
    reading.expect(&["yes"]).await;
    assert_eq!(stack.registry.requests(), asked + 1, "for the known one");
    assert_eq!(
        reading.count("answer_gateway_errors_total", "schema_not_found"),
        6.0
    );
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_named_in_the_header_leaves_the_value_bare() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    stack.registry.set_fault(RegistryFault::Unavailable503);
    let reading = Reading::positioned(stack.settings()).await;
    let framed = avro(schema, "s", "bare");
    let (prefix, datum) = framed.split_at(5);
    let headers = OwnedHeaders::new().insert(header("__value_schema_id", prefix));
    stack.write_with(0, Some(datum), headers).await;
    reading
        .until("asked", |status| status.registry.problem.is_some())
        .await;
    stack.registry.set_fault(RegistryFault::None);
    reading.expect(&["bare"]).await;
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_look_ups_are_under_way_cancels_them() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    stack
        .registry
        .set_fault(RegistryFault::Delay(Duration::from_secs(60)));
    let reading = Reading::positioned(stack.settings()).await;
    stack.write(0, &avro(schema, "s", "never")).await;
    eventually("it is asked", || stack.registry.requests() == 1).await;
    tokio::time::timeout(Duration::from_secs(10), reading.handle.stop())
        .await
        .unwrap();
    assert_eq!(reading.answers.texts(), Vec::<String>::new());
}
