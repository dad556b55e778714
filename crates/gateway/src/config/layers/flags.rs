//! The flags' layer: `--set key=value`. Of the same key given twice the last counts.

use std::collections::BTreeMap;

use ::config::{Map, Value, ValueKind};

use super::Layer;
use super::file::names_a_file;
use crate::config::keys;
use crate::config::problem::Origin;

pub(super) fn read(set: &[String]) -> Layer {
    let mut layer = Layer::default();
    let origin = Origin::flag();
    let mut last = BTreeMap::new();
    for flag in set {
        match flag.split_once('=') {
            Some((name, value)) => {
                last.insert(name.trim(), value);
            }
            None => missing_value(&mut layer, flag.trim(), &origin),
        }
    }
    for (name, value) in last {
        offer(&mut layer, name, value, &origin);
    }
    layer
}

fn offer(layer: &mut Layer, name: &str, value: &str, origin: &Origin) {
    if let Some(key) = keys::find(name) {
        layer.offer(key, value.into(), origin);
    } else if let Some(key) = names_a_file(name) {
        layer.offer_file(key, value, origin);
    } else if let Some((key, property)) = keys::all()
        .filter(|key| key.map)
        .find_map(|key| Some((key, name.strip_prefix(key.name)?.strip_prefix('.')?)))
    {
        let table: Map<_, _> = [(property.to_owned(), Value::from(value))].into();
        layer.offer(key, ValueKind::Table(table), origin);
    } else {
        layer.unknown(name, origin, keys::all().map(|key| key.name.to_owned()));
    }
}

/// What has no `=` is shown only when it is a known key: it may be anything, even a secret.
fn missing_value(layer: &mut Layer, flag: &str, origin: &Origin) {
    let name = keys::find(flag).map_or("--set", |key| key.name);
    layer.problem(name, origin, "has no value; write `--set key=value`");
}
