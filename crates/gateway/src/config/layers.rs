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

use super::key::Key;
use super::keys;
use super::kind::Raw;
use super::problem::{Origin, Problem};
use super::properties;
use super::values::{Entry, default_text};
use super::{Command, Inputs};

/// Reads every layer and merges them.
pub(crate) fn merged(inputs: &Inputs<'_>) -> (BTreeMap<&'static str, Entry>, Vec<Problem>) {
    let layers = [
        defaults(inputs.command),
        inputs.file.map(file::read).unwrap_or_default(),
        environment::read(inputs.environment),
        flags::read(inputs.set),
    ];
    let mut problems = Vec::new();
    let mut builder = Config::builder();
    for layer in layers {
        let (tree, found) = layer.settle();
        problems.extend(found);
        builder = builder.add_source(Tree(tree));
    }
    let merged = builder.build().and_then(|merged| merged.collect());
    let mut entries = BTreeMap::new();
    gather("", merged.expect("trees in memory merge"), &mut entries);
    (entries, problems)
}

/// One layer: what it says about each key, and what is wrong with how it says it.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    /// By key. A layer may say several things: by the key's own name, an alias, a secret's file.
    offers: BTreeMap<&'static str, Vec<Value>>,
    problems: Vec<Problem>,
}

impl Layer {
    /// Notes what was said about `key`.
    fn offer(&mut self, key: &'static Key, kind: ValueKind, origin: &Origin) {
        if key.map {
            return self.offer_map(key, kind, origin);
        }
        if matches!(kind, ValueKind::Table(_)) {
            let right = format!("is one value, not a section; give {}", key.right);
            return self.problem(key.name, origin, right);
        }
        let value = Value::new(Some(&origin.to_string()), kind);
        self.offers.entry(key.name).or_default().push(value);
    }

    /// Notes values by free names; what several statements name adds up.
    fn offer_map(&mut self, key: &'static Key, kind: ValueKind, origin: &Origin) {
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
    fn offer_file(&mut self, key: &'static Key, path: &str, origin: &Origin) {
        let origin = origin.through_file(path);
        match secret_file::read(path) {
            Ok(text) => self.offer(key, text.into(), &origin),
            Err(error) => {
                let right = format!(
                    "cannot be read ({error}); give the path of a file that holds the secret"
                );
                self.problem(key.name, &origin, right);
            }
        }
    }

    /// Notes a name that is no key. Its value may be a misplaced secret: it is not shown.
    fn unknown(&mut self, name: &str, origin: &Origin, known: impl Iterator<Item = String>) {
        let right = match keys::nearest(name, known) {
            Some(near) => format!("is no setting; did you mean `{near}`?"),
            None => "is no setting; `answer-gateway config --reference` lists them all".to_owned(),
        };
        self.problem(name, origin, right);
    }

    fn problem(&mut self, name: impl Into<String>, origin: &Origin, right: impl Into<String>) {
        let problem = Problem::of(name, Some(origin.clone()), right);
        self.problems.push(problem);
    }

    /// Free properties by name, without those that are refused; `None` for what is no map.
    fn properties(
        &mut self,
        key: &Key,
        kind: ValueKind,
        origin: &Origin,
    ) -> Option<Map<String, Value>> {
        let mut map = BTreeMap::new();
        if let ValueKind::Table(table) = kind {
            level("", table, &mut map);
        } else if let ValueKind::String(text) = kind {
            map = self.pairs(key, &text, origin);
        } else {
            self.problem(key.name, origin, format!("is no map; give {}", key.right));
            return None;
        }
        let mut table = Map::new();
        for (name, raw) in map {
            let path = format!("{}.{name}", key.name);
            match (properties::refused(&name), raw) {
                (Some(refused), _) => {
                    self.problem(path, origin, format!("is not taken: {}", refused.reason))
                }
                (None, Raw::Text(value) | Raw::Scalar(value)) => {
                    table.insert(name, Value::new(Some(&origin.to_string()), value));
                }
                (None, Raw::List(_) | Raw::Map(_) | Raw::Other) => {
                    self.problem(
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
    fn pairs(&mut self, key: &Key, text: &str, origin: &Origin) -> BTreeMap<String, Raw> {
        let mut map = BTreeMap::new();
        let items = text.split(';').enumerate();
        for (place, item) in items.filter(|(_, item)| !item.trim().is_empty()) {
            match item.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => {
                    map.insert(name.trim().to_owned(), Raw::Text(value.trim().to_owned()));
                }
                Some(_) | None => {
                    let right =
                        format!("part {} is not `name=value`; give {}", place + 1, key.right);
                    self.problem(key.name, origin, right);
                }
            }
        }
        map
    }

    /// One value for each key, as a tree; statements that contradict each other are problems.
    fn settle(mut self) -> (Map<String, Value>, Vec<Problem>) {
        let mut tree = Map::new();
        for (name, mut offers) in std::mem::take(&mut self.offers) {
            if offers.iter().any(|offer| offer.kind != offers[0].kind) {
                let origins: Vec<_> = offers.iter().filter_map(Value::origin).collect();
                let right = format!(
                    "{} say different things; keep one of them",
                    origins.join(" and ")
                );
                self.problems.push(Problem::of(name, None, right));
            }
            let path: Vec<_> = name.split('.').collect();
            plant(&mut tree, &path, offers.swap_remove(0));
        }
        (tree, self.problems)
    }
}

/// A layer as the `config` crate takes it.
#[derive(Debug, Clone)]
struct Tree(Map<String, Value>);

impl Source for Tree {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ::config::ConfigError> {
        Ok(self.0.clone())
    }
}

fn defaults(command: Command) -> Layer {
    let mut layer = Layer::default();
    for key in keys::all() {
        if let Some(text) = default_text(key, command) {
            layer.offer(key, text.into(), &Origin::default_value());
        }
    }
    layer
}

/// Sets `value` at `path`, making the tables on the way.
fn plant(tree: &mut Map<String, Value>, path: &[&str], value: Value) {
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
        plant(table, rest, value);
    }
}

/// The merged tree's values by key.
fn gather(above: &str, tree: Map<String, Value>, entries: &mut BTreeMap<&'static str, Entry>) {
    for (name, value) in tree {
        let name = join(above, &name);
        if let Some(key) = keys::find(&name) {
            let origin = origin(&value);
            let raw = raw(value.kind);
            entries.insert(key.name, Entry { raw, origin });
        } else if let ValueKind::Table(below) = value.kind {
            gather(&name, below, entries);
        }
    }
}

/// Where a merged value came from; a map, whose layers add up, may come from several places.
fn origin(value: &Value) -> Origin {
    let ValueKind::Table(table) = &value.kind else {
        return Origin::carried(value.origin());
    };
    let origins: BTreeSet<_> = table.values().filter_map(Value::origin).collect();
    let origins: Vec<_> = origins.into_iter().collect();
    let joined = origins.join(", ");
    Origin::carried((!joined.is_empty()).then_some(&joined))
}

/// A value as the kinds read it.
fn raw(kind: ValueKind) -> Raw {
    match kind {
        ValueKind::Nil => Raw::Other,
        ValueKind::Boolean(value) => Raw::Scalar(value.to_string()),
        ValueKind::I64(value) => Raw::Scalar(value.to_string()),
        ValueKind::I128(value) => Raw::Scalar(value.to_string()),
        ValueKind::U64(value) => Raw::Scalar(value.to_string()),
        ValueKind::U128(value) => Raw::Scalar(value.to_string()),
        ValueKind::Float(value) => Raw::Scalar(value.to_string()),
        ValueKind::String(value) => Raw::Text(value),
        ValueKind::Array(items) => list(items).map_or(Raw::Other, Raw::List),
        ValueKind::Table(table) => {
            let mut map = BTreeMap::new();
            level("", table, &mut map);
            let texts = map
                .into_iter()
                .filter_map(|(name, raw)| Some((name, single(raw)?)));
            Raw::Map(texts.collect())
        }
    }
}

fn list(items: Vec<Value>) -> Option<Vec<String>> {
    items
        .into_iter()
        .map(|item| single(raw(item.kind)))
        .collect()
}

fn single(raw: Raw) -> Option<String> {
    match raw {
        Raw::Text(text) | Raw::Scalar(text) => Some(text),
        Raw::List(_) | Raw::Map(_) | Raw::Other => None,
    }
}

/// The leaves of nested tables by dotted name: TOML reads `client.id = "x"` as a table in a table.
fn level(above: &str, table: Map<String, Value>, leaves: &mut BTreeMap<String, Raw>) {
    for (name, value) in table {
        let name = join(above, &name);
        if let ValueKind::Table(below) = value.kind {
            level(&name, below, leaves);
        } else {
            leaves.insert(name, raw(value.kind));
        }
    }
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() {
        name.to_owned()
    } else {
        format!("{above}.{name}")
    }
}
