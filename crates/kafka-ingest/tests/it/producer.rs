//! Questions leave: what stands in the record, and what is reported when it does not come to stand.

use std::time::Duration;

use kafka_ingest::status::MissingPrerequisite;
use rdkafka::message::Message;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use types::TraceContext;
use types::{Persisted, PublishFailure};

use crate::answers::eventually;
use crate::kafka::{Stack, avro};
use crate::questions::{Asking, QUESTIONS, headers, question};

const WIRE_ID: &str = "s-1~7777777777777777";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const NOT_WRITTEN: PublishFailure = PublishFailure {
    persisted: Persisted::No,
};
const PERHAPS_WRITTEN: PublishFailure = PublishFailure {
    persisted: Persisted::Maybe,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_question_becomes_one_record_with_its_key_value_and_headers() {
    let stack = Stack::for_questions().await;
    let asking = Asking::ready(stack.publisher_settings()).await;
    let trace = TraceContext::parse(PARENT, Some("vendor=1"));
    asking.ask(question("s-1"), trace);
    assert_eq!(asking.next(), Ok(()));
    assert_eq!(asking.outcome("s-2"), Ok(()));
    assert_eq!(asking.rest().await, []);

    let records = stack.questions(2);
    let [record, untraced] = records.as_slice() else {
        panic!("{} records", records.len());
    };
    assert_eq!(record.key(), Some(&b"s-1"[..]), "without the suffix");
    assert_eq!(record.payload(), Some(&*avro(1, WIRE_ID, "why?")));
    let expected = [
        ("question-id", "30313233343536373839616263646566"),
        ("session-id", "s-1"),
        ("reply-topic", "respostas"),
        ("traceparent", PARENT),
        ("tracestate", "vendor=1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(headers(record), expected);
    assert_eq!(headers(untraced).len(), 3, "no trace, no header of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_right_is_reported_once_named_and_forgotten_after_a_success() {
    let stack = Stack::for_questions().await;
    let asking = Asking::ready(stack.publisher_settings()).await;
    stack.cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED],
    );
    assert_eq!(asking.outcome("s-1"), Err(PERHAPS_WRITTEN));
    let missing = asking.publisher.status().missing;
    assert!(
        matches!(&missing[..], [MissingPrerequisite::TopicRights { topic, .. }] if topic == QUESTIONS),
        "{missing:?}"
    );
    let count = asking.count("answer_gateway_errors_total", "publish_failed");
    assert_eq!(count, 1.0);
    // librdkafka remembers the refusal until it hears of the topic again.
    eventually("it is written", || asking.outcome("s-1") == Ok(())).await;
    assert_eq!(asking.publisher.status().missing, []);
    assert_eq!(asking.rest().await, []);
    assert_eq!(stack.questions(1).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_passes_is_not_seen_by_the_asker() {
    let stack = Stack::for_questions().await;
    let asking = Asking::ready(stack.publisher_settings()).await;
    stack.cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION; 2],
    );
    assert_eq!(asking.outcome("s-1"), Ok(()));
    assert_eq!(asking.rest().await, []);
    assert_eq!(stack.questions(1)[0].key(), Some(&b"s-1"[..]));
}

/// A leader that resigns says so also of what it has written already.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_whose_leader_resigned_may_be_written() {
    let stack = Stack::for_questions().await;
    let mut settings = stack.publisher_settings();
    settings.publish_timeout = Duration::from_millis(300);
    let asking = Asking::ready(settings).await;
    stack.cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION; 1_000],
    );
    assert_eq!(asking.outcome("s-1"), Err(PERHAPS_WRITTEN));
    stack.cluster.clear_request_errors(RDKafkaApiKey::Produce);
    assert_eq!(asking.rest().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_questions_fail_in_time_and_more_than_the_bound_at_once() {
    let stack = Stack::for_questions().await;
    let mut settings = stack.publisher_settings();
    settings.queue = 2;
    settings.publish_timeout = Duration::from_millis(300);
    let asking = Asking::ready(settings).await;
    stack.cluster.broker_down(1).unwrap();
    asking.until("down", |status| !status.kafka.up).await;
    asking.ask(question("s-1"), None);
    asking.ask(question("s-2"), None);
    assert_eq!(asking.outcome("s-3"), Err(NOT_WRITTEN), "there is no room");
    let count = |label| asking.count("answer_gateway_errors_total", label);
    assert_eq!((count("queue_full"), count("publish_timeout")), (1.0, 0.0));
    assert_eq!(asking.next(), Err(PERHAPS_WRITTEN));
    assert_eq!(asking.next(), Err(PERHAPS_WRITTEN));
    assert_eq!(count("publish_timeout"), 2.0);
    assert!(asking.publisher.status().kafka.problem.is_some());

    stack.cluster.broker_up(1).unwrap();
    asking.until("up again", |status| status.kafka.up).await;
    assert_eq!(asking.rest().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_that_does_not_come_in_time_leaves_it_open() {
    let stack = Stack::for_questions().await;
    let mut settings = stack.publisher_settings();
    settings.publish_timeout = Duration::from_secs(1);
    let asking = Asking::ready(settings).await;
    assert_eq!(asking.outcome("s-1"), Ok(()));
    let slow = Duration::from_secs(10);
    stack.cluster.broker_round_trip_time(1, slow).unwrap();
    assert_eq!(asking.outcome("s-1"), Err(PERHAPS_WRITTEN));
    stack
        .cluster
        .broker_round_trip_time(1, Duration::ZERO)
        .unwrap();
    assert_eq!(asking.rest().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_reports_everything_and_refuses_what_comes_after() {
    let stack = Stack::for_questions().await;
    let asking = Asking::ready(stack.publisher_settings()).await;
    stack.cluster.broker_down(1).unwrap();
    for _ in 0..3 {
        asking.ask(question("s-1"), None);
    }
    let moment = Duration::from_millis(20);
    assert!(!asking.publisher.flush(moment).await, "none is confirmed");
    asking.publisher.stop().await;
    let status = asking.publisher.status();
    assert!(!status.running && !status.is_ready(), "{status:?}");
    for _ in 0..3 {
        assert!(asking.next().is_err());
    }
    assert!(asking.publisher.flush(moment).await, "all is reported");
    assert_eq!(asking.outcome("s-1"), Err(NOT_WRITTEN));
    asking.publisher.stop().await;
    assert_eq!(asking.rest().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_publisher_reports_everything() {
    let stack = Stack::for_questions().await;
    let asking = Asking::ready(stack.publisher_settings()).await;
    stack.cluster.broker_down(1).unwrap();
    asking.ask(question("s-1"), None);
    let reports = asking.dropped();
    assert!(reports.recv().unwrap().is_err());
    assert!(reports.recv().is_err(), "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn flushing_waits_for_the_confirmations() {
    let stack = Stack::for_questions().await;
    let asking = Asking::ready(stack.publisher_settings()).await;
    for _ in 0..100 {
        asking.ask(question("s-1"), None);
    }
    assert!(asking.publisher.flush(Duration::from_secs(30)).await);
    assert_eq!(asking.rest().await, [Ok(()); 100]);
    assert_eq!(stack.questions(100).len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_named_before_the_first_question_and_taken_when_it_comes() {
    let stack = Stack::start().await;
    stack.register_question(avro_codec::MINIMAL_QUESTION_SCHEMA);
    let mut settings = stack.publisher_settings();
    settings.publish_timeout = Duration::from_millis(500);
    let asking = Asking::start(settings);
    let topic = QUESTIONS.to_owned();
    let missing = MissingPrerequisite::Topic { topic };
    asking
        .until("missing", |status| {
            status.missing == [missing.clone()] && status.schema.is_some()
        })
        .await;
    assert_eq!(asking.outcome("s-1"), Err(PERHAPS_WRITTEN));
    stack.cluster.create_topic(QUESTIONS, 1, 1).unwrap();
    asking.until("ready", |status| status.is_ready()).await;
    assert_eq!(asking.outcome("s-1"), Ok(()));
    assert_eq!(asking.rest().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_fails_for_good_is_replaced() {
    let stack = Stack::for_questions().await;
    stack.cluster.request_errors(
        RDKafkaApiKey::InitProducerId,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED],
    );
    let asking = Asking::start(stack.publisher_settings());
    let denied =
        |what: &MissingPrerequisite| matches!(what, MissingPrerequisite::TopicRights { .. });
    asking
        .until("failed", |status| {
            !status.has_producer && status.missing.iter().any(denied)
        })
        .await;
    asking.until("replaced", |status| status.has_producer).await;
    assert_eq!(
        asking.count("answer_gateway_errors_total", "producer_failed"),
        1.0
    );
    asking
        .until("schema", |status| status.schema.is_some())
        .await;
    assert_eq!(asking.outcome("s-1"), Ok(()));
    assert!(asking.publisher.status().is_ready());
    assert_eq!(asking.rest().await, []);
}
