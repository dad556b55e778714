//! Questions to bytes, with the subject's latest schema: its fields are matched once, by name, and
//! each question then only fills them in.

use std::time::{SystemTime, UNIX_EPOCH};

use apache_avro::Schema;
use types::QuestionRecord;

use crate::constant_fields::{ConstantFieldEncoder, write_length_prefixed, write_long};
use crate::named_types;
use crate::rewritten_schema::RewrittenSchema;
use crate::{QuestionFieldNames, SchemaError};

/// Encodes questions under one schema, in Confluent's prefix form.
#[derive(Debug)]
pub struct QuestionEncoder {
    schema_id: u32,
    field_encodings: Vec<FieldEncoding>,
}

/// The content of one field of the schema.
#[derive(Debug)]
enum FieldEncoding {
    /// The same bytes in every question: a default, or null.
    Constant(Vec<u8>),
    /// The value from the question.
    FromQuestion {
        what: QuestionValue,
        branches: UnionBranches,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QuestionValue {
    SessionId,
    Text,
    QuestionId,
    ConversationId,
    UserName,
    AskedAt,
}

/// The branches of the value and of null, if the field is a union.
#[derive(Debug, Clone, Copy, Default)]
struct UnionBranches {
    value: Option<i64>,
    null: Option<i64>,
}

impl QuestionEncoder {
    /// Matches the schema's fields; `references` are the other schemas it names.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] when it is no record, lacks a required field, or requires one that the gateway
    /// has nothing for.
    pub fn new(
        schema_id: u32,
        schema: &str,
        references: &[String],
        fields: &QuestionFieldNames,
    ) -> Result<Self, SchemaError> {
        let portable = RewrittenSchema::new(schema, references)?;
        let (schema, others) = Schema::parse_str_with_list(&portable.text, &portable.references)
            .map_err(|_| SchemaError::Invalid)?;
        let Schema::Record(record) = &schema else {
            return Err(SchemaError::NotARecord);
        };
        let mut constants =
            ConstantFieldEncoder::new(named_types::collect_named_types(&schema, &others)?);
        let mut parts = Vec::with_capacity(record.fields.len());
        for (field, name) in record.fields.iter().zip(portable.fields) {
            let fill = QuestionValue::from_field_name(&name, fields);
            let part = fill.and_then(|what| match_field(what, &field.schema));
            let part = part.or_else(|| constants.encode_field(field).map(FieldEncoding::Constant));
            parts.push(part.ok_or(SchemaError::CannotFill(name))?);
        }
        for (what, name) in [
            (QuestionValue::SessionId, &fields.session_id),
            (QuestionValue::Text, &fields.text),
        ] {
            let filled = |part: &FieldEncoding| matches!(part, FieldEncoding::FromQuestion { what: there, .. } if *there == what);
            if !parts.iter().any(filled) {
                return Err(SchemaError::MissingField(name.clone()));
            }
        }
        Ok(Self {
            schema_id,
            field_encodings: parts,
        })
    }

    /// The schema's number in the registry.
    pub fn schema_id(&self) -> u32 {
        self.schema_id
    }

    /// The record's value.
    pub fn encode(&self, question: &QuestionRecord) -> Vec<u8> {
        let mut value = Vec::with_capacity(64 + question.text.expose().len());
        value.push(0);
        value.extend_from_slice(&self.schema_id.to_be_bytes());
        for part in &self.field_encodings {
            match part {
                FieldEncoding::Constant(bytes) => value.extend_from_slice(bytes),
                FieldEncoding::FromQuestion { what, branches } => {
                    what.write(question, *branches, &mut value)
                }
            }
        }
        value
    }
}

impl QuestionValue {
    fn from_field_name(name: &str, fields: &QuestionFieldNames) -> Option<Self> {
        let table = [
            (&fields.session_id, Self::SessionId),
            (&fields.text, Self::Text),
            (&fields.question_id, Self::QuestionId),
            (&fields.conversation_id, Self::ConversationId),
            (&fields.user_name, Self::UserName),
            (&fields.asked_at, Self::AskedAt),
        ];
        table
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, fill)| fill)
    }

    fn write(self, question: &QuestionRecord, branches: UnionBranches, value: &mut Vec<u8>) {
        let text = |value: &mut Vec<u8>, text: &str| {
            if let Some(branch) = branches.value {
                write_long(branch, value);
            }
            write_length_prefixed(text.as_bytes(), value);
        };
        match self {
            Self::SessionId => text(value, question.wire_id.as_str()),
            Self::Text => text(value, question.text.expose()),
            Self::QuestionId => text(value, &question.question_id.to_string()),
            Self::ConversationId => text(value, question.session_id.as_str()),
            Self::UserName => match (&question.user_name, branches.null) {
                (Some(name), _) => text(value, name.expose()),
                (None, Some(null)) => write_long(null, value),
                // Not nullable: the empty string says that nobody gave a name.
                (None, None) => text(value, ""),
            },
            Self::AskedAt => {
                if let Some(branch) = branches.value {
                    write_long(branch, value);
                }
                write_long(unix_millis(question.asked_at), value);
            }
        }
    }
}

/// Returns how `schema` takes the field's value, if it does.
fn match_field(what: QuestionValue, schema: &Schema) -> Option<FieldEncoding> {
    if is_compatible(what, schema) {
        return Some(FieldEncoding::FromQuestion {
            what,
            branches: UnionBranches::default(),
        });
    }
    let Schema::Union(union) = schema else {
        return None;
    };
    let place = |wanted: &dyn Fn(&Schema) -> bool| {
        union
            .variants()
            .iter()
            .position(wanted)
            .and_then(|place| i64::try_from(place).ok())
    };
    let value = place(&|branch| is_compatible(what, branch))?;
    let null = place(&|branch| matches!(branch, Schema::Null));
    Some(FieldEncoding::FromQuestion {
        what,
        branches: UnionBranches {
            value: Some(value),
            null,
        },
    })
}

fn is_compatible(what: QuestionValue, schema: &Schema) -> bool {
    match what {
        QuestionValue::AskedAt => matches!(schema, Schema::Long | Schema::TimestampMillis),
        QuestionValue::SessionId
        | QuestionValue::Text
        | QuestionValue::QuestionId
        | QuestionValue::ConversationId
        | QuestionValue::UserName => {
            matches!(schema, Schema::String)
        }
    }
}

/// Milliseconds since 1970; a clock before that counts as 1970.
fn unix_millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
