//! Any bytes as a schema and the schemas it names, first as their texts (0xff between them), then as
//! instructions to make some up: an error or a schema that can be used, within the stack that a thread has.
#![no_main]

use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use avro_codec::{
    AnswerDecoder, AnswerFieldNames, QuestionEncoder, QuestionFieldNames, SchemaRef, SchemaSet,
};
use avro_codec_fuzz::grammar;
use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use types::{QuestionId, QuestionRecord, QuestionText, SessionId, UserName, WireId};

const ID: u32 = 7;
/// What Rust's threads have, and with them the ones that compile schemas.
const STACK: usize = 2 << 20;

fuzz_target!(|input: &[u8]| {
    let mut texts = input
        .split(|byte| *byte == 0xff)
        .map(|text| String::from_utf8_lossy(text).into_owned());
    let schema = texts.next().unwrap_or_default();
    let references: Vec<String> = texts.collect();
    let mut instructions = Unstructured::new(input);
    let made_up = grammar::schemas(&mut instructions);
    let datum = instructions.take_rest();
    let work = || {
        check(&schema, &references, input);
        if let Ok((schema, references)) = &made_up {
            check(schema, references, datum);
        }
    };
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, work);
        worker.expect("a thread").join().expect("no panic");
    });
});

fn check(schema: &str, references: &[String], datum: &[u8]) {
    let mut set = SchemaSet::default();
    let inserted = set.insert(SchemaRef::Id(ID), schema, references);
    assert_eq!(set.contains(SchemaRef::Id(ID)), inserted.is_ok());
    let value = [&[0], &ID.to_be_bytes()[..], datum].concat();
    let _ = AnswerDecoder::new(AnswerFieldNames::default(), 100).decode(&value, None, &set);
    if let Ok(encoder) =
        QuestionEncoder::new(ID, schema, references, &QuestionFieldNames::default())
    {
        assert_eq!(inserted, Ok(()), "what can be written can be read");
        let value = encoder.encode(&question());
        is_read(&value, &set);
        apache_avro_reads(schema, references, &value);
    }
}

/// The decoder finds in a question what the encoder put there.
fn is_read(value: &[u8], set: &SchemaSet) {
    let fields = AnswerFieldNames {
        text: "pergunta".to_owned(),
        // No field has this name.
        question_id: String::new(),
        error: String::new(),
        ..AnswerFieldNames::default()
    };
    let read = AnswerDecoder::new(fields, 100)
        .decode(value, None, set)
        .expect("what was written");
    let written = question();
    assert_eq!(read.session_id, written.wire_id.as_str());
    assert_eq!(
        read.text.as_ref().map(|text| text.expose()),
        Some(written.text.expose())
    );
}

/// The question is a value of its schema, wherever apache-avro takes the schema's bare types.
fn apache_avro_reads(schema: &str, references: &[String], value: &[u8]) {
    let schema = bare(schema);
    let references = references.iter().map(|one| bare(one));
    let Ok((schema, others)) = Schema::parse_str_with_list(&schema, references) else {
        return;
    };
    let all: Vec<&Schema> = others.iter().chain([&schema]).collect();
    let Ok(builder) = GenericDatumReader::builder(&schema).writer_schemata(all) else {
        return;
    };
    let mut datum = value.get(5..).expect("a prefix");
    let read = builder
        .build()
        .and_then(|reader| reader.read_value(&mut datum));
    assert!(
        read.is_ok() && datum.is_empty(),
        "{read:?}, {} left over",
        datum.len()
    );
}

/// Without what is not seen in a record's bytes: some defaults make apache-avro panic, and it takes
/// no text for a uuid that is none.
fn bare(schema: &str) -> String {
    let mut schema: Value = serde_json::from_str(schema).expect("an encoder was made of it");
    strip(&mut schema);
    schema.to_string()
}

fn strip(schema: &mut Value) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(strip),
        Value::Object(parts) => {
            parts.remove("default");
            parts.remove("logicalType");
            parts.values_mut().for_each(strip);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn question() -> QuestionRecord {
    QuestionRecord {
        session_id: SessionId::parse("s").expect("an id"),
        wire_id: WireId::parse("s~x").expect("an id"),
        question_id: QuestionId::from_bytes([7; 16]),
        text: QuestionText::new("Onde?"),
        user_name: Some(UserName::new("Ana")),
        asked_at: UNIX_EPOCH + Duration::from_millis(1_234),
    }
}
