//! As a member of a consumer group: where reading begins, what a restart repeats and what it does not
//! lose, and what is said of another member.

use embedded::RegistryFault;
use kafka_ingest::status::SharedGroup;
use kafka_ingest::{AnswerDelivery, ConsumerSettings, GroupStart};

use crate::answers::{Reading, eventually};
use crate::kafka::{Stack, avro};

fn settings(stack: &Stack, start: GroupStart) -> ConsumerSettings {
    let mut settings = stack.settings();
    settings.delivery = AnswerDelivery::Group { start };
    for (name, value) in [
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "100"),
    ] {
        let value = kafka_ingest::Secret::new(value);
        settings.kafka.properties.insert(name.to_owned(), value);
    }
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_the_process_before_it_stopped() {
    let stack = Stack::with_topic(2).await;
    let schema = stack.register();
    stack.write(0, &avro(schema, "s", "before")).await;
    let first = Reading::positioned(settings(&stack, GroupStart::End)).await;
    assert_eq!(first.handle.status().partitions, 2);
    stack.write(0, &avro(schema, "s", "1")).await;
    stack.write(1, &avro(schema, "s", "2")).await;
    eventually("both come", || first.answers.texts().len() == 2).await;
    first.handle.stop().await;

    stack.write(1, &avro(schema, "s", "while away")).await;
    let second = Reading::positioned(settings(&stack, GroupStart::End)).await;
    second.expect(&["while away"]).await;
    assert_eq!(second.handle.status().shared_group, None);
    second.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_at_the_end_is_decided_once() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    stack.write(0, &avro(schema, "s", "before")).await;
    let first = Reading::positioned(settings(&stack, GroupStart::End)).await;
    first.handle.stop().await;
    stack.write(0, &avro(schema, "s", "while away")).await;
    let second = Reading::positioned(settings(&stack, GroupStart::End)).await;
    second.expect(&["while away"]).await;
    second.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_group_begins_where_it_is_set_to() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    stack.write(0, &avro(schema, "s", "before")).await;
    let reading = Reading::positioned(settings(&stack, GroupStart::Beginning)).await;
    reading.expect(&["before"]).await;
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_waits_for_its_schema_is_read_again_after_a_restart() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    stack.registry.set_fault(RegistryFault::Unavailable503);
    let first = Reading::positioned(settings(&stack, GroupStart::End)).await;
    stack.write(0, &avro(schema, "s", "parked")).await;
    first
        .until("parked", |status| {
            !status.registry.up && status.registry.problem.is_some()
        })
        .await;
    first.handle.stop().await;
    stack.registry.set_fault(RegistryFault::None);
    let second = Reading::positioned(settings(&stack, GroupStart::End)).await;
    second.expect(&["parked"]).await;
    second.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_member_is_named_and_what_it_leaves_is_taken_over() {
    let stack = Stack::with_topic(2).await;
    let schema = stack.register();
    let first = Reading::positioned(settings(&stack, GroupStart::End)).await;
    assert_eq!(first.handle.status().shared_group, None);
    let second = Reading::positioned(settings(&stack, GroupStart::End)).await;
    let shared = SharedGroup {
        group: "rag-flink-ui-group".to_owned(),
        other_partitions: 1,
    };
    for reading in [&first, &second] {
        let shared = Some(shared.clone());
        reading
            .until("shared", move |status| status.shared_group == shared)
            .await;
        // It is counted after it is told.
        eventually("it is counted", || {
            reading.count("answer_gateway_errors_total", "group_shared") >= 1.0
        })
        .await;
    }
    second.handle.stop().await;
    first
        .until("alone again", |status| {
            status.shared_group.is_none() && status.partitions == 2
        })
        .await;
    for partition in 0..2 {
        stack.write(partition, &avro(schema, "s", "all")).await;
    }
    first.expect(&["all", "all"]).await;
    first.handle.stop().await;
}
