//! The same question is asked again: while it waits, after its answer, after its failure.

use expect_test::expect;

use crate::script::check;

#[test]
fn a_second_question_is_refused_with_the_id_of_the_one_that_goes_on() {
    check(
        "
        start a1
        ask a1 q1 named
        ask a1 q2 named
        published q1
        ask a1 q2 named
        answer a~q1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > ask a1 q2 named
              tell a1 error q1 Busy
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > ask a1 q2 named
              tell a1 error q1 Busy
            > answer a~q1
              tell a1 answer q1: 1/0 r1. [t3: seq 1 answered q1]
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn the_same_question_while_it_waits_is_accepted_again_once_it_is() {
    check(
        "
        start a1
        ask a1 q1 named
        ask a1 q1 named
        published q1
        ask a1 q1 named
        answer a~q1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > ask a1 q1 named
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > ask a1 q1 named
              tell a1 accepted q1 [t3: seq 0 waits q1 until 120s]
            > answer a~q1
              tell a1 answer q1: 1/0 r1. [t4: seq 1 answered q1]
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn the_same_question_after_its_answer_was_received_is_refused() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 text=abcdef
        ack a1 2
        ask a1 q1 named
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 text=abcdef
              tell a1 answer q1: 1/0 abcd, 2/1 ef. [t3: seq 2 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > ack a1 2
            > ask a1 q1 named
              tell a1 error q1 AlreadyAnswered
        "#]],
    );
}

#[test]
fn the_same_question_after_its_answer_was_not_received_gets_the_parts_that_lack() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 text=abcdefghij
        ack a1 1
        ask a1 q1 named
        recovered a1 q1 r1
        ack a1 3
        ask a1 q1 named
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 text=abcdefghij
              tell a1 answer q1: 1/0 abcd, 2/1 efgh, 3/2 ij. [t3: seq 3 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > ack a1 1
            > ask a1 q1 named
              recover a1 q1 as a~q1
            > recovered a1 q1 r1
              a1 adopted
              tell a1 accepted q1 [t4: seq 0 waits q1 until 120s answered q1]
              tell a1 answer q1: 2/1 efgh, 3/2 ij. [t5: seq 3 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > ack a1 3
            > ask a1 q1 named
              tell a1 error q1 AlreadyAnswered
        "#]],
    );
}

#[test]
fn parts_that_lack_and_cannot_be_found_are_refused() {
    check(
        "
        start a1
        ask a1 q1 named
        published q1
        answer a~q1 text=abcdefghij
        ask a1 q1 named
        recovered a1 q1 lost
        ask a1 q2 named
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t2: seq 0 waits q1 until 120s]
            > answer a~q1 text=abcdefghij
              tell a1 answer q1: 1/0 abcd, 2/1 efgh, 3/2 ij. [t3: seq 3 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > ask a1 q1 named
              recover a1 q1 as a~q1
            > recovered a1 q1 lost
              tell a1 error q1 AlreadyAnswered
            > ask a1 q2 named
              publish q2 as a~q2
        "#]],
    );
}

#[test]
fn a_question_that_kafka_did_not_take_is_told_and_may_be_asked_again() {
    check(
        "
        start a1
        ask a1 q1 named
        publish_failed q1 no
        ask a1 q1 named suffix=second
        published q1
        answer a~second
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > publish_failed q1 no
              tell a1 error q1 PublishFailed [t2: seq 0]
              a1 ended: publish_failed 0ns
            > ask a1 q1 named suffix=second
              publish q1 as a~second
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t3: seq 0 waits q1 until 120s]
            > answer a~second
              tell a1 answer q1: 1/0 r1. [t4: seq 1 answered q1]
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}

#[test]
fn a_question_that_may_be_in_kafka_and_is_asked_again_is_answered_once() {
    check(
        "
        start a1
        ask a1 q1 named
        publish_failed q1 maybe
        ask a1 q1 named suffix=second
        published q1
        answer a~q1
        answer a~second
        answer a~q1 echo=q1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > publish_failed q1 maybe
              tell a1 error q1 PublishFailed [t2: seq 0]
              a1 ended: publish_failed 0ns
            > ask a1 q1 named suffix=second
              publish q1 as a~second
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t3: seq 0 waits q1 until 120s]
            > answer a~q1
              record: late
            > answer a~second
              tell a1 answer q1: 1/0 r2. [t4: seq 1 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > answer a~q1 echo=q1
              record: duplicate
        "#]],
    );
}

#[test]
fn an_echo_of_the_same_question_counts_whichever_publication_it_is_of() {
    check(
        "
        start a1
        ask a1 q1 named
        publish_failed q1 maybe
        ask a1 q1 named suffix=second
        published q1
        answer a~q1 echo=q1
        answer a~second echo=q1
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > publish_failed q1 maybe
              tell a1 error q1 PublishFailed [t2: seq 0]
              a1 ended: publish_failed 0ns
            > ask a1 q1 named suffix=second
              publish q1 as a~second
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t3: seq 0 waits q1 until 120s]
            > answer a~q1 echo=q1
              tell a1 answer q1: 1/0 r1. [t4: seq 1 answered q1]
              a1 ended: answered 0ns
              record: delivered
            > answer a~second echo=q1
              record: duplicate
        "#]],
    );
}

#[test]
fn a_whole_answer_to_an_earlier_asking_is_late_once_parts_of_this_one_were_seen() {
    check(
        "
        start a1
        ask a1 q1 named
        publish_failed q1 maybe
        ask a1 q1 named suffix=second
        published q1
        answer a~second echo=q1 part=0 text=ab
        answer a~q1 echo=q1 text=whole
        answer a~second echo=q1 part=1 final text=cd
        ",
        expect![[r#"
            > start a1
              tell a1 hello fresh, nothing pending [t1: seq 0]
            > ask a1 q1 named
              publish q1 as a~q1
            > publish_failed q1 maybe
              tell a1 error q1 PublishFailed [t2: seq 0]
              a1 ended: publish_failed 0ns
            > ask a1 q1 named suffix=second
              publish q1 as a~second
            > published q1
              a1 accepted 0ns
              tell a1 accepted q1 [t3: seq 0 waits q1 until 120s]
            > answer a~second echo=q1 part=0 text=ab
              tell a1 answer q1: 1/0 ab
              record: part
            > answer a~q1 echo=q1 text=whole
              record: late
            > answer a~second echo=q1 part=1 final text=cd
              tell a1 answer q1: 2/1 cd. [t4: seq 2 answered q1]
              a1 ended: answered 0ns
              record: delivered
        "#]],
    );
}
