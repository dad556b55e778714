//! Questions are written with the subject's schema, as apache-avro reads it.

use std::time::{Duration, UNIX_EPOCH};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use avro_codec::{MINIMAL_QUESTION_SCHEMA, QuestionEncoder, QuestionFieldNames, SchemaError};
use types::{QuestionId, QuestionRecord, QuestionText, SessionId, UserName, WireId, WireIdSuffix};

const FULL: &str = r#"{"type":"record","name":"Pergunta","fields":[
  {"name":"user_name","type":["null","string"],"default":null},
  {"name":"lang","type":"string","default":"pt"},
  {"name":"pergunta","type":["string","null"]},
  {"name":"asked_at","type":{"type":"long","logicalType":"timestamp-millis"}},
  {"name":"note","type":["null","string"]},
  {"name":"session_id","type":"string"},
  {"name":"question_id","type":["null","string"],"default":null},
  {"name":"conversation_id","type":"string"}]}"#;

pub(crate) fn question(user_name: Option<&str>) -> QuestionRecord {
    let session = SessionId::parse("s").unwrap();
    QuestionRecord {
        wire_id: WireId::suffixed(&session, WireIdSuffix::from_random([0; 10])),
        session_id: session,
        question_id: QuestionId::from_bytes([7; 16]),
        text: QuestionText::new("Onde fica?"),
        user_name: user_name.map(UserName::new),
        asked_at: UNIX_EPOCH + Duration::from_millis(1_234),
    }
}

pub(crate) fn read(schema: &str, question: &QuestionRecord) -> Vec<(String, Value)> {
    let encoder = QuestionEncoder::new(258, schema, &[], &QuestionFieldNames::default()).unwrap();
    let value = encoder.encode(question);
    let (prefix, mut datum) = value.split_at(5);
    assert_eq!(prefix, [0, 0, 0, 1, 2]);
    let schema = Schema::parse_str(schema).unwrap();
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    let Value::Record(fields) = reader.read_value(&mut datum).unwrap() else {
        panic!("a record")
    };
    assert!(datum.is_empty(), "nothing is left over");
    fields
}

pub(crate) fn refused(schema: &str) -> SchemaError {
    QuestionEncoder::new(1, schema, &[], &QuestionFieldNames::default()).unwrap_err()
}

#[test]
fn the_minimal_schema_gets_the_wire_id_and_the_text() {
    let fields = read(MINIMAL_QUESTION_SCHEMA, &question(Some("Ana")));
    let text = |text: &str| Value::String(text.to_owned());
    assert_eq!(
        fields,
        [
            ("session_id".to_owned(), text("s~aaaaaaaaaaaaaaaa")),
            ("pergunta".to_owned(), text("Onde fica?")),
        ]
    );
}

#[test]
fn optional_fields_are_filled_by_name_and_unknown_ones_take_their_default() {
    let fields = read(FULL, &question(Some("Ana")));
    let shown: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    assert_eq!(
        shown,
        [
            r#"user_name=Union(1, String("Ana"))"#,
            r#"lang=String("pt")"#,
            r#"pergunta=Union(0, String("Onde fica?"))"#,
            "asked_at=TimestampMillis(1234)",
            "note=Union(0, Null)",
            r#"session_id=String("s~aaaaaaaaaaaaaaaa")"#,
            r#"question_id=Union(1, String("07070707070707070707070707070707"))"#,
            r#"conversation_id=String("s")"#,
        ]
    );
    let fields = read(FULL, &question(None));
    assert_eq!(
        fields[0].1,
        Value::Union(0, Box::new(Value::Null)),
        "nobody gave a name"
    );
}

#[test]
fn a_schema_that_cannot_be_filled_is_refused_by_the_fields_name() {
    let extra = MINIMAL_QUESTION_SCHEMA.replace(
        "\"fields\":[",
        r#""fields":[{"name":"tenant","type":"string"},"#,
    );
    assert_eq!(
        refused(&extra),
        SchemaError::CannotFill("tenant".to_owned())
    );
    let other = MINIMAL_QUESTION_SCHEMA.replace("pergunta", "texto");
    assert_eq!(refused(&other), SchemaError::CannotFill("texto".to_owned()));
    let typed = r#"{"type":"record","name":"P","fields":[{"name":"session_id","type":"string"}]}"#;
    assert_eq!(
        refused(typed),
        SchemaError::MissingField("pergunta".to_owned())
    );
    assert_eq!(refused("\"int\""), SchemaError::NotARecord);
}
