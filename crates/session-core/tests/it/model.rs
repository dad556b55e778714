//! Random scripts against a reference that keeps all of history, and against what must always hold.
//!
//! `PROPTEST_CASES=100000 cargo test -p session-core model` looks further. A script that failed once
//! stands in `proptest-regressions` and is run first from then on.

mod audit;
mod history;
mod part_assembly;
mod reference;
mod run;
mod step;

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use session_core::{Effect, ReplyV1, SessionEvent, WireIdMode};

use run::{World, run};
use step::{Echo, any_mode, honest_script, script, settings};

proptest! {
    #[test]
    fn the_core_does_what_a_reading_of_all_history_says(settings in settings(any_mode()), script in script()) {
        run(World::Hostile, &settings, &script);
    }

    // The rows of the protocol's table under "Wire id", as far as one replica can break them.

    #[test]
    fn an_answer_that_echoes_the_question_id_reaches_its_question_always(
        settings in settings(any_mode()),
        script in honest_script(Just(Echo::Own)),
    ) {
        run(World::Honest, &settings, &script);
    }

    #[test]
    fn an_answer_under_a_suffix_reaches_its_question_always(
        settings in settings(Just(WireIdMode::Suffixed)),
        script in honest_script(prop_oneof![Just(Echo::Absent), Just(Echo::Own)]),
    ) {
        run(World::Honest, &settings, &script);
    }

    #[test]
    fn an_answer_that_comes_once_reaches_its_question_under_the_plain_id_too(
        settings in settings(Just(WireIdMode::Plain)),
        script in honest_script(prop_oneof![4 => Just(Echo::Absent), 1 => Just(Echo::Own)]),
    ) {
        run(World::HonestOnce, &settings, &script);
    }
}

#[test]
fn the_scripts_bring_about_everything_that_can_happen() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..300 {
        let case = (settings(any_mode()), script());
        let (settings, script) = case.new_tree(&mut runner).unwrap().current();
        let effects = run(World::Hostile, &settings, &script);
        seen.extend(effects.iter().map(kind));
    }
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    expect_test::expect![[r#"
        DepartedTableFull
        DuplicateAnswers
        accepted
        close Draining
        close Superseded
        ended Answered
        ended Expired
        ended Failed
        ended PublishFailed
        ended Undeliverable
        publish plain
        publish suffixed
        record Delivered
        record Duplicate
        record Foreign
        record Invalid
        record Late
        record Part
        record Undeliverable
        send AnswerFailed
        send Busy
        send Draining
        send PublishFailed
        send TimedOut
        send answer
        send answer before the report
        suffix stripped"#]]
    .assert_eq(&seen.join("\n"));
}

/// The sort of an effect.
fn kind(effect: &Effect) -> String {
    match effect {
        Effect::Publish { question, .. } if question.wire_id.is_plain() => "publish plain".into(),
        Effect::Publish { .. } => "publish suffixed".into(),
        Effect::SendV1 { reply, .. } => match reply {
            ReplyV1::Answer {
                publish_time: None, ..
            } => "send answer before the report".into(),
            ReplyV1::Answer { .. } => "send answer".into(),
            ReplyV1::AnswerFailed
            | ReplyV1::Busy
            | ReplyV1::Draining
            | ReplyV1::PublishFailed
            | ReplyV1::TimedOut => format!("send {reply:?}"),
        },
        Effect::Recover { .. } | Effect::SendV2 { .. } => unreachable!("version 1 only"),
        Effect::Close { reason, .. } => format!("close {reason:?}"),
        Effect::RecordEvent(event) => match event {
            SessionEvent::QuestionAccepted { .. } => "accepted".into(),
            SessionEvent::QuestionEnded { outcome, .. } => format!("ended {outcome:?}"),
            SessionEvent::AnswerDecided { outcome } => format!("record {outcome:?}"),
            SessionEvent::AnswerTooLarge
            | SessionEvent::ContradictoryParts
            | SessionEvent::DuplicateAnswers
            | SessionEvent::DepartedTableFull => format!("{event:?}"),
            SessionEvent::SuffixStripped { .. } => "suffix stripped".into(),
            SessionEvent::QuestionAdopted { .. }
            | SessionEvent::NotResumed { .. }
            | SessionEvent::SessionIdInUse { .. }
            | SessionEvent::AnswerRestarted => unreachable!("version 1 only"),
        },
    }
}
