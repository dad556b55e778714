//! Tests that records nobody can decode are copied, once over all replicas, and can be put back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use embedded::RegistryFault;
use kafka_ingest::status::{DeadLetterTask, MissingPrerequisite};
use kafka_ingest::{
    ConsumerSettings, Replay, ReplayError, ReplayMode, ReplaySelection, ReplaySettings,
    ReplaySummary,
};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use types::RecordPosition;

use crate::answers::{Reading, eventually};
use crate::kafka::{Copy, Stack, TOPIC, avro, header};

const DEAD: &str = "respostas.dlq";
const COUNTED: &str = "answer_gateway_dead_letters_total";

/// Topics of these many partitions.
async fn with_topics(partitions: i32) -> Stack {
    let stack = Stack::with_topic(partitions).await;
    stack.cluster.create_topic(DEAD, 2, 1).unwrap();
    stack
}

fn settings(stack: &Stack) -> ConsumerSettings {
    ConsumerSettings {
        dead_letter_topic: Some(DEAD.to_owned()),
        schema_not_found_timeout: Duration::ZERO,
        ..stack.settings()
    }
}

/// Returns the identities of all copies.
fn origins(copies: &[Copy]) -> Vec<(String, String, String)> {
    let of = |copy: &Copy| {
        let get = |name: &str| copy.last(name).unwrap_or_default();
        (get("dlq-partition"), get("dlq-offset"), get("dlq-reason"))
    };
    let mut origins: Vec<_> = copies.iter().map(of).collect();
    origins.sort();
    origins
}

/// The copies, once there are so many.
async fn copies(stack: &Stack, count: usize) -> Vec<Copy> {
    let mut found = Vec::new();
    eventually("the copies come", || {
        found = stack.read_all(DEAD, 2);
        found.len() >= count
    })
    .await;
    found
}

fn replay(
    stack: &Stack,
    mode: ReplayMode,
    selection: ReplaySelection,
) -> (Result<(), ReplayError>, ReplaySummary) {
    let mut replay = Replay::new(ReplaySettings {
        kafka: stack.settings().kafka,
        dead_letter_topic: DEAD.to_owned(),
        answers_topic: TOPIC.to_owned(),
        selection,
        mode,
    })
    .unwrap();
    let outcome = replay.run(&mut |progress| assert!(progress.done <= progress.total));
    (outcome, replay.summary().clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_key_bytes_and_headers_as_they_were_and_says_where_from() {
    let stack = with_topics(1).await;
    let reading = Reading::positioned(settings(&stack)).await;
    let headers = OwnedHeaders::new()
        .insert(header("trace", b"\xff\x00"))
        .insert(Header {
            key: "trace",
            value: None::<&[u8]>,
        })
        .insert(header("ação", b""));
    let at = stack
        .write_keyed(0, Some(b"\xfekey"), Some(b"no avro"), headers)
        .await;
    let keyless = stack
        .write_keyed(0, None, Some(b""), OwnedHeaders::new())
        .await;

    let mut copies = copies(&stack, 2).await;
    copies.sort_by_key(|copy| copy.last("dlq-offset"));
    let [copy, without] = &copies[..] else {
        panic!("{copies:?}")
    };
    assert_eq!(copy.key.as_deref(), Some(&b"\xfekey"[..]));
    assert_eq!(copy.value.as_deref(), Some(&b"no avro"[..]));
    let own = |name: &str, value: &[u8]| (name.to_owned(), Some(value.to_vec()));
    assert_eq!(
        copy.headers,
        [
            own("trace", b"\xff\x00"),
            ("trace".to_owned(), None),
            own("ação", b""),
            own("dlq-reason", b"magic"),
            own("dlq-topic", TOPIC.as_bytes()),
            own("dlq-partition", b"0"),
            own("dlq-offset", at.offset.to_string().as_bytes()),
        ]
    );
    assert_eq!(
        (&without.key, without.value.as_deref()),
        (&None, Some(&b""[..]))
    );
    assert_eq!(without.last("dlq-offset"), Some(keyless.offset.to_string()));
    eventually("both are counted", || {
        reading.count(COUNTED, "written") == 2.0
    })
    .await;
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_write_one_copy_of_each_dead_letter_and_none_of_anything_else() {
    let stack = with_topics(4).await;
    let schema = stack.register();
    let one = Reading::positioned(settings(&stack)).await;
    let two = Reading::positioned(settings(&stack)).await;
    let mut expected = Vec::new();
    for partition in 0..4 {
        stack.write(partition, &avro(schema, "s", "good")).await;
        stack
            .write(partition, &avro(schema, "no session of ours", ""))
            .await;
        stack.write_with(partition, None, OwnedHeaders::new()).await;
        for (value, reason) in [
            (b"no avro".to_vec(), "magic"),
            (vec![0, 0, 0], "truncated"),
            (avro(4_000, "s", "unknown"), "schema_not_found"),
        ] {
            let RecordPosition { partition, offset } = stack.write(partition, &value).await;
            expected.push((partition.to_string(), offset.to_string(), reason.to_owned()));
        }
        let good = avro(schema, "s", "of what?");
        let headers = OwnedHeaders::new().insert(header("answer-part", b"one"));
        let RecordPosition { partition, offset } =
            stack.write_with(partition, Some(&good), headers).await;
        let place = (partition.to_string(), offset.to_string());
        expected.push((place.0, place.1, "answer_part".to_owned()));
    }
    expected.sort();
    assert_eq!(origins(&copies(&stack, 16).await), expected);
    let both = |result: &str| one.count(COUNTED, result) + two.count(COUNTED, result);
    eventually("each replica knows of each", || {
        both("written") == 16.0 && both("elsewhere") == 16.0
    })
    .await;
    assert_eq!(stack.read_all(DEAD, 2).len(), 16);
    one.handle.stop().await;
    two.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_takes_over_and_writes_nothing_again() {
    let stack = with_topics(1).await;
    let first = Reading::positioned(settings(&stack)).await;
    stack.write(0, b"one").await;
    copies(&stack, 1).await;
    let second = Reading::positioned(settings(&stack)).await;
    stack.write(0, b"two").await;
    copies(&stack, 2).await;
    first.handle.stop().await;
    stack.write(0, b"three").await;
    let all = copies(&stack, 3).await;
    let values: BTreeSet<_> = all.into_iter().flat_map(|copy| copy.value).collect();
    let expected = [&b"one"[..], b"two", b"three"].map(<[u8]>::to_vec);
    assert_eq!(values, BTreeSet::from(expected));
    eventually("it has written the last", || {
        second.count(COUNTED, "written") >= 1.0
    })
    .await;
    second.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_named_holds_up_no_answer_and_loses_no_letter() {
    let stack = with_topics(1).await;
    let schema = stack.register();
    let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    stack.cluster.topic_error(DEAD, unknown).unwrap();
    let reading = Reading::positioned(settings(&stack)).await;
    let missing = MissingPrerequisite::Topic {
        topic: DEAD.to_owned(),
    };
    reading
        .until("named", |status| {
            status.dead_letters.get(&DeadLetterTask::Topic) == Some(&missing)
        })
        .await;
    assert!(
        reading.handle.status().missing.is_empty(),
        "answers are read"
    );
    stack.write(0, b"no avro").await;
    stack.write(0, &avro(schema, "s", "good")).await;
    reading.expect(&["good"]).await;
    let held = "answer_gateway_dead_letters_held";
    eventually("it is held", || reading.count(held, "used") == 1.0).await;

    let fine = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    stack.cluster.topic_error(DEAD, fine).unwrap();
    let copies = copies(&stack, 1).await;
    assert_eq!(copies[0].value.as_deref(), Some(&b"no avro"[..]));
    reading
        .until("healed", |status| status.dead_letters.is_empty())
        .await;
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_did_not_take_is_named_and_written_once_it_does() {
    let stack = with_topics(1).await;
    let reading = Reading::positioned(settings(&stack)).await;
    stack.write(0, b"the group has an owner").await;
    copies(&stack, 1).await;
    stack.registry.set_fault(RegistryFault::Unavailable503);
    stack.write(0, &avro(4_000, "s", "no such schema")).await;
    let parked = "answer_gateway_parked_records";
    eventually("it waits", || reading.count(parked, "used") == 1.0).await;

    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    stack
        .cluster
        .request_errors(RDKafkaApiKey::Produce, &[denied]);
    stack.registry.set_fault(RegistryFault::None);
    let right = MissingPrerequisite::TopicRights {
        topic: DEAD.to_owned(),
        rights: "Describe, Read and Write",
    };
    reading
        .until("named", |status| {
            status.dead_letters.get(&DeadLetterTask::Write) == Some(&right)
        })
        .await;
    assert_eq!(copies(&stack, 2).await.len(), 2);
    reading
        .until("healed", |status| status.dead_letters.is_empty())
        .await;
    assert_eq!(
        reading.count("answer_gateway_errors_total", "dead_letter_waits"),
        1.0
    );
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_and_a_replay_bring_the_answer_and_a_second_replay_brings_nothing() {
    let stack = with_topics(2).await;
    let mut settings = settings(&stack);
    settings.schema_refusal_ttl = Duration::from_millis(1);
    let reading = Reading::positioned(settings).await;
    let value = avro(1, "s", "saved");
    let headers = OwnedHeaders::new().insert(header("kept", b"\xff"));
    stack
        .write_keyed(0, Some(b"key"), Some(&value), headers)
        .await;
    stack.write(1, b"no avro").await;
    copies(&stack, 2).await;
    assert_eq!(stack.register(), 1, "the id the record names");

    let (outcome, summary) = replay(&stack, ReplayMode::DryRun, ReplaySelection::default());
    outcome.unwrap();
    let chosen = BTreeMap::from([("magic", 1), ("schema_not_found", 1)]);
    assert_eq!((summary.chosen, summary.replayed), (chosen, 0));

    let only = ReplaySelection {
        reasons: vec!["schema_not_found".to_owned()],
        ..ReplaySelection::default()
    };
    let (outcome, summary) = replay(&stack, ReplayMode::Write, only.clone());
    outcome.unwrap();
    assert_eq!((summary.replayed, summary.left), (1, 1));
    reading.expect(&["saved"]).await;
    let (answer, _) = reading.answers.all().remove(0);
    assert!(answer.is_replayed, "so the core attributes it by no guess");
    let back = stack.read_all(TOPIC, 2);
    let back: Vec<_> = back
        .iter()
        .filter(|copy| copy.last("replayed-from").is_some())
        .collect();
    assert_eq!(back.len(), 1);
    assert_eq!(back[0].value.as_ref(), Some(&value));
    assert_eq!(back[0].key.as_deref(), Some(&b"key"[..]));
    let names: Vec<_> = back[0]
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["kept", "replayed-from"]);
    let from = back[0].last("replayed-from").unwrap();
    assert!(from.starts_with("respostas.dlq/"), "{from}");

    let (outcome, summary) = replay(&stack, ReplayMode::Write, only);
    outcome.unwrap();
    assert_eq!(
        (summary.replayed, summary.already_replayed, summary.left),
        (0, 1, 1)
    );
    let (outcome, summary) = replay(&stack, ReplayMode::Write, ReplaySelection::default());
    outcome.unwrap();
    assert_eq!((summary.replayed, summary.already_replayed), (1, 1));
    // What is still no Avro becomes a dead letter of its new place, and stays for a later run.
    copies(&stack, 3).await;
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_kafka_refuses_in_the_middle_goes_on_where_it_stood() {
    let stack = with_topics(1).await;
    let reading = Reading::positioned(settings(&stack)).await;
    for number in 0..250 {
        stack.write(0, format!("no avro {number}").as_bytes()).await;
    }
    copies(&stack, 250).await;
    reading.handle.stop().await;
    let ten = ReplaySelection {
        limit: Some(10),
        ..ReplaySelection::default()
    };
    let (outcome, summary) = replay(&stack, ReplayMode::Write, ten);
    outcome.unwrap();
    assert_eq!((summary.replayed, summary.left), (10, 240));
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    stack
        .cluster
        .request_errors(RDKafkaApiKey::Produce, &[denied]);
    let (outcome, failed) = replay(&stack, ReplayMode::Write, ReplaySelection::default());
    assert!(
        matches!(outcome, Err(ReplayError::NotWritten(_))),
        "{outcome:?}"
    );
    let (outcome, rest) = replay(&stack, ReplayMode::Write, ReplaySelection::default());
    outcome.unwrap();
    assert_eq!(rest.already_replayed, 10 + failed.replayed);
    assert_eq!(rest.replayed + rest.already_replayed, 250);
    assert_eq!(stack.read_all(TOPIC, 1).len(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_copy_is_not_replayed_even_when_it_comes_later() {
    let stack = with_topics(1).await;
    let copy = |partition, offset: &str| {
        let headers = [
            ("dlq-reason", "magic"),
            ("dlq-topic", TOPIC),
            ("dlq-partition", "0"),
            ("dlq-offset", offset),
        ];
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |all, (name, value)| {
                all.insert(header(name, value.as_bytes()))
            });
        stack.write_to(DEAD, partition, b"no avro", headers)
    };
    copy(1, "7").await;
    copy(0, "7").await;
    let (outcome, summary) = replay(&stack, ReplayMode::Write, ReplaySelection::default());
    outcome.unwrap();
    assert_eq!((summary.replayed, summary.duplicates), (1, 1));
    copy(0, "7").await;
    copy(0, "8").await;
    stack
        .write_to(DEAD, 0, b"something else", OwnedHeaders::new())
        .await;
    let (outcome, summary) = replay(&stack, ReplayMode::Write, ReplaySelection::default());
    outcome.unwrap();
    assert_eq!((summary.replayed, summary.duplicates), (1, 1));
    assert_eq!((summary.already_replayed, summary.foreign), (2, 1));
    assert_eq!(stack.read_all(TOPIC, 1).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_without_its_topic_says_so_and_does_nothing() {
    let stack = Stack::with_topic(1).await;
    let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    stack.cluster.topic_error(DEAD, unknown).unwrap();
    let (outcome, summary) = replay(&stack, ReplayMode::Write, ReplaySelection::default());
    let Err(ReplayError::Missing(missing)) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        missing.to_string(),
        "the topic respostas.dlq does not exist"
    );
    assert_eq!(summary, ReplaySummary::default());
}
