//! Answers are read under any compatible writer's schema, and nothing else is.

use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Schema, types::Record};
use avro_codec::{
    AnswerDecoder, AnswerFieldNames, DecodeError, DecodedAnswer, MINIMAL_ANSWER_SCHEMA,
    SchemaError, SchemaRef, SchemaSet,
};
use proptest::prelude::*;

const FLINK: &str = r#"{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated",
  "fields":[{"name":"extra","type":["null",{"type":"array","items":{"type":"map","values":"double"}}]},
  {"name":"resposta","type":["null","string"]},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
  {"name":"session_id","type":["null","string"]},{"name":"error","type":["null","string"]},
  {"name":"question_id","type":["null","string"]},
  {"name":"tree","type":["null",{"type":"record","name":"Tree","fields":[{"name":"next","type":["null","Tree"]}]}]}]}"#;

fn set(schema: &str) -> SchemaSet {
    let mut set = SchemaSet::default();
    set.insert(SchemaRef::Id(7), schema, &[]).unwrap();
    set
}

fn decode<'a>(value: &'a [u8], schema: &str) -> Result<DecodedAnswer<'a>, DecodeError> {
    AnswerDecoder::new(AnswerFieldNames::default(), 1_000).decode(value, None, &set(schema))
}

fn written(schema: &str, fill: impl FnOnce(&mut Record<'_>)) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    let mut record = Record::new(&schema).unwrap();
    fill(&mut record);
    let mut bytes = vec![0, 0, 0, 0, 7];
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    writer.write_value(&mut bytes, Value::from(record)).unwrap();
    bytes
}

fn minimal(session: &str, text: &str) -> Vec<u8> {
    written(MINIMAL_ANSWER_SCHEMA, |record| {
        record.put("session_id", session);
        record.put("resposta", text);
    })
}

fn null() -> Value {
    Value::Union(0, Box::new(Value::Null))
}

fn flink(session: Value, text: Value) -> Vec<u8> {
    let leaf = Value::Record(vec![("next".to_owned(), null())]);
    let map = Value::Map([("k".to_owned(), Value::Double(1.5))].into());
    written(FLINK, |record| {
        record.put("extra", Value::Union(1, Box::new(Value::Array(vec![map]))));
        record.put("resposta", text);
        record.put("at", Value::TimestampMillis(1));
        record.put("session_id", session);
        record.put("error", null());
        record.put(
            "question_id",
            Value::Union(1, Box::new(Value::String("q".to_owned()))),
        );
        record.put("tree", Value::Union(1, Box::new(leaf)));
    })
}

fn some(text: &str) -> Value {
    Value::Union(1, Box::new(Value::String(text.to_owned())))
}

#[test]
fn the_minimal_answer_is_read() {
    let value = minimal("s~x", "olá");
    let answer = decode(&value, MINIMAL_ANSWER_SCHEMA).unwrap();
    assert_eq!(
        (answer.session_id, answer.text.unwrap().expose()),
        ("s~x", "olá")
    );
    assert_eq!((answer.question_id, answer.error), (None, None));
}

#[test]
fn fields_are_found_by_name_among_others_whatever_the_record_is_called() {
    let value = flink(some("s"), some("sim"));
    let answer = decode(&value, FLINK).unwrap();
    assert_eq!(
        (answer.session_id, answer.text.unwrap().expose()),
        ("s", "sim")
    );
    assert_eq!(answer.question_id, Some("q"));
}

#[test]
fn a_null_text_is_no_text_and_a_null_session_is_an_error() {
    assert_eq!(decode(&flink(some("s"), null()), FLINK).unwrap().text, None);
    assert_eq!(
        decode(&flink(null(), some("x")), FLINK),
        Err(DecodeError::MissingField)
    );
}

#[test]
fn an_unknown_schema_is_a_value_that_names_it() {
    let decoder = AnswerDecoder::new(AnswerFieldNames::default(), 10);
    let error = decoder.decode(&[0, 0, 0, 0, 9, 1], None, &SchemaSet::default());
    assert_eq!(error, Err(DecodeError::UnknownSchema(SchemaRef::Id(9))));
}

#[test]
fn every_truncation_is_an_error() {
    for (value, schema) in [
        (minimal("s", "text"), MINIMAL_ANSWER_SCHEMA),
        (flink(some("s"), some("t")), FLINK),
    ] {
        for end in 0..value.len() {
            assert!(decode(&value[..end], schema).is_err(), "cut at {end}");
        }
    }
}

#[test]
fn lying_lengths_and_counts_are_errors_and_no_allocations() {
    let huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let value = [&[0, 0, 0, 0, 7], &huge[..]].concat();
    assert_eq!(
        decode(&value, MINIMAL_ANSWER_SCHEMA),
        Err(DecodeError::Truncated)
    );
    assert_eq!(
        decode(&[0, 0, 0, 0, 7, 1], MINIMAL_ANSWER_SCHEMA),
        Err(DecodeError::Malformed)
    );
    let endless = [&[0, 0, 0, 0, 7], &[0xff; 11][..]].concat();
    assert_eq!(
        decode(&endless, MINIMAL_ANSWER_SCHEMA),
        Err(DecodeError::Malformed)
    );
    // An array of nulls may say any count and has no bytes to show for it.
    let nulls = r#"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":"null"}}]}"#;
    let value = [&[0, 0, 0, 0, 7], &huge[..], &[0]].concat();
    assert_eq!(decode(&value, nulls), Err(DecodeError::MissingField));
}

#[test]
fn the_rest_of_what_can_be_wrong_has_a_name_each() {
    let mut trailing = minimal("s", "t");
    trailing.push(0);
    assert_eq!(
        decode(&trailing, MINIMAL_ANSWER_SCHEMA),
        Err(DecodeError::TrailingBytes)
    );
    assert_eq!(
        decode(&minimal("s", &"x".repeat(1_001)), MINIMAL_ANSWER_SCHEMA),
        Err(DecodeError::TextTooLong)
    );
    assert_eq!(
        decode(&[0, 0, 0, 0, 7, 2, 0xff, 0], MINIMAL_ANSWER_SCHEMA),
        Err(DecodeError::InvalidUtf8)
    );
    let typed = MINIMAL_ANSWER_SCHEMA.replace(
        r#""session_id","type":"string""#,
        r#""session_id","type":"long""#,
    );
    assert_eq!(
        decode(&[0, 0, 0, 0, 7, 2, 0], &typed),
        Err(DecodeError::WrongFieldType)
    );
}

#[test]
fn nesting_beyond_the_bound_is_an_error() {
    let mut value = minimal("s", "t");
    let deep = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#;
    value.truncate(5);
    value.extend([2_u8; 1_000]);
    value.push(0);
    assert_eq!(decode(&value, deep), Err(DecodeError::Malformed));
}

#[test]
fn what_is_no_record_schema_is_refused_and_the_set_stays_bounded() {
    let mut set = SchemaSet::default();
    let insert = |set: &mut SchemaSet, schema: &str| set.insert(SchemaRef::Id(1), schema, &[]);
    assert_eq!(insert(&mut set, "\"string\""), Err(SchemaError::NotARecord));
    assert_eq!(insert(&mut set, "{"), Err(SchemaError::Invalid));
    let long = format!(
        "{MINIMAL_ANSWER_SCHEMA}{}",
        " ".repeat(SchemaSet::MAX_SCHEMA_BYTES)
    );
    assert_eq!(insert(&mut set, &long), Err(SchemaError::Invalid));
    for id in 0..=SchemaSet::MAX_SCHEMAS {
        set.insert(
            SchemaRef::Id(id.try_into().unwrap()),
            MINIMAL_ANSWER_SCHEMA,
            &[],
        )
        .unwrap();
    }
    assert!(
        !set.contains(SchemaRef::Id(0)),
        "the set started anew at its bound"
    );
    assert!(set.contains(SchemaRef::Id(SchemaSet::MAX_SCHEMAS.try_into().unwrap())));
}

#[test]
fn types_without_bytes_take_no_time_however_often_they_are_named() {
    let mut schema =
        r#"{"type":"record","name":"R0","fields":[{"name":"a","type":"null"}]}"#.to_owned();
    for level in 1..20 {
        let before = level - 1;
        let again = (0..30).map(|n| format!(r#",{{"name":"a{n}","type":"R{before}"}}"#));
        let again: String = again.collect();
        schema = format!(
            r#"{{"type":"record","name":"R{level}","fields":[{{"name":"a","type":{schema}}}{again}]}}"#
        );
    }
    let schema = format!(
        r#"{{"type":"record","name":"R","fields":[{{"name":"many","type":{{"type":"array","items":{schema}}}}},
        {{"name":"session_id","type":"string"}}]}}"#
    );
    let value = [0, 0, 0, 0, 7, 0x80, 0x80, 0x80, 2, 0, 2, b's'];
    assert_eq!(decode(&value, &schema).unwrap().session_id, "s");
}

#[test]
fn a_schema_that_other_registries_took_is_read_though_apache_avro_would_refuse_it() {
    let schema = r#"{"type":"record","name":"Resposta","namespace":"br.com.minha-empresa","fields":[
        {"name":"revisão","aliases":["versão"],"type":"int","default":null},
        {"name":"humor","type":{"type":"enum","name":"Humor","symbols":["ÓTIMO"],"default":"MAU"}},
        {"name":"session_id","type":"string"},
        {"name":"local","type":["br.com.minha-empresa.Usuário","null"],"default":"nenhum"},
        {"name":"resposta","type":"string"}]}"#;
    let user =
        r#"{"type":"record","name":"Usuário","namespace":"br.com.minha-empresa","fields":[]}"#;
    let mut set = SchemaSet::default();
    let named = [user.to_owned()];
    set.insert(SchemaRef::Id(7), schema, &named).unwrap();
    let decoder = AnswerDecoder::new(AnswerFieldNames::default(), 10);
    let value = [0, 0, 0, 0, 7, 2, 0, 2, b's', 0, 2, b't'];
    let answer = decoder.decode(&value, None, &set).unwrap();
    assert_eq!(answer.session_id, "s");
    assert_eq!(answer.text.unwrap().expose(), "t");
}

#[test]
fn the_fields_may_be_called_anything() {
    let schema = MINIMAL_ANSWER_SCHEMA
        .replace("session_id", "sessão")
        .replace("resposta", "réponse");
    let fields = AnswerFieldNames {
        session_id: "sessão".to_owned(),
        text: "réponse".to_owned(),
        ..AnswerFieldNames::default()
    };
    let value = [0, 0, 0, 0, 7, 2, b's', 2, b't'];
    let answer = AnswerDecoder::new(fields, 10)
        .decode(&value, None, &set(&schema))
        .unwrap();
    assert_eq!(answer.session_id, "s");
    assert_eq!(answer.text.unwrap().expose(), "t");
}

#[test]
fn a_record_within_an_object_is_the_record() {
    let schema = format!(r#"{{"type":{MINIMAL_ANSWER_SCHEMA}}}"#);
    let value = minimal("s", "sim");
    let answer = decode(&value, &schema).unwrap();
    assert_eq!(answer.session_id, "s");
}

#[test]
fn parts_are_told_by_fields_of_their_types_and_by_no_others() {
    let schema = |part: &str, last: &str| {
        MINIMAL_ANSWER_SCHEMA.replace(
            "]}",
            &format!(r#",{{"name":"part","type":{part}}},{{"name":"final","type":{last}}},{{"name":"attempt","type":["null","long"]}}]}}"#),
        )
    };
    let said = |schema: &str, bytes: &[u8]| {
        let value = [&minimal("s", "t")[..], bytes].concat();
        decode(&value, schema).map(|answer| (answer.part, answer.is_final, answer.attempt))
    };
    let plain = schema(r#""int""#, r#""boolean""#);
    assert_eq!(
        said(&plain, &[6, 1, 2, 4]),
        Ok((Some(3), Some(true), Some(2)))
    );
    assert_eq!(said(&plain, &[1, 0, 0]), Ok((Some(-1), Some(false), None)));
    assert_eq!(said(&plain, &[6, 2, 0]), Err(DecodeError::Malformed));
    let nullable = schema(r#"["null","long"]"#, r#"["boolean","null"]"#);
    assert_eq!(said(&nullable, &[0, 2, 0]), Ok((None, None, None)));
    assert_eq!(
        said(&nullable, &[2, 6, 0, 1, 0]),
        Ok((Some(3), Some(true), None))
    );
    let others = schema(
        r#""string""#,
        r#"{"type":"enum","name":"E","symbols":["A"]}"#,
    );
    assert_eq!(said(&others, &[2, b'x', 0, 0]), Ok((None, None, None)));
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(session in "[a-z0-9~-]{1,40}", text in ".{0,200}") {
        let value = minimal(&session, &text);
        let answer = decode(&value, MINIMAL_ANSWER_SCHEMA).unwrap();
        prop_assert_eq!(answer.session_id, &session);
        let read = answer.text.unwrap();
        prop_assert_eq!(read.expose(), &text);
        let value = flink(some(&session), some(&text));
        let answer = decode(&value, FLINK).unwrap();
        let read = answer.text.unwrap();
        prop_assert_eq!(read.expose(), &text);
    }

    #[test]
    fn any_bytes_are_an_answer_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let value = [&[0, 0, 0, 0, 7], &bytes[..]].concat();
        for schema in [MINIMAL_ANSWER_SCHEMA, FLINK] {
            decode(&value, schema).ok();
        }
    }
}

#[test]
fn metadata_is_a_text_and_anything_else_says_nothing() {
    let schema = |kind: &str| {
        let field = format!(r#",{{"name":"metadata","type":{kind}}}]}}"#);
        MINIMAL_ANSWER_SCHEMA.replace("]}", &field)
    };
    let said = |kind: &str, bytes: &[u8]| {
        let value = [&minimal("s", "t")[..], bytes].concat();
        let answer = decode(&value, &schema(kind)).unwrap();
        answer.metadata.map(|metadata| metadata.expose().to_owned())
    };
    assert_eq!(said(r#""string""#, &[4, b'{', b'}']).as_deref(), Some("{}"));
    assert_eq!(said(r#"["null","string"]"#, &[0]), None);
    assert_eq!(said(r#""int""#, &[8]), None, "it means something else");
    assert_eq!(said(r#""bytes""#, &[2, 0xff]), None, "no UTF-8");
}

#[test]
fn whether_a_schema_fits_is_told_without_a_record() {
    let fits = |fields: &str| {
        let mut schemas = SchemaSet::default();
        let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
        schemas.insert(SchemaRef::Id(1), &text, &[]).unwrap();
        AnswerDecoder::new(AnswerFieldNames::default(), 0).check_schema(SchemaRef::Id(1), &schemas)
    };
    let session = r#"{"name":"session_id","type":"string"}"#;
    let union = r#"{"name":"resposta","type":["null","string"]}"#;
    assert_eq!(fits(&format!("{session},{union}")), Ok(()));
    assert_eq!(fits(session), Err(DecodeError::MissingField));
    assert_eq!(fits(union), Err(DecodeError::MissingField));
    let number = r#"{"name":"resposta","type":["null","long"]}"#;
    assert_eq!(
        fits(&format!("{session},{number}")),
        Err(DecodeError::WrongFieldType)
    );
}
