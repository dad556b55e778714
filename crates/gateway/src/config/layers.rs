//! The layers a configuration is made of, and their merging.
//!
//! Each layer checks names and gathers what was said about each key; the `config` crate lays the
//! layers over each other, carrying each value's origin along.

mod environment;
mod file;
mod flags;
mod secret_file;

pub use environment::Environment;

use std::collections::{BTreeMap, BTreeSet};

use ::config::{Config, Map, Source, Value, ValueKind};

use super::key::ConfigKey;
use super::keys;
use super::kind::RawValue;
use super::problem::{ConfigProblem, ValueOrigin};
use super::properties;
use super::values::{ConfigEntry, default_text};
use super::{ConfigInputs, Purpose};

/// Reads every layer and merges them.
pub(crate) fn merge_layers(
    inputs: &ConfigInputs<'_>,
) -> (BTreeMap<&'static str, ConfigEntry>, Vec<ConfigProblem>) {
    let layers = [
        defaults_layer(inputs.command),
        inputs.file.map(file::read_file).unwrap_or_default(),
        environment::read_environment(inputs.environment),
        flags::read_flags(inputs.set),
    ];
    let mut problems = Vec::new();
    let mut builder = Config::builder();
    for layer in layers {
        let (tree, found) = layer.into_values();
        problems.extend(found);
        builder = builder.add_source(MergedTree(tree));
    }
    let merged = builder.build().and_then(|merged| merged.collect());
    let mut entries = BTreeMap::new();
    collect_entries("", merged.expect("trees in memory merge"), &mut entries);
    (entries, problems)
}

/// One layer: what it says about each key, and what is wrong with how it says it.
#[derive(Debug, Default)]
pub(crate) struct ConfigLayer {
    /// By key. A layer may say several things: by the key's own name, an alias, a secret's file.
    offers: BTreeMap<&'static str, Vec<Value>>,
    problems: Vec<ConfigProblem>,
}

impl ConfigLayer {
    /// Notes what was said about `key`.
    fn offer(&mut self, key: &'static ConfigKey, kind: ValueKind, origin: &ValueOrigin) {
        if key.map {
            return self.offer_map(key, kind, origin);
        }
        if matches!(kind, ValueKind::Table(_)) {
            let right = format!("is one value, not a section; give {}", key.expected);
            return self.report_problem(key.name, origin, right);
        }
        let value = Value::new(Some(&origin.to_string()), kind);
        self.offers.entry(key.name).or_default().push(value);
    }

    /// Notes values by free names; what several statements name adds up.
    fn offer_map(&mut self, key: &'static ConfigKey, kind: ValueKind, origin: &ValueOrigin) {
        let Some(table) = self.properties(key, kind, origin) else {
            return;
        };
        let offers = self.offers.entry(key.name).or_default();
        match offers.first_mut().map(|offer| &mut offer.kind) {
            Some(ValueKind::Table(earlier)) => earlier.extend(table),
            Some(_) | None => offers.push(table.into()),
        }
    }

    /// Notes that the secret `key` stands in the file `path`.
    fn offer_file(&mut self, key: &'static ConfigKey, path: &str, origin: &ValueOrigin) {
        let origin = origin.through_file(path);
        match secret_file::read_secret_file(path) {
            Ok(text) => self.offer(key, text.into(), &origin),
            Err(error) => {
                let right = format!(
                    "cannot be read ({error}); give the path of a file that holds the secret"
                );
                self.report_problem(key.name, &origin, right);
            }
        }
    }

    /// Notes a name that is no key. Its value may be a misplaced secret: it is not shown.
    fn report_unknown(
        &mut self,
        name: &str,
        origin: &ValueOrigin,
        known: impl Iterator<Item = String>,
    ) {
        let right = match keys::nearest_name(name, known) {
            Some(near) => format!("is no setting; did you mean `{near}`?"),
            None => "is no setting; `answer-gateway config --reference` lists them all".to_owned(),
        };
        self.report_problem(name, origin, right);
    }

    fn report_problem(
        &mut self,
        name: impl Into<String>,
        origin: &ValueOrigin,
        right: impl Into<String>,
    ) {
        let problem = ConfigProblem::new(name, Some(origin.clone()), right);
        self.problems.push(problem);
    }

    /// Free properties by name, without those that are refused; `None` for what is no map.
    fn properties(
        &mut self,
        key: &ConfigKey,
        kind: ValueKind,
        origin: &ValueOrigin,
    ) -> Option<Map<String, Value>> {
        let mut map = BTreeMap::new();
        if let ValueKind::Table(table) = kind {
            flatten_table("", table, &mut map);
        } else if let ValueKind::String(text) = kind {
            map = self.parse_pairs(key, &text, origin);
        } else {
            self.report_problem(
                key.name,
                origin,
                format!("is no map; give {}", key.expected),
            );
            return None;
        }
        let mut table = Map::new();
        for (name, raw) in map {
            let path = format!("{}.{name}", key.name);
            match (properties::refused_property(&name), raw) {
                (Some(refused), _) => {
                    self.report_problem(path, origin, format!("is not taken: {}", refused.reason))
                }
                (None, RawValue::Text(value) | RawValue::Scalar(value)) => {
                    table.insert(name, Value::new(Some(&origin.to_string()), value));
                }
                (None, RawValue::List(_) | RawValue::Map(_) | RawValue::Other) => {
                    self.report_problem(
                        path,
                        origin,
                        "is not one value; give a text, a number or a boolean",
                    );
                }
            }
        }
        Some(table)
    }

    /// `a.b=c;d.e=f`, taken apart. What has no `=` may be a piece of a password: it is not shown.
    fn parse_pairs(
        &mut self,
        key: &ConfigKey,
        text: &str,
        origin: &ValueOrigin,
    ) -> BTreeMap<String, RawValue> {
        let mut map = BTreeMap::new();
        let items = text.split(';').enumerate();
        for (place, item) in items.filter(|(_, item)| !item.trim().is_empty()) {
            match item.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => {
                    map.insert(
                        name.trim().to_owned(),
                        RawValue::Text(value.trim().to_owned()),
                    );
                }
                Some(_) | None => {
                    let right = format!(
                        "part {} is not `name=value`; give {}",
                        place + 1,
                        key.expected
                    );
                    self.report_problem(key.name, origin, right);
                }
            }
        }
        map
    }

    /// One value for each key, as a tree; statements that contradict each other are problems.
    fn into_values(mut self) -> (Map<String, Value>, Vec<ConfigProblem>) {
        let mut tree = Map::new();
        for (name, mut offers) in std::mem::take(&mut self.offers) {
            if offers.iter().any(|offer| offer.kind != offers[0].kind) {
                let origins: Vec<_> = offers.iter().filter_map(Value::origin).collect();
                let right = format!(
                    "{} say different things; keep one of them",
                    origins.join(" and ")
                );
                self.problems.push(ConfigProblem::new(name, None, right));
            }
            let path: Vec<_> = name.split('.').collect();
            insert_at(&mut tree, &path, offers.swap_remove(0));
        }
        (tree, self.problems)
    }
}

/// A layer as the `config` crate takes it.
#[derive(Debug, Clone)]
struct MergedTree(Map<String, Value>);

impl Source for MergedTree {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ::config::ConfigError> {
        Ok(self.0.clone())
    }
}

fn defaults_layer(command: Purpose) -> ConfigLayer {
    let mut layer = ConfigLayer::default();
    for key in keys::all_keys() {
        if let Some(text) = default_text(key, command) {
            layer.offer(key, text.into(), &ValueOrigin::default_value());
        }
    }
    layer
}

/// Sets `value` at `path`, making the tables on the way.
fn insert_at(tree: &mut Map<String, Value>, path: &[&str], value: Value) {
    let [first, rest @ ..] = path else {
        return;
    };
    let first = (*first).to_owned();
    if rest.is_empty() {
        tree.insert(first, value);
        return;
    }
    let table = tree
        .entry(first)
        .or_insert_with(|| Map::<String, Value>::new().into());
    if let ValueKind::Table(table) = &mut table.kind {
        insert_at(table, rest, value);
    }
}

/// The merged tree's values by key.
fn collect_entries(
    above: &str,
    tree: Map<String, Value>,
    entries: &mut BTreeMap<&'static str, ConfigEntry>,
) {
    for (name, value) in tree {
        let name = join_name(above, &name);
        if let Some(key) = keys::find_key(&name) {
            let origin = origin(&value);
            let raw = to_raw(value.kind);
            entries.insert(key.name, ConfigEntry { raw, origin });
        } else if let ValueKind::Table(below) = value.kind {
            collect_entries(&name, below, entries);
        }
    }
}

/// Returns the origin of a merged value; a map, whose layers add up, may come from several places.
fn origin(value: &Value) -> ValueOrigin {
    let ValueKind::Table(table) = &value.kind else {
        return ValueOrigin::from_source(value.origin());
    };
    let origins: BTreeSet<_> = table.values().filter_map(Value::origin).collect();
    let origins: Vec<_> = origins.into_iter().collect();
    let joined = origins.join(", ");
    ValueOrigin::from_source((!joined.is_empty()).then_some(&joined))
}

/// A value as the kinds read it.
fn to_raw(kind: ValueKind) -> RawValue {
    match kind {
        ValueKind::Nil => RawValue::Other,
        ValueKind::Boolean(value) => RawValue::Scalar(value.to_string()),
        ValueKind::I64(value) => RawValue::Scalar(value.to_string()),
        ValueKind::I128(value) => RawValue::Scalar(value.to_string()),
        ValueKind::U64(value) => RawValue::Scalar(value.to_string()),
        ValueKind::U128(value) => RawValue::Scalar(value.to_string()),
        ValueKind::Float(value) => RawValue::Scalar(value.to_string()),
        ValueKind::String(value) => RawValue::Text(value),
        ValueKind::Array(items) => list(items).map_or(RawValue::Other, RawValue::List),
        ValueKind::Table(table) => {
            let mut map = BTreeMap::new();
            flatten_table("", table, &mut map);
            let texts = map
                .into_iter()
                .filter_map(|(name, raw)| Some((name, single_value(raw)?)));
            RawValue::Map(texts.collect())
        }
    }
}

fn list(items: Vec<Value>) -> Option<Vec<String>> {
    items
        .into_iter()
        .map(|item| single_value(to_raw(item.kind)))
        .collect()
}

fn single_value(raw: RawValue) -> Option<String> {
    match raw {
        RawValue::Text(text) | RawValue::Scalar(text) => Some(text),
        RawValue::List(_) | RawValue::Map(_) | RawValue::Other => None,
    }
}

/// The leaves of nested tables by dotted name: TOML reads `client.id = "x"` as a table in a table.
fn flatten_table(above: &str, table: Map<String, Value>, leaves: &mut BTreeMap<String, RawValue>) {
    for (name, value) in table {
        let name = join_name(above, &name);
        if let ValueKind::Table(below) = value.kind {
            flatten_table(&name, below, leaves);
        } else {
            leaves.insert(name, to_raw(value.kind));
        }
    }
}

fn join_name(above: &str, name: &str) -> String {
    if above.is_empty() {
        name.to_owned()
    } else {
        format!("{above}.{name}")
    }
}
