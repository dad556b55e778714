//! Tests that records written before a session was resumed are found again, with their positions.

use kafka_ingest::{
    AnswerDelivery, AnswerIndexLimits, ConsumerHandle, GroupStart, RecoveryOutcome,
    UnavailableReason,
};
use rdkafka::message::OwnedHeaders;
use tokio::sync::oneshot;
use tokio::time::{Duration, timeout};
use types::{
    Answer, AnswerLookup, AnswerPart, MinOffsets, PartOrder, QuestionId, RecordPosition, WireId,
};

use crate::answers::{Reading, eventually};
use crate::kafka::{Stack, avro, header};

const QUESTION: &str = "000102030405060708090a0b0c0d0e0f";

async fn recover(handle: &ConsumerHandle, wire_id: &str, floor: &[i64]) -> RecoveryOutcome {
    told(ask(handle, wire_id, floor)).await
}

fn ask(
    handle: &ConsumerHandle,
    wire_id: &str,
    floor: &[i64],
) -> oneshot::Receiver<RecoveryOutcome> {
    let wanted = AnswerLookup {
        question_id: QuestionId::parse(QUESTION).unwrap(),
        wire_id: WireId::parse(wire_id).unwrap(),
        min_offsets: MinOffsets::new(floor),
    };
    let (report, reported) = oneshot::channel();
    handle.begin_recovery(wanted, move |recovered| report.send(recovered).unwrap());
    reported
}

async fn told(reported: oneshot::Receiver<RecoveryOutcome>) -> RecoveryOutcome {
    let reported = timeout(Duration::from_secs(30), reported).await;
    reported.expect("a report comes").unwrap()
}

fn positions(recovered: &RecoveryOutcome) -> Vec<RecordPosition> {
    let RecoveryOutcome::Found(answers) = recovered else {
        panic!("it is to be found, not {recovered:?}");
    };
    answers.iter().map(|answer| answer.position).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_is_found_again_and_nothing_of_others() {
    let stack = Stack::with_topic(3).await;
    let schema = stack.register();
    let reading = Reading::positioned(stack.settings()).await;
    let headers = OwnedHeaders::new()
        .insert(header("answer-part", b"1"))
        .insert(header("answer-final", b"true"));
    let first = stack.write(0, &avro(schema, "s~1", "first")).await;
    let second = stack
        .write_with(2, Some(&avro(schema, "s~1", "second")), headers)
        .await;
    stack
        .write(0, &avro(schema, "s~2", "of another question"))
        .await;
    stack.write(1, b"no Avro").await;
    eventually("all come", || reading.answers.positions().len() == 3).await;

    let recovered = recover(&reading.handle, "s~1", &[0, 0, 0]).await;
    assert_eq!(positions(&recovered), [first, second]);
    let RecoveryOutcome::Found(answers) = recovered else {
        panic!("found")
    };
    let live = reading.answers.all().into_iter().map(|(answer, _)| answer);
    let mut live: Vec<Answer> = live
        .filter(|answer| answer.wire_id.as_str() == "s~1")
        .collect();
    live.sort_by_key(|answer| answer.position);
    assert_eq!(answers, live, "as they were handed over");
    assert_eq!(
        answers[1].part,
        AnswerPart::Piece {
            order: PartOrder::Numbered(1),
            is_final: true,
            attempt: 0
        }
    );
    let recovered = recover(&reading.handle, "s~1", &[1, 0, 0]).await;
    assert_eq!(positions(&recovered), [second], "not below the floor");
    let recovered = recover(&reading.handle, "s~3", &[0, 0, 0]).await;
    assert_eq!(recovered, RecoveryOutcome::Found(Vec::new()));
    let count = |result| reading.count("answer_gateway_recoveries_total", result);
    assert_eq!((count("found"), count("nothing")), (2.0, 1.0));
    reading.handle.stop().await;
    let recovered = recover(&reading.handle, "s~1", &[0, 0, 0]).await;
    assert_eq!(
        recovered,
        RecoveryOutcome::Unavailable(UnavailableReason::Stopped)
    );
    assert_eq!(count("stopped"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_the_question_is_found_under_whatever_wire_id() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    let headers = || OwnedHeaders::new().insert(header("question-id", QUESTION.as_bytes()));
    let value = avro(schema, "s~first", "before");
    let before = stack.write_with(0, Some(&value), headers()).await;
    let reading = Reading::positioned(stack.settings()).await;
    let value = avro(schema, "s~second", "after");
    let after = stack.write_with(0, Some(&value), headers()).await;
    reading.expect(&["after"]).await;
    let recovered = recover(&reading.handle, "s~third", &[0]).await;
    assert_eq!(positions(&recovered), [before, after]);
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_has_read_is_looked_through_from_the_floor() {
    let stack = Stack::with_topic(2).await;
    let schema = stack.register();
    let at = stack.write(1, &avro(schema, "s~1", "before")).await;
    for number in 0..20 {
        let other = format!("other-{number}");
        stack.write(number % 2, &avro(schema, &other, "x")).await;
    }
    let reading = Reading::positioned(stack.settings()).await;
    let later = stack.write(0, &avro(schema, "s~1", "after")).await;
    reading.expect(&["after"]).await;
    let recovered = recover(&reading.handle, "s~1", &[0, 0]).await;
    assert_eq!(positions(&recovered), [later, at]);
    let recovered = recover(&reading.handle, "s~1", &[0, 1]).await;
    assert_eq!(positions(&recovered), [later]);
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_remembered_any_more_is_looked_through() {
    let stack = Stack::with_topic(1).await;
    let schema = stack.register();
    let mut settings = stack.settings();
    settings.answer_index = AnswerIndexLimits {
        records: 2,
        ..AnswerIndexLimits::default()
    };
    let reading = Reading::positioned(settings).await;
    let at = stack.write(0, &avro(schema, "s~1", "first")).await;
    for text in ["second", "third", "fourth"] {
        stack.write(0, &avro(schema, "other", text)).await;
    }
    reading
        .expect(&["first", "second", "third", "fourth"])
        .await;
    let recovered = recover(&reading.handle, "s~1", &[0]).await;
    assert_eq!(positions(&recovered), [at]);
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_come_at_once_are_all_told() {
    let stack = Stack::with_topic(2).await;
    let schema = stack.register();
    let reading = Reading::positioned(stack.settings()).await;
    for number in 0..200 {
        let wire_id = format!("s-{number}~1");
        stack.write(number % 2, &avro(schema, &wire_id, "x")).await;
    }
    eventually("all come", || reading.answers.positions().len() == 200).await;
    let asked = (0..200).map(|number| ask(&reading.handle, &format!("s-{number}~1"), &[0, 0]));
    for reported in asked.collect::<Vec<_>>() {
        assert_eq!(positions(&told(reported).await).len(), 1);
    }
    reading.handle.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_group_nobody_can_know() {
    let stack = Stack::with_topic(1).await;
    let mut settings = stack.settings();
    settings.delivery = AnswerDelivery::Group {
        start: GroupStart::End,
    };
    let reading = Reading::start(settings);
    let recovered = recover(&reading.handle, "s~1", &[0]).await;
    assert_eq!(
        recovered,
        RecoveryOutcome::Unavailable(UnavailableReason::Group)
    );
    assert_eq!(
        reading.count("answer_gateway_recoveries_total", "group"),
        1.0
    );
    reading.handle.stop().await;
}
