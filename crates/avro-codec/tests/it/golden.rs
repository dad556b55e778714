//! Records as confluent-kafka wrote them; `tests/golden/capture.py` says how.

use std::time::{Duration, UNIX_EPOCH};

use avro_codec::{
    AnswerDecoder, AnswerFieldNames, DecodedAnswer, QuestionEncoder, QuestionFieldNames, SchemaRef,
    SchemaSet, split_frame,
};
use serde_json::Value;
use types::{BorrowedText, QuestionId, QuestionRecord, QuestionText, SessionId, UserName, WireId};

const ANSWERS: &str = include_str!("../golden/answers.json");
const QUESTIONS: &str = include_str!("../golden/questions.json");

#[test]
fn every_captured_answer_is_read_by_its_id() {
    for case in cases(ANSWERS) {
        let value = bytes(&case["prefixed"]);
        let schema = SchemaRef::Id(id(&case));
        assert_eq!(
            split_frame(&value, None).unwrap().schema,
            schema,
            "{}",
            case["name"]
        );
        assert_eq!(
            decode(&case, schema, &value, None),
            said(&case),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn every_captured_answer_is_read_by_its_guid_in_the_header() {
    for case in cases(ANSWERS) {
        let (value, header) = (bytes(&case["bare"]), bytes(&case["header"]));
        let schema = split_frame(&value, Some(&header)).unwrap().schema;
        assert_eq!(schema.to_string(), text(&case["guid"]).unwrap());
        assert_eq!(
            decode(&case, schema, &value, Some(&header)),
            said(&case),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn every_captured_answer_cut_anywhere_is_an_error() {
    for case in cases(ANSWERS) {
        let (set, value) = (
            set(&case, SchemaRef::Id(id(&case))),
            bytes(&case["prefixed"]),
        );
        for end in 0..value.len() {
            let cut = decoder().decode(&value[..end], None, &set);
            assert!(cut.is_err(), "{} cut at {end}", case["name"]);
        }
    }
}

#[test]
fn questions_are_written_byte_for_byte_as_confluent_kafka_writes_them() {
    for case in cases(QUESTIONS) {
        let (schema, fields) = (
            text(&case["schema"]).unwrap(),
            QuestionFieldNames::default(),
        );
        let encoder = QuestionEncoder::new(id(&case), &schema, &[], &fields).unwrap();
        let value = encoder.encode(&question(&case["question"]));
        assert_eq!(value, bytes(&case["value"]), "{}", case["name"]);
    }
}

fn decode<'a>(
    case: &Value,
    schema: SchemaRef,
    value: &'a [u8],
    header: Option<&[u8]>,
) -> DecodedAnswer<'a> {
    decoder().decode(value, header, &set(case, schema)).unwrap()
}

fn decoder() -> AnswerDecoder {
    AnswerDecoder::new(AnswerFieldNames::default(), 1_000)
}

fn set(case: &Value, schema: SchemaRef) -> SchemaSet {
    let references = case["references"].as_array().unwrap();
    let references: Vec<String> = references.iter().filter_map(text).collect();
    let mut set = SchemaSet::default();
    set.insert(schema, &text(&case["schema"]).unwrap(), &references)
        .unwrap();
    set
}

/// The values that confluent-kafka was given to write.
fn said(case: &Value) -> DecodedAnswer<'_> {
    let says = &case["says"];
    DecodedAnswer {
        session_id: says["session_id"].as_str().unwrap(),
        question_id: says["question_id"].as_str(),
        text: says["resposta"].as_str().map(BorrowedText::new),
        error: says["error"].as_str().map(BorrowedText::new),
        part: says["part"].as_i64(),
        is_final: says["final"].as_bool(),
        attempt: says["attempt"].as_i64(),
        metadata: None,
    }
}

fn question(said: &Value) -> QuestionRecord {
    let millis = said["asked_at_ms"].as_u64().unwrap();
    QuestionRecord {
        session_id: SessionId::parse(&text(&said["session"]).unwrap()).unwrap(),
        wire_id: WireId::parse(&text(&said["wire_id"]).unwrap()).unwrap(),
        question_id: QuestionId::parse(&text(&said["question_id"]).unwrap()).unwrap(),
        text: QuestionText::new(text(&said["text"]).unwrap()),
        user_name: text(&said["user_name"]).map(UserName::new),
        asked_at: UNIX_EPOCH + Duration::from_millis(millis),
    }
}

fn cases(document: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(document).unwrap();
    let cases = document["cases"].as_array().unwrap();
    assert!(cases.len() >= 5, "a file without cases would prove nothing");
    cases.clone()
}

fn id(case: &Value) -> u32 {
    u32::try_from(case["id"].as_u64().unwrap()).unwrap()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks_exact(2).map(byte).collect()
}
