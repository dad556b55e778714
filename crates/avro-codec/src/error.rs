//! Errors of a record or of a schema. A retry of the same bytes never helps, except
//! after [`DecodeError::UnknownSchema`].

use crate::SchemaRef;

/// A record that could not be decoded. Its content is not in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The writer's schema is not in the set: fetch it and decode again.
    #[error("the writer's schema {0} is not known yet")]
    UnknownSchema(SchemaRef),
    /// Neither a Confluent prefix nor a schema header.
    #[error("not in the Confluent wire format")]
    UnknownFraming,
    /// The bytes end before the value does.
    #[error("truncated")]
    Truncated,
    /// A length, count, union branch or variable-length integer that cannot be.
    #[error("malformed Avro")]
    Malformed,
    /// The writer's schema has no usable session id.
    #[error("the schema has no session id")]
    MissingField,
    /// A field holds another type than it must.
    #[error("a field has the wrong type")]
    WrongFieldType,
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    InvalidUtf8,
    /// A text longer than the limit.
    #[error("a text is longer than the limit")]
    TextTooLong,
    /// Bytes are left over after the value.
    #[error("bytes are left over")]
    TrailingBytes,
}

impl DecodeError {
    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::UnknownSchema(_) => "unknown_schema",
            Self::UnknownFraming => "magic",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::MissingField => "missing_field",
            Self::WrongFieldType => "field_type",
            Self::InvalidUtf8 => "utf8",
            Self::TextTooLong => "too_large",
            Self::TrailingBytes => "trailing",
        }
    }
}

/// A schema that cannot be used. Whoever registered it is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Not an Avro schema, or too large, or with an unresolvable name.
    #[error("not a usable Avro schema")]
    Invalid,
    /// Not a record at the top.
    #[error("the schema is not a record")]
    NotARecord,
    /// A field that must be there is not, or is not a string.
    #[error("the schema has no string field `{0}`")]
    MissingField(String),
    /// A field without a default that the gateway has nothing for.
    #[error("the schema requires the field `{0}`, which the gateway cannot fill")]
    CannotFill(String),
}
