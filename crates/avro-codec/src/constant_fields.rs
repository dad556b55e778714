//! Encodes the constant fields of a question: each field's default, or null, from JSON to Avro. Bounded, because
//! the defaults of nested records use each other again, and may use themselves.
//! Source: Apache Avro specification 1.12, "Complex Types" (`default`) and "Binary Encoding".

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{FixedSchema, InnerDecimalSchema, RecordField, RecordSchema, UuidSchema};
use serde_json::Value;

use crate::named_types::NamedTypes;
use crate::rewritten_schema::{preserved_default, to_ascii_name};

/// The deepest nesting of a default.
const MAX_DEFAULT_DEPTH: usize = 64;
/// The most that all of a schema's defaults may hold together, in bytes and values. It is part of every
/// question, and so far less than what Kafka takes.
const MAX_DEFAULTS_SIZE: usize = 1 << 18;

/// Writes the constants of one schema.
pub(crate) struct ConstantFieldEncoder<'s> {
    definitions: NamedTypes<'s>,
    /// The bytes and values that may still be written, or tried.
    remaining_size: usize,
}

impl<'s> ConstantFieldEncoder<'s> {
    pub(crate) fn new(definitions: NamedTypes<'s>) -> Self {
        Self {
            definitions,
            remaining_size: MAX_DEFAULTS_SIZE,
        }
    }

    /// The field's default, else null where null is allowed. `None` when there is neither, when the
    /// default does not fit, or when it is too large.
    pub(crate) fn encode_field(&mut self, field: &RecordField) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let value = preserved_default(field).unwrap_or(&Value::Null);
        self.write_value(value, &field.schema, MAX_DEFAULT_DEPTH, &mut bytes)?;
        Some(bytes)
    }

    fn write_value(
        &mut self,
        value: &Value,
        schema: &Schema,
        depth: usize,
        bytes: &mut Vec<u8>,
    ) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.remaining_size = self.remaining_size.checked_sub(value_size(value))?;
        if let Schema::Ref { name } = schema {
            let definition = self.definitions.get(name).copied()?;
            self.write_value(value, definition, depth, bytes)
        } else if let Schema::Record(record) = schema {
            self.write_record(value, record, depth, bytes)
        } else if let Schema::Array(array) = schema {
            let items = value.as_array()?;
            write_block(items.len(), bytes, |bytes| {
                let mut items = items.iter();
                items.try_for_each(|item| self.write_value(item, &array.items, depth, bytes))
            })
        } else if let Schema::Map(map) = schema {
            let items = value.as_object()?;
            write_block(items.len(), bytes, |bytes| {
                items.iter().try_for_each(|(key, item)| {
                    write_length_prefixed(key.as_bytes(), bytes);
                    self.write_value(item, &map.types, depth, bytes)
                })
            })
        } else if let Schema::Union(union) = schema {
            let start = bytes.len();
            let mut branches = (0..).zip(union.variants());
            let fitting = branches.find(|(branch, schema)| {
                bytes.truncate(start);
                write_long(*branch, bytes);
                self.write_value(value, schema, depth, bytes).is_some()
            });
            fitting.map(drop)
        } else {
            write_scalar(value, schema, bytes)
        }
    }

    /// The fields that the default lacks have theirs.
    fn write_record(
        &mut self,
        value: &Value,
        record: &RecordSchema,
        depth: usize,
        bytes: &mut Vec<u8>,
    ) -> Option<()> {
        let parts = value.as_object()?.iter();
        let parts: HashMap<String, &Value> = parts
            .map(|(name, part)| (to_ascii_name(name), part))
            .collect();
        record.fields.iter().try_for_each(|field| {
            let value = parts
                .get(&field.name)
                .copied()
                .or_else(|| preserved_default(field))?;
            self.write_value(value, &field.schema, depth, bytes)
        })
    }
}

/// Returns the size of a value itself, without those within.
fn value_size(value: &Value) -> usize {
    1 + match value {
        Value::String(text) => text.len(),
        Value::Object(parts) => parts.keys().map(String::len).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => 0,
    }
}

fn write_scalar(value: &Value, schema: &Schema, bytes: &mut Vec<u8>) -> Option<()> {
    match schema {
        Schema::Null => value.as_null()?,
        Schema::Boolean => bytes.push(value.as_bool()?.into()),
        Schema::Int | Schema::Date | Schema::TimeMillis => {
            write_long(i32::try_from(value.as_i64()?).ok()?.into(), bytes);
        }
        Schema::Long
        | Schema::TimeMicros
        | Schema::TimestampMillis
        | Schema::TimestampMicros
        | Schema::TimestampNanos
        | Schema::LocalTimestampMillis
        | Schema::LocalTimestampMicros
        | Schema::LocalTimestampNanos => write_long(value.as_i64()?, bytes),
        Schema::Float => bytes.extend((value.as_f64()? as f32).to_le_bytes()),
        Schema::Double => bytes.extend(value.as_f64()?.to_le_bytes()),
        Schema::String | Schema::Uuid(UuidSchema::String) => {
            write_length_prefixed(value.as_str()?.as_bytes(), bytes);
        }
        Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => {
            write_length_prefixed(&bytes_from_json(value)?, bytes);
        }
        Schema::Decimal(decimal) => match &decimal.inner {
            InnerDecimalSchema::Bytes => write_length_prefixed(&bytes_from_json(value)?, bytes),
            InnerDecimalSchema::Fixed(fixed) => bytes.extend(fixed_from_json(value, fixed)?),
        },
        Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
            bytes.extend(fixed_from_json(value, fixed)?)
        }
        Schema::Enum(kind) => {
            let symbol = to_ascii_name(value.as_str()?);
            let index = kind.symbols.iter().position(|known| *known == symbol)?;
            write_long(index.try_into().ok()?, bytes);
        }
        Schema::Array(_)
        | Schema::Map(_)
        | Schema::Union(_)
        | Schema::Record(_)
        | Schema::Ref { .. } => return None,
    }
    Some(())
}

/// Bytes stand in JSON as a string of the characters with these numbers.
fn bytes_from_json(value: &Value) -> Option<Vec<u8>> {
    let octet = |letter: char| u8::try_from(u32::from(letter)).ok();
    value.as_str()?.chars().map(octet).collect()
}

fn fixed_from_json(value: &Value, fixed: &FixedSchema) -> Option<Vec<u8>> {
    bytes_from_json(value).filter(|octets| octets.len() == fixed.size)
}

/// The items of an array or a map.
fn write_block(
    count: usize,
    bytes: &mut Vec<u8>,
    items: impl FnOnce(&mut Vec<u8>) -> Option<()>,
) -> Option<()> {
    if count > 0 {
        write_long(count.try_into().ok()?, bytes);
        items(bytes)?;
    }
    bytes.push(0);
    Some(())
}

/// A string, or bytes, with their length before them.
pub(crate) fn write_length_prefixed(content: &[u8], bytes: &mut Vec<u8>) {
    write_long(content.len().try_into().unwrap_or(i64::MAX), bytes);
    bytes.extend_from_slice(content);
}

/// A zig-zag variable-length integer.
pub(crate) fn write_long(number: i64, bytes: &mut Vec<u8>) {
    let mut bits = (number << 1 ^ number >> 63).cast_unsigned();
    while bits >= 0x80 {
        bytes.push((bits & 0x7f) as u8 | 0x80);
        bits >>= 7;
    }
    bytes.push(bits as u8);
}
