//! Tests that fields the gateway has nothing for are written as the schema's default.

use apache_avro::types::Value;
use avro_codec::{
    AnswerDecoder, AnswerFieldNames, MINIMAL_QUESTION_SCHEMA, QuestionEncoder, QuestionFieldNames,
    SchemaError, SchemaRef, SchemaSet,
};

use crate::questions::{question, read, refused};

/// The minimal schema with this field before the others.
fn with(field: &str) -> String {
    MINIMAL_QUESTION_SCHEMA.replace("\"fields\":[", &format!("\"fields\":[{field},"))
}

/// Returns the value that apache-avro reads in the field `x` of a question.
fn written(kind: &str, default: &str) -> Value {
    let schema = with(&format!(
        r#"{{"name":"x","type":{kind},"default":{default}}}"#
    ));
    read(&schema, &question(None)).remove(0).1
}

fn cannot_be_filled(kind: &str, default: &str) {
    let schema = with(&format!(
        r#"{{"name":"x","type":{kind},"default":{default}}}"#
    ));
    let error = SchemaError::CannotFill("x".to_owned());
    assert_eq!(refused(&schema), error, "{kind} {default}");
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn branch(number: u32, value: Value) -> Value {
    Value::Union(number, Box::new(value))
}

#[test]
fn a_default_of_every_simple_type_is_written() {
    let bytes = Value::Bytes(vec![255, 0, 65]);
    let millis = r#"{"type":"long","logicalType":"timestamp-millis"}"#;
    for (kind, default, expected) in [
        (r#""null""#, "null", Value::Null),
        (r#""boolean""#, "true", Value::Boolean(true)),
        (r#""boolean""#, "false", Value::Boolean(false)),
        (r#""int""#, "-2147483648", Value::Int(i32::MIN)),
        (r#""long""#, "9223372036854775807", Value::Long(i64::MAX)),
        (r#""float""#, "1.5", Value::Float(1.5)),
        (r#""double""#, "-3", Value::Double(-3.0)),
        (r#""string""#, r#""olá""#, text("olá")),
        (r#""bytes""#, r#""\u00ff\u0000A""#, bytes),
        (millis, "3", Value::TimestampMillis(3)),
    ] {
        assert_eq!(written(kind, default), expected, "{kind} {default}");
    }
}

#[test]
fn a_default_of_every_composed_type_is_written() {
    let fixed = r#"{"type":"fixed","name":"F","size":2}"#;
    let symbols = r#"{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}"#;
    let union = r#"["null","string"]"#;
    let list = r#"{"type":"array","items":"string"}"#;
    let two = Value::Array(vec![text("a"), text("b")]);
    let map = r#"{"type":"map","values":"int"}"#;
    let one = Value::Map([("ã".to_owned(), Value::Int(7))].into());
    let record = r#"{"type":"record","name":"S","fields":[{"name":"a","type":"int"},
        {"name":"b","type":["null","S"],"default":null},{"name":"c","type":"long","default":9}]}"#;
    let inner = Value::Record(vec![
        ("a".to_owned(), Value::Int(1)),
        ("b".to_owned(), branch(0, Value::Null)),
        ("c".to_owned(), Value::Long(9)),
    ]);
    for (kind, default, expected) in [
        (fixed, r#""\u00ffA""#, Value::Fixed(2, vec![255, 65])),
        (symbols, r#""B""#, Value::Enum(1, "B".to_owned())),
        (union, "null", branch(0, Value::Null)),
        (union, r#""s""#, branch(1, text("s"))),
        (list, r#"["a","b"]"#, two),
        (list, "[]", Value::Array(Vec::new())),
        (map, r#"{"ã":7}"#, one),
        (record, r#"{"a":1}"#, inner),
    ] {
        assert_eq!(written(kind, default), expected, "{kind} {default}");
    }
}

#[test]
fn a_default_that_does_not_fit_its_type_is_none() {
    for (kind, default) in [
        ("\"null\"", "0"),
        ("\"boolean\"", "\"true\""),
        ("\"int\"", "2147483648"),
        ("\"int\"", "1.5"),
        ("\"long\"", "9223372036854775808"),
        ("\"double\"", "\"1\""),
        ("\"string\"", "1"),
        ("\"bytes\"", "\"€\""),
        (r#"{"type":"fixed","name":"F","size":2}"#, "\"A\""),
        (
            r#"{"type":"fixed","name":"F","size":18446744073709551615}"#,
            "\"A\"",
        ),
        (
            r#"{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}"#,
            "\"C\"",
        ),
        (r#"["null","string"]"#, "1"),
        (r#"{"type":"array","items":"string"}"#, "[1]"),
        (r#"{"type":"map","values":"int"}"#, r#"{"a":"b"}"#),
        (
            r#"{"type":"record","name":"S","fields":[{"name":"a","type":"int"}]}"#,
            "{}",
        ),
        (
            r#"{"type":"record","name":"S","fields":[{"name":"a","type":"int"}]}"#,
            "[]",
        ),
    ] {
        cannot_be_filled(kind, default);
    }
}

#[test]
fn names_that_apache_avro_would_refuse_have_defaults_too() {
    let schema = with(
        r#"{"name":"humor","type":{"type":"enum","name":"Ânimo","symbols":["MAU","ÓTIMO"]},"default":"ÓTIMO"},
           {"name":"limites","type":{"type":"record","name":"L","fields":[{"name":"máximo","type":"int"}]},
            "default":{"máximo":3}}"#,
    );
    let encoder = QuestionEncoder::new(1, &schema, &[], &QuestionFieldNames::default()).unwrap();
    let value = encoder.encode(&question(None));
    assert_eq!(value.get(5..7), Some(&[2, 6][..]));
}

#[test]
fn a_schema_that_names_another_has_defaults_too() {
    let schema = with(
        r#"{"name":"place","type":"shared.Place","default":{"x":1}},{"name":"note","type":["null","string"]}"#,
    );
    let place = r#"{"type":"record","name":"Place","namespace":"shared","fields":[{"name":"x","type":"int"}]}"#;
    let named = [place.to_owned()];
    let encoder = QuestionEncoder::new(7, &schema, &named, &QuestionFieldNames::default()).unwrap();
    let value = encoder.encode(&question(None));
    assert_eq!(value.get(5..7), Some(&[2, 0][..]));

    let mut set = SchemaSet::default();
    set.insert(SchemaRef::Id(7), &schema, &named).unwrap();
    let fields = AnswerFieldNames {
        text: "pergunta".to_owned(),
        ..AnswerFieldNames::default()
    };
    let read = AnswerDecoder::new(fields, 100)
        .decode(&value, None, &set)
        .unwrap();
    assert_eq!(read.text.unwrap().expose(), "Onde fica?");
}

#[test]
fn a_default_that_has_no_end_or_grows_without_measure_is_none() {
    let endless =
        r#"{"type":"record","name":"L","fields":[{"name":"next","type":"L","default":{}}]}"#;
    cannot_be_filled(endless, "{}");
    // Each level holds the one before ten times, and says so once.
    let mut wide = r#"{"type":"record","name":"W0","fields":[]}"#.to_owned();
    for level in 1..20 {
        let before = level - 1;
        let again =
            (0..9).map(|n| format!(r#",{{"name":"a{n}","type":"W{before}","default":{{}}}}"#));
        let again: String = again.collect();
        wide = format!(
            r#"{{"type":"record","name":"W{level}","fields":[{{"name":"a","type":{wide},"default":{{}}}}{again}]}}"#
        );
    }
    cannot_be_filled(&wide, "{}");
}

#[test]
fn a_name_with_two_definitions_is_refused() {
    let twice = r#"{"name":"x","type":{"type":"fixed","name":"F","size":1},"default":"a"},
        {"name":"y","type":{"type":"fixed","name":"F","size":2},"default":"bb"}"#;
    assert_eq!(refused(&with(twice)), SchemaError::Invalid);
}
