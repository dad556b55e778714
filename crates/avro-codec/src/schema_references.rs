//! The schemas that another names, made one, each after those it names. apache-avro takes several in
//! an order that differs from call to call, and then knows of each the outermost type only.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};

use crate::rewritten_schema::is_named_definition;

/// One schema that defines what all these define; none when there are none.
pub(crate) fn combine_references(references: &[Value]) -> Option<Value> {
    if references.is_empty() {
        return None;
    }
    let fields = order_by_dependency(references).into_iter().enumerate();
    let fields = fields.map(|(place, schema)| json!({"name": format!("_{place}"), "type": schema}));
    let fields: Vec<Value> = fields.collect();
    // Without a namespace: the schemas within would inherit it.
    Some(json!({"type": "record", "name": "answer_gateway_references", "fields": fields}))
}

fn order_by_dependency(references: &[Value]) -> Vec<&Value> {
    let names: Vec<SchemaNames> = references.iter().map(SchemaNames::from_schema).collect();
    let needs = |place: usize, one: &SchemaNames| {
        let others = names
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place);
        let named = others.filter(|(_, other)| !one.mentioned.is_disjoint(&other.defined));
        named.map(|(other, _)| other).collect()
    };
    let waiting = names.iter().enumerate();
    // What each still waits for.
    let mut waiting: BTreeMap<usize, BTreeSet<usize>> = waiting
        .map(|(place, one)| (place, needs(place, one)))
        .collect();
    let mut ordered = Vec::with_capacity(references.len());
    while let Some((first, _)) = waiting.first_key_value() {
        // In a circle nobody is free; apache-avro then misses a name.
        let free = waiting.iter().find(|(_, needs)| needs.is_empty());
        let next = free.map_or(*first, |(place, _)| *place);
        waiting.remove(&next);
        for needs in waiting.values_mut() {
            needs.remove(&next);
        }
        ordered.extend(references.get(next));
    }
    ordered
}

/// The full names in a schema.
#[derive(Default)]
struct SchemaNames {
    defined: HashSet<String>,
    mentioned: HashSet<String>,
}

impl SchemaNames {
    fn from_schema(schema: &Value) -> Self {
        let mut names = Self::default();
        names.collect_names(schema, "");
        names
    }

    /// Goes as deep as the JSON.
    fn collect_names(&mut self, schema: &Value, namespace: &str) {
        match schema {
            Value::String(name) => drop(self.mentioned.insert(full_name(name, namespace))),
            Value::Array(branches) => branches
                .iter()
                .for_each(|one| self.collect_names(one, namespace)),
            Value::Object(parts) if is_named_definition(schema) => {
                let text = |part: &str| parts.get(part).and_then(Value::as_str);
                let namespace = text("namespace").unwrap_or(namespace);
                let name = full_name(text("name").unwrap_or_default(), namespace);
                let namespace = name.rsplit_once('.').map_or("", |(namespace, _)| namespace);
                let fields = parts.get("fields").and_then(Value::as_array);
                let types = fields
                    .into_iter()
                    .flatten()
                    .filter_map(|field| field.get("type"));
                types.for_each(|one| self.collect_names(one, namespace));
                self.defined.insert(name);
            }
            Value::Object(parts) => {
                let types = ["type", "items", "values"]
                    .into_iter()
                    .filter_map(|part| parts.get(part));
                types.for_each(|one| self.collect_names(one, namespace));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}
