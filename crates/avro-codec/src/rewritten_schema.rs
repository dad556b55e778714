//! Schemas as registries hold them, made acceptable to apache-avro, which knows ASCII names only and
//! checks defaults. Java and Python take any letter in a name (`usuário`) and hyphens in a namespace,
//! and old registrations have defaults that fit no type. None of it is seen in a record's bytes.
//! Besides, what apache-avro does with a default may panic, have no end or take all memory.

use apache_avro::schema::RecordField;
use serde_json::Value;

use crate::schema_references::combine_references;
use crate::{SchemaError, SchemaSet};

/// The deepest nesting of all texts of one schema together, in JSON. apache-avro parses them by recursion,
/// through every schema that another names.
const MAX_JSON_NESTING: usize = 512;

/// Under which of a field's own attributes its default is found.
const DEFAULT_ATTRIBUTE: &str = "answer-gateway.default";

/// A schema's text, rewritten, and what its top-level fields are really called.
#[derive(Debug)]
pub(crate) struct RewrittenSchema {
    pub(crate) text: String,
    /// The other schemas it names, rewritten and made one.
    pub(crate) references: Option<String>,
    pub(crate) fields: Vec<String>,
}

impl RewrittenSchema {
    /// Rewrites a schema and those it names. What is JSON and no schema passes, if apache-avro can
    /// say so itself.
    pub(crate) fn new(schema: &str, references: &[String]) -> Result<Self, SchemaError> {
        if references.len() > SchemaSet::MAX_REFERENCES {
            return Err(SchemaError::Invalid);
        }
        let mut schema = parse_json(schema)?;
        let references = references.iter().map(|reference| parse_json(reference));
        let mut references = references.collect::<Result<Vec<Value>, _>>()?;
        if !references.iter().all(is_named_definition) {
            return Err(SchemaError::Invalid);
        }
        let nesting = nesting_depth(&schema) + references.iter().map(nesting_depth).sum::<usize>();
        if nesting > MAX_JSON_NESTING {
            return Err(SchemaError::Invalid);
        }
        let fields = field_names(&schema);
        rewrite_schema(&mut schema);
        references.iter_mut().for_each(rewrite_schema);
        Ok(Self {
            text: schema.to_string(),
            references: combine_references(&references).map(|combined| combined.to_string()),
            fields,
        })
    }
}

fn parse_json(schema: &str) -> Result<Value, SchemaError> {
    serde_json::from_str(schema).map_err(|_| SchemaError::Invalid)
}

/// Tells whether this is the definition of a type that can be named.
pub(crate) fn is_named_definition(schema: &Value) -> bool {
    let kind = schema.get("type").and_then(Value::as_str);
    kind.is_some_and(|kind| ["record", "error", "enum", "fixed"].contains(&kind))
}

fn nesting_depth(value: &Value) -> usize {
    let inner = match value {
        Value::Array(items) => items.iter().map(nesting_depth).max(),
        Value::Object(parts) => parts.values().map(nesting_depth).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
    };
    1 + inner.unwrap_or(0)
}

/// Returns the field names of the record at the top; it may stand in another object's `type`.
fn field_names(schema: &Value) -> Vec<String> {
    if let Some(inner @ Value::Object(_)) = schema.get("type") {
        return field_names(inner);
    }
    let fields = schema.get("fields").and_then(Value::as_array);
    let name = |field: &Value| Some(field.get("name")?.as_str()?.to_owned());
    fields.into_iter().flatten().filter_map(name).collect()
}

/// The default of a field of a rewritten schema.
pub(crate) fn preserved_default(field: &RecordField) -> Option<&Value> {
    field.custom_attributes.get(DEFAULT_ATTRIBUTE)
}

/// Rewrites a type, or a field; the depth is bounded by that of the JSON.
fn rewrite_schema(schema: &mut Value) {
    match schema {
        // A primitive, or the name of a type.
        Value::String(name) => *name = to_ascii_name(name),
        Value::Array(types) => types.iter_mut().for_each(rewrite_schema),
        Value::Object(parts) => {
            // Aliases are a reader's own.
            parts.remove("aliases");
            parts.remove(DEFAULT_ATTRIBUTE);
            if let Some(default) = parts.remove("default") {
                parts.insert(DEFAULT_ATTRIBUTE.to_owned(), default);
            }
            for part in [
                "name",
                "namespace",
                "type",
                "items",
                "values",
                "fields",
                "symbols",
            ] {
                if let Some(part) = parts.get_mut(part) {
                    rewrite_schema(part);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The name with everything spelt out that apache-avro would refuse.
pub(crate) fn to_ascii_name(name: &str) -> String {
    let spelt = |letter: char| match letter {
        '.' | '_' => letter.to_string(),
        _ if letter.is_ascii_alphanumeric() => letter.to_string(),
        _ => format!("_u{:x}_", u32::from(letter)),
    };
    name.chars().map(spelt).collect()
}
