//! Tests which schema questions are written with.

use avro_codec::MINIMAL_QUESTION_SCHEMA;
use embedded::RegistryFault;
use kafka_ingest::QuestionFieldNames;
use kafka_ingest::status::MissingPrerequisite;
use rdkafka::message::Message;
use types::{Persisted, PublishFailure};

use crate::answers::eventually;
use crate::kafka::{Stack, avro};
use crate::questions::{Asking, QUESTIONS, SUBJECT};

const NOT_WRITTEN: PublishFailure = PublishFailure {
    persisted: Persisted::No,
};
/// A compatible later version.
const LATER: &str = r#"{"type":"record","name":"Pergunta","fields":[
    {"name":"session_id","type":"string"},{"name":"pergunta","type":"string"},
    {"name":"lang","type":"string","default":"pt"}]}"#;
/// A version with a field nobody here knows.
const DEMANDING: &str = r#"{"type":"record","name":"Pergunta","fields":[
    {"name":"session_id","type":"string"},{"name":"pergunta","type":"string"},
    {"name":"tenant","type":"string"}]}"#;

async fn without_schema() -> Stack {
    let stack = Stack::start().await;
    stack.cluster.create_topic(QUESTIONS, 1, 1).unwrap();
    stack
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_without_schema_is_named_until_somebody_registers_one() {
    let stack = without_schema().await;
    let asking = Asking::start(stack.publisher_settings());
    let subject = SUBJECT.to_owned();
    let missing = [MissingPrerequisite::Schema { subject }];
    asking
        .until("missing", |status| status.missing == missing)
        .await;
    let status = asking.publisher.status();
    assert!(
        status.registry.up && status.schema.is_none(),
        "it answers, and has none: {status:?}"
    );
    assert_eq!(asking.outcome("s"), Err(NOT_WRITTEN));
    let id = stack.register_question(MINIMAL_QUESTION_SCHEMA);
    asking
        .until("found", |status| status.schema == Some(id))
        .await;
    assert_eq!(asking.publisher.status().missing, []);
    assert_eq!(asking.outcome("s"), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_minimal_schema_is_registered_where_that_is_wanted() {
    let stack = without_schema().await;
    let mut settings = stack.publisher_settings();
    settings.auto_register = true;
    settings.fields = QuestionFieldNames {
        text: "question".to_owned(),
        ..QuestionFieldNames::default()
    };
    let asking = Asking::ready(settings).await;
    assert_eq!(asking.publisher.status().schema, Some(1));
    let registered: serde_json::Value =
        serde_json::from_str(&stack.registry.schema(1).unwrap().text).unwrap();
    assert_eq!(registered["fields"][1]["name"], "question");
    assert_eq!(asking.outcome("s"), Ok(()));
    let value = avro(1, "s~7777777777777777", "why?");
    assert_eq!(stack.questions(1)[0].payload(), Some(&*value));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_there_is_not_registered_over() {
    let stack = without_schema().await;
    let id = stack.register_question(LATER);
    let mut settings = stack.publisher_settings();
    settings.auto_register = true;
    let asking = Asking::ready(settings).await;
    assert_eq!(asking.publisher.status().schema, Some(id));
    assert!(stack.registry.schema(id + 1).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_schema_is_taken_up_without_a_restart() {
    let stack = Stack::for_questions().await;
    let asking = Asking::ready(stack.publisher_settings()).await;
    let later = stack.register_question(LATER);
    asking
        .until("taken up", |status| status.schema == Some(later))
        .await;
    assert_eq!(asking.outcome("s"), Ok(()));
    let expected = [&*avro(later, "s~7777777777777777", "why?"), &[4], b"pt"].concat();
    assert_eq!(stack.questions(1)[0].payload(), Some(&*expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_schema_that_cannot_be_filled_leaves_the_last_good_one_in_use() {
    let stack = Stack::for_questions().await;
    let asking = Asking::ready(stack.publisher_settings()).await;
    stack.register_question(DEMANDING);
    let unusable = || asking.count("answer_gateway_errors_total", "question_schema_unusable");
    eventually("it is seen", || unusable() > 0.0).await;
    let asked = stack.registry.requests();
    eventually("it is seen again", || stack.registry.requests() > asked + 2).await;
    assert_eq!(unusable(), 1.0, "told once");
    let status = asking.publisher.status();
    assert!(status.is_ready() && status.schema == Some(1), "{status:?}");
    assert_eq!(asking.outcome("s"), Ok(()));
    let value = avro(1, "s~7777777777777777", "why?");
    assert_eq!(stack.questions(1)[0].payload(), Some(&*value));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_schema_that_cannot_be_filled_is_named_with_the_field() {
    let stack = without_schema().await;
    stack.register_question(DEMANDING);
    let asking = Asking::start(stack.publisher_settings());
    let named = |what: &MissingPrerequisite| matches!(what, MissingPrerequisite::UnusableSchema { reason, .. } if reason.contains("tenant"));
    asking
        .until("named", |status| status.missing.iter().any(named))
        .await;
    assert!(!asking.publisher.status().is_ready());
    stack.register_question(LATER);
    asking.until("ready", |status| status.is_ready()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_away_is_waited_for_at_the_start() {
    let stack = Stack::for_questions().await;
    stack.registry.set_fault(RegistryFault::Unavailable503);
    let asking = Asking::start(stack.publisher_settings());
    asking
        .until("told", |status| {
            status.registry.problem.as_deref() == Some("HTTP status 503")
        })
        .await;
    stack.registry.set_fault(RegistryFault::Unauthorized401);
    asking
        .until("login", |status| {
            status.missing == [MissingPrerequisite::RegistryLogin]
        })
        .await;
    stack.registry.set_fault(RegistryFault::None);
    asking
        .until("ready", |status| status.is_ready() && status.registry.up)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_goes_away_later_stops_no_question() {
    let stack = Stack::for_questions().await;
    let asking = Asking::ready(stack.publisher_settings()).await;
    for fault in [
        RegistryFault::Unavailable503,
        RegistryFault::Unauthorized401,
        RegistryFault::NotFound,
    ] {
        stack.registry.set_fault(fault);
        let asked = stack.registry.requests();
        eventually("it is seen", || stack.registry.requests() > asked + 1).await;
        assert!(asking.publisher.status().is_ready(), "{fault:?}");
        assert_eq!(asking.outcome("s"), Ok(()), "{fault:?}");
    }
}
