//! Questions to bytes, with the subject's latest schema: its fields are matched once, by name, and
//! each question then only fills them in.

use std::time::{SystemTime, UNIX_EPOCH};

use apache_avro::Schema;
use types::Question;

use crate::constant::{Constants, long, prefixed};
use crate::definitions;
use crate::portable::Portable;
use crate::{QuestionFields, SchemaError};

/// Encodes questions under one schema, in Confluent's prefix form.
#[derive(Debug)]
pub struct QuestionEncoder {
    id: u32,
    parts: Vec<Part>,
}

/// What one field of the schema is filled with.
#[derive(Debug)]
enum Part {
    /// The same bytes in every question: a default, or null.
    Constant(Vec<u8>),
    /// What the question says.
    Fill { what: Fill, branches: Branches },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fill {
    SessionId,
    Text,
    QuestionId,
    ConversationId,
    UserName,
    AskedAt,
}

/// Where the value and null stand, if the field is a union.
#[derive(Debug, Clone, Copy, Default)]
struct Branches {
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
        id: u32,
        schema: &str,
        references: &[String],
        fields: &QuestionFields,
    ) -> Result<Self, SchemaError> {
        let portable = Portable::new(schema, references)?;
        let (schema, others) = Schema::parse_str_with_list(&portable.text, &portable.references)
            .map_err(|_| SchemaError::Invalid)?;
        let Schema::Record(record) = &schema else {
            return Err(SchemaError::NotARecord);
        };
        let mut constants = Constants::new(definitions::of(&schema, &others)?);
        let mut parts = Vec::with_capacity(record.fields.len());
        for (field, name) in record.fields.iter().zip(portable.fields) {
            let fill = Fill::by_name(&name, fields);
            let part = fill.and_then(|what| fitting(what, &field.schema));
            let part = part.or_else(|| constants.of(field).map(Part::Constant));
            parts.push(part.ok_or(SchemaError::CannotFill(name))?);
        }
        for (what, name) in [
            (Fill::SessionId, &fields.session_id),
            (Fill::Text, &fields.text),
        ] {
            let filled =
                |part: &Part| matches!(part, Part::Fill { what: there, .. } if *there == what);
            if !parts.iter().any(filled) {
                return Err(SchemaError::MissingField(name.clone()));
            }
        }
        Ok(Self { id, parts })
    }

    /// The schema's number in the registry.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The record's value.
    pub fn encode(&self, question: &Question) -> Vec<u8> {
        let mut value = Vec::with_capacity(64 + question.text.expose().len());
        value.push(0);
        value.extend_from_slice(&self.id.to_be_bytes());
        for part in &self.parts {
            match part {
                Part::Constant(bytes) => value.extend_from_slice(bytes),
                Part::Fill { what, branches } => what.write(question, *branches, &mut value),
            }
        }
        value
    }
}

impl Fill {
    fn by_name(name: &str, fields: &QuestionFields) -> Option<Self> {
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

    fn write(self, question: &Question, branches: Branches, value: &mut Vec<u8>) {
        let text = |value: &mut Vec<u8>, text: &str| {
            if let Some(branch) = branches.value {
                long(branch, value);
            }
            prefixed(text.as_bytes(), value);
        };
        match self {
            Self::SessionId => text(value, question.wire_id.as_str()),
            Self::Text => text(value, question.text.expose()),
            Self::QuestionId => text(value, &question.question_id.to_string()),
            Self::ConversationId => text(value, question.session.as_str()),
            Self::UserName => match (&question.user_name, branches.null) {
                (Some(name), _) => text(value, name.expose()),
                (None, Some(null)) => long(null, value),
                // Not nullable: the empty string says that nobody gave a name.
                (None, None) => text(value, ""),
            },
            Self::AskedAt => {
                if let Some(branch) = branches.value {
                    long(branch, value);
                }
                long(millis(question.asked_at), value);
            }
        }
    }
}

/// How `schema` takes what fills it, if it does.
fn fitting(what: Fill, schema: &Schema) -> Option<Part> {
    if fits(what, schema) {
        return Some(Part::Fill {
            what,
            branches: Branches::default(),
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
    let value = place(&|branch| fits(what, branch))?;
    let null = place(&|branch| matches!(branch, Schema::Null));
    Some(Part::Fill {
        what,
        branches: Branches {
            value: Some(value),
            null,
        },
    })
}

fn fits(what: Fill, schema: &Schema) -> bool {
    match what {
        Fill::AskedAt => matches!(schema, Schema::Long | Schema::TimestampMillis),
        Fill::SessionId | Fill::Text | Fill::QuestionId | Fill::ConversationId | Fill::UserName => {
            matches!(schema, Schema::String)
        }
    }
}

/// Milliseconds since 1970; a clock before that counts as 1970.
fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
