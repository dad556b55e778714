//! The records' values: Confluent's prefix and an Avro datum. Pure: the writer's schema is asked of
//! the caller.
//! Source: Confluent wire format: a zero byte, the schema's id in four bytes, big-endian, the datum.

use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;

use crate::registry::RegisteredSchema;

/// A question as it was asked.
pub(super) struct DemoQuestion {
    /// The session id, which the answer echoes as field and as key.
    pub(super) session_id: String,
    pub(super) text: String,
}

/// Reads a question's value under its writer's schema.
pub(super) fn read_question(
    value: Option<&[u8]>,
    schema: impl FnOnce(u32) -> Option<Arc<RegisteredSchema>>,
) -> Result<DemoQuestion, SkippedQuestion> {
    let [0, a, b, c, d, datum @ ..] = value.ok_or(SkippedQuestion::NoValue)? else {
        return Err(SkippedQuestion::NoPrefix);
    };
    let id = u32::from_be_bytes([*a, *b, *c, *d]);
    let registered = schema(id).ok_or(SkippedQuestion::UnknownSchema(id))?;
    let schema = Schema::parse_str(&registered.text).map_err(|_| SkippedQuestion::Schema(id))?;
    if has_named_types(&schema) {
        return Err(SkippedQuestion::Schema(id));
    }
    let Value::Record(mut fields) = decode(&schema, datum).ok_or(SkippedQuestion::NotAvro)? else {
        return Err(SkippedQuestion::NotAvro);
    };
    Ok(DemoQuestion {
        session_id: take_text(&mut fields, "session_id")?,
        text: take_text(&mut fields, "pergunta")?,
    })
}

/// Writes answers under one registered schema.
pub(super) struct AnswerWriter {
    prefix: [u8; 5],
    schema: Schema,
}

impl AnswerWriter {
    /// `id` is the one [`ANSWER_SCHEMA`] is registered under.
    pub(super) fn new(id: u32) -> Self {
        let [a, b, c, d] = id.to_be_bytes();
        Self {
            prefix: [0, a, b, c, d],
            schema: Schema::parse_str(ANSWER_SCHEMA).expect("a constant, tested"),
        }
    }

    pub(super) fn write(&self, session_id: &str, text: &str) -> Vec<u8> {
        let record = Value::Record(vec![
            ("session_id".to_owned(), session_id.into()),
            ("resposta".to_owned(), text.into()),
        ]);
        let datum = GenericDatumWriter::builder(&self.schema)
            .build()
            .and_then(|writer| writer.write_value_to_vec(record))
            .expect("two strings fit the schema");
        [&self.prefix[..], &datum].concat()
    }
}

/// The reason for which a question is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkippedQuestion {
    /// A field the answer needs is not there, or is no text.
    #[error("the field {0} is missing or no text")]
    Field(&'static str),
    /// The value does not start with the prefix of the Confluent wire format.
    #[error("no schema id before the value")]
    NoPrefix,
    /// The bytes are not a record of the schema they claim to be of.
    #[error("not a record of its schema")]
    NotAvro,
    /// A tombstone.
    #[error("no value")]
    NoValue,
    /// The schema names another one or itself, which this answerer does not follow: nesting without
    /// end would exhaust the stack.
    #[error("the schema {0} is not self-contained")]
    Schema(u32),
    /// Nobody registered this id.
    #[error("the schema {0} is not registered")]
    UnknownSchema(u32),
}

fn decode(schema: &Schema, mut datum: &[u8]) -> Option<Value> {
    let reader = GenericDatumReader::builder(schema).build().ok()?;
    let value = reader.read_value(&mut datum).ok()?;
    datum.is_empty().then_some(value)
}

fn take_text(
    fields: &mut [(String, Value)],
    name: &'static str,
) -> Result<String, SkippedQuestion> {
    let value = fields
        .iter_mut()
        .find(|(field, _)| field == name)
        .map(|(_, value)| std::mem::replace(value, Value::Null));
    let value = match value {
        Some(Value::Union(_, inner)) => Some(*inner),
        other => other,
    };
    if let Some(Value::String(text)) = value {
        return Ok(text);
    }
    Err(SkippedQuestion::Field(name))
}

fn has_named_types(schema: &Schema) -> bool {
    if let Schema::Record(record) = schema {
        return record
            .fields
            .iter()
            .any(|field| has_named_types(&field.schema));
    }
    if let Schema::Union(union) = schema {
        return union.variants().iter().any(has_named_types);
    }
    if let Schema::Array(array) = schema {
        return has_named_types(&array.items);
    }
    if let Schema::Map(map) = schema {
        return has_named_types(&map.types);
    }
    matches!(schema, Schema::Ref { .. })
}

/// The smallest schema of an answer.
pub(super) const ANSWER_SCHEMA: &str = r#"{"type":"record","name":"Resposta","fields":[{"name":"session_id","type":"string"},{"name":"resposta","type":"string"}]}"#;

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"{"type":"record","name":"Pergunta","fields":[{"name":"session_id","type":"string"},{"name":"pergunta","type":"string"}]}"#;

    #[test]
    fn a_question_is_read_under_the_schema_it_names() {
        let question = read_question(Some(b"\0\0\0\0\x07\x02s\x04oi"), |id| {
            assert_eq!(id, 7);
            registered(MINIMAL)
        });
        let Ok(DemoQuestion { session_id, text }) = question else {
            panic!("not read");
        };
        assert_eq!((&*session_id, &*text), ("s", "oi"));
    }

    #[test]
    fn a_question_with_more_and_nullable_fields_in_another_order_is_read() {
        let schema = r#"{"type":"record","name":"q","fields":[
            {"name":"asked_at","type":{"type":"long","logicalType":"timestamp-millis"}},
            {"name":"pergunta","type":["null","string"]},
            {"name":"tags","type":{"type":"array","items":"string"}},
            {"name":"session_id","type":["null","string"]}]}"#;
        let question = read_question(Some(b"\0\0\0\0\x01\x02\x02\x04oi\0\x02\x02s"), |_| {
            registered(schema)
        });
        let question = question.map(|question| (question.session_id, question.text));
        assert_eq!(question, Ok(("s".to_owned(), "oi".to_owned())));
    }

    #[test]
    fn every_unreadable_record_is_skipped_for_its_reason() {
        use SkippedQuestion as Skip;
        let nested = r#"{"type":"record","name":"P","fields":[{"name":"session_id","type":"string"},{"name":"pergunta","type":["null","P"]}]}"#;
        let number = MINIMAL.replacen(r#""type":"string""#, r#""type":"long""#, 1);
        let nullable = MINIMAL.replacen(r#""type":"string""#, r#""type":["null","string"]"#, 1);
        for (value, schema, expected) in [
            (None, MINIMAL, Skip::NoValue),
            (Some(&b""[..]), MINIMAL, Skip::NoPrefix),
            (Some(b"\0\0\0\0"), MINIMAL, Skip::NoPrefix),
            (Some(b"{\"session_id\":\"s\"}"), MINIMAL, Skip::NoPrefix),
            (Some(b"\0\0\0\0\x01"), MINIMAL, Skip::NotAvro),
            // apache-avro reads a string that ends too early as null.
            (
                Some(b"\0\0\0\0\x01\x02s\x04o"),
                MINIMAL,
                Skip::Field("pergunta"),
            ),
            (Some(b"\0\0\0\0\x01\x02s\x04oi!"), MINIMAL, Skip::NotAvro),
            (
                Some(b"\0\0\0\0\x01\x02s\x04\xff\xff"),
                MINIMAL,
                Skip::NotAvro,
            ),
            (
                Some(b"\0\0\0\0\x01\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"),
                MINIMAL,
                Skip::NotAvro,
            ),
            (Some(b"\0\0\0\0\x01\x02s"), r#""string""#, Skip::NotAvro),
            (
                Some(b"\0\0\0\0\x01\x02\x04oi"),
                &number,
                Skip::Field("session_id"),
            ),
            (
                Some(b"\0\0\0\0\x01\0\x04oi"),
                &nullable,
                Skip::Field("session_id"),
            ),
            (
                Some(b"\0\0\0\0\x01\x02s\x02\x02s\0"),
                nested,
                Skip::Schema(1),
            ),
            (
                Some(b"\0\0\0\0\x01\x02s\x04oi"),
                "no schema",
                Skip::Schema(1),
            ),
            (Some(b"\0\0\0\0\x01\x02s\x04oi"), "", Skip::UnknownSchema(1)),
        ] {
            let skipped = read_question(value, |_| registered(schema)).err();
            assert_eq!(skipped, Some(expected), "{value:?} under {schema}");
        }
    }

    #[test]
    fn an_answer_is_written_in_the_wire_format() {
        assert_eq!(
            AnswerWriter::new(0x0102_0304).write("s~1", "olá"),
            b"\0\x01\x02\x03\x04\x06s~1\x08ol\xc3\xa1"
        );
    }

    /// The schema under any id; none when `text` is empty.
    fn registered(text: &str) -> Option<Arc<RegisteredSchema>> {
        (!text.is_empty()).then(|| {
            Arc::new(RegisteredSchema {
                id: 1,
                guid: uuid::Uuid::nil(),
                text: text.into(),
                references: Vec::new(),
                referenced: Vec::new(),
            })
        })
    }
}
