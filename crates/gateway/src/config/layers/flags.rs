//! The flags' layer: `--set key=value`. Of the same key given twice the last counts.

use std::collections::BTreeMap;

use ::config::{Map, Value, ValueKind};

use super::ConfigLayer;
use super::file::key_of_file_setting;
use crate::config::keys;
use crate::config::problem::ValueOrigin;

pub(super) fn read_flags(set: &[String]) -> ConfigLayer {
    let mut layer = ConfigLayer::default();
    let origin = ValueOrigin::from_flag();
    let mut last = BTreeMap::new();
    for flag in set {
        match flag.split_once('=') {
            Some((name, value)) => {
                last.insert(name.trim(), value);
            }
            None => report_missing_value(&mut layer, flag.trim(), &origin),
        }
    }
    for (name, value) in last {
        offer_flag(&mut layer, name, value, &origin);
    }
    layer
}

fn offer_flag(layer: &mut ConfigLayer, name: &str, value: &str, origin: &ValueOrigin) {
    if let Some(key) = keys::find_key(name) {
        layer.offer(key, value.into(), origin);
    } else if let Some(key) = key_of_file_setting(name) {
        layer.offer_file(key, value, origin);
    } else if let Some((key, property)) = keys::all_keys()
        .filter(|key| key.map)
        .find_map(|key| Some((key, name.strip_prefix(key.name)?.strip_prefix('.')?)))
    {
        let table: Map<_, _> = [(property.to_owned(), Value::from(value))].into();
        layer.offer(key, ValueKind::Table(table), origin);
    } else {
        layer.report_unknown(
            name,
            origin,
            keys::all_keys().map(|key| key.name.to_owned()),
        );
    }
}

/// An argument without `=` is shown only when it is a known key: it may be anything, even a secret.
fn report_missing_value(layer: &mut ConfigLayer, flag: &str, origin: &ValueOrigin) {
    let name = keys::find_key(flag).map_or("--set", |key| key.name);
    layer.report_problem(name, origin, "has no value; write `--set key=value`");
}
