//! The named types of a schema and of those it names, wherever in them they are defined.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::Name;

use crate::SchemaError;

/// Each definition by its full name.
pub(crate) type NamedTypes<'s> = HashMap<&'s Name, &'s Schema>;

/// The definitions in a schema and in those it names.
///
/// # Errors
///
/// [`SchemaError::Invalid`] when two have one name: which of them is meant cannot be known.
pub(crate) fn collect_named_types<'s>(
    schema: &'s Schema,
    others: &'s [Schema],
) -> Result<NamedTypes<'s>, SchemaError> {
    let mut definitions = NamedTypes::new();
    let mut is_unambiguous = true;
    for schema in others.iter().chain([schema]) {
        visit_named_types(schema, &mut |name, schema| {
            is_unambiguous &= definitions.insert(name, schema).is_none();
        });
    }
    is_unambiguous
        .then_some(definitions)
        .ok_or(SchemaError::Invalid)
}

/// Calls `found` for each definition; goes as deep as the schema was parsed.
fn visit_named_types<'s>(schema: &'s Schema, found: &mut impl FnMut(&'s Name, &'s Schema)) {
    if let Schema::Array(array) = schema {
        visit_named_types(&array.items, found);
    } else if let Schema::Map(map) = schema {
        visit_named_types(&map.types, found);
    } else if let Schema::Union(union) = schema {
        for branch in union.variants() {
            visit_named_types(branch, found);
        }
    } else if let Schema::Record(record) = schema {
        for field in &record.fields {
            visit_named_types(&field.schema, found);
        }
    }
    let is_definition = !matches!(schema, Schema::Ref { .. });
    if let Some(name) = schema.name().filter(|_| is_definition) {
        found(name, schema);
    }
}
