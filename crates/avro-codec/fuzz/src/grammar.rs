//! Schemas made up from an input's bytes: mostly well-formed, with names that meet again and defaults
//! that mostly fit, so that what a random text hardly reaches is reached.

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use serde_json::{Value, json};

/// How deep types are nested.
const MAX_DEPTH: usize = 4;
/// What types may be called: the third is the first within a namespace, the fourth is no ASCII.
const NAMES: [&str; 5] = ["A", "B", "n.A", "ã", "record"];
const FIELDS: [&str; 8] = [
    "x",
    "y",
    "question_id",
    "conversation_id",
    "user_name",
    "asked_at",
    "ã",
    "_ue3_",
];
const PRIMITIVES: [&str; 8] = [
    "string", "null", "int", "long", "boolean", "float", "double", "bytes",
];
const LOGICAL: [&str; 9] = [
    "decimal",
    "uuid",
    "date",
    "time-millis",
    "timestamp-millis",
    "timestamp-micros",
    "duration",
    "big-decimal",
    "other",
];

/// A record's schema and those it may name.
pub fn schemas(bytes: &mut Unstructured<'_>) -> Result<(String, Vec<String>)> {
    let mut top = record(bytes, 0)?;
    for field in ["session_id", "pergunta"] {
        if bytes.ratio(1, 16)? {
            continue;
        }
        let fields = top["fields"].as_array_mut().expect("a record's");
        let place = bytes.choose_index(fields.len() + 1)?;
        let kind = match bytes.ratio(1, 4)? {
            true => json!(["null", "string"]),
            false => json!("string"),
        };
        fields.insert(place, json!({"name": field, "type": kind}));
    }
    if bytes.ratio(1, 8)? {
        top = json!({"type": top});
    }
    let count = bytes.int_in_range(0..=2)?;
    let other = |bytes: &mut Unstructured<'_>| match bytes.ratio(1, 8)? {
        true => kind(bytes, 1),
        false => named(bytes, 1),
    };
    let others = (0..count).map(|_| Ok(other(bytes)?.to_string()));
    let others = others.collect::<Result<_>>()?;
    Ok((top.to_string(), others))
}

fn kind(bytes: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let choices = if depth < MAX_DEPTH { 8 } else { 3 };
    Ok(match bytes.choose_index(choices)? {
        0 => json!(bytes.choose(&PRIMITIVES)?),
        1 => json!(bytes.choose(&NAMES)?),
        2 => logical(bytes)?,
        3 => json!({"type": "array", "items": kind(bytes, depth + 1)?}),
        4 => json!({"type": "map", "values": kind(bytes, depth + 1)?}),
        5 => union(bytes, depth + 1)?,
        6 => json!({"type": kind(bytes, depth + 1)?}),
        _ => named(bytes, depth + 1)?,
    })
}

fn named(bytes: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let name = bytes.choose(&NAMES)?;
    Ok(match bytes.choose_index(6)? {
        0 => json!({"type": "enum", "name": name, "symbols": ["X", "ã"], "default": "Y"}),
        1 => fixed(bytes)?,
        2 => json!({"type": "error", "name": name, "fields": []}),
        _ => record(bytes, depth)?,
    })
}

fn fixed(bytes: &mut Unstructured<'_>) -> Result<Value> {
    let sizes = [
        json!(0),
        json!(1),
        json!(2),
        json!(12),
        json!(16),
        json!(u64::MAX),
    ];
    Ok(json!({"type": "fixed", "name": bytes.choose(&NAMES)?, "size": bytes.choose(&sizes)?}))
}

fn record(bytes: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let mut fields = Vec::new();
    for name in FIELDS {
        if bytes.ratio(1, 4)? {
            fields.push(field(bytes, name, depth)?);
        }
    }
    let mut record = json!({"type": "record", "name": bytes.choose(&NAMES)?, "fields": fields});
    if bytes.ratio(1, 8)? {
        record["namespace"] = json!(bytes.choose(&["n", "", "m.n-o"])?);
    }
    Ok(record)
}

fn field(bytes: &mut Unstructured<'_>, name: &str, depth: usize) -> Result<Value> {
    let mut field = json!({"name": name, "type": kind(bytes, depth)?});
    if bytes.ratio(7, 8)? {
        field["default"] = default(bytes, &field["type"])?;
    }
    if bytes.ratio(1, 16)? {
        field["aliases"] = json!(["z", bytes.choose(&FIELDS)?]);
    }
    Ok(field)
}

fn union(bytes: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let count = bytes.int_in_range(0..=3)?;
    let branches = (0..count).map(|_| kind(bytes, depth));
    Ok(Value::Array(branches.collect::<Result<_>>()?))
}

fn logical(bytes: &mut Unstructured<'_>) -> Result<Value> {
    let mut kind = match bytes.choose_index(3)? {
        0 => fixed(bytes)?,
        _ => json!({"type": bytes.choose(&PRIMITIVES)?}),
    };
    kind["logicalType"] = json!(bytes.choose(&LOGICAL)?);
    if bytes.ratio(1, 2)? {
        kind["precision"] = json!(bytes.arbitrary::<i16>()?);
        kind["scale"] = json!(bytes.arbitrary::<i8>()?);
    }
    Ok(kind)
}

/// A default that mostly fits the type.
fn default(bytes: &mut Unstructured<'_>, kind: &Value) -> Result<Value> {
    if bytes.ratio(1, 16)? {
        return any_default(bytes);
    }
    let name = match kind {
        Value::Array(branches) if branches.is_empty() => return Ok(Value::Null),
        Value::Array(branches) => {
            let branch = bytes.choose(branches)?;
            return default(bytes, branch);
        }
        Value::String(name) => name,
        kind => match &kind["type"] {
            Value::String(name) => name,
            inner => return default(bytes, inner),
        },
    };
    Ok(match name.as_str() {
        "null" => Value::Null,
        "boolean" => json!(bytes.arbitrary::<bool>()?),
        "int" => json!(bytes.arbitrary::<i32>()?),
        "long" => json!(bytes.arbitrary::<i64>()?),
        "float" | "double" => json!(f64::from(bytes.arbitrary::<i16>()?) / 8.0),
        "string" => json!(bytes.choose(&["", "text", "ã€"])?),
        "bytes" => json!(bytes.choose(&["", "ÿ", "AB"])?),
        "fixed" => {
            let size = kind["size"].as_u64().filter(|size| *size <= 16);
            let size = size.unwrap_or_default();
            let size = if bytes.ratio(1, 8)? { size + 1 } else { size };
            Value::String((0..size).map(|_| 'ÿ').collect())
        }
        "enum" => json!(bytes.choose(&["X", "ã"])?),
        "array" => match bytes.choose_index(3)? {
            0 => json!([]),
            1 => json!([default(bytes, &kind["items"])?]),
            _ => json!([
                default(bytes, &kind["items"])?,
                default(bytes, &kind["items"])?
            ]),
        },
        "map" if bytes.ratio(1, 4)? => json!({}),
        "map" => json!({"ã": default(bytes, &kind["values"])?}),
        "record" => record_default(bytes, kind)?,
        // The name of a type, whatever that is.
        _ => bytes.choose(&[json!({}), json!("X"), json!("ÿ")])?.clone(),
    })
}

fn any_default(bytes: &mut Unstructured<'_>) -> Result<Value> {
    let any = [
        json!(null),
        json!({}),
        json!([]),
        json!(""),
        json!(7),
        json!(0.5),
        json!(true),
    ];
    Ok(bytes.choose(&any)?.clone())
}

/// Some of the fields; the others may have defaults of their own.
fn record_default(bytes: &mut Unstructured<'_>, kind: &Value) -> Result<Value> {
    let mut parts = json!({});
    for field in kind["fields"].as_array().into_iter().flatten() {
        if bytes.ratio(1, 2)? {
            let name = field["name"].as_str().expect("made up above");
            parts[name] = default(bytes, &field["type"])?;
        }
    }
    Ok(parts)
}
