//! The merged values, by key, while they are turned into types.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Command;
use super::key::{Default, Key, Presence};
use super::keys;
use super::kind::{self, Fault, Kind, Raw};
use super::problem::{Origin, Problem, shown};

/// What every layer together says, and what was found wrong with it.
#[derive(Debug)]
pub struct Values {
    entries: BTreeMap<&'static str, Entry>,
    problems: Vec<Problem>,
}

/// One merged value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) raw: Raw,
    pub(crate) origin: Origin,
}

/// One setting as it takes effect, fit to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Its name in a file.
    pub key: String,
    /// Its value, `***` for a secret; `None` when it is not set.
    pub value: Option<String>,
    /// Where the value came from.
    pub origin: Origin,
}

impl Values {
    /// Takes what the layers say, and computes the defaults that depend on other settings.
    pub(crate) fn new(entries: BTreeMap<&'static str, Entry>, problems: Vec<Problem>) -> Self {
        let mut values = Self { entries, problems };
        for key in keys::all() {
            if let Default::From { says, compute } = key.default
                && !values.is_set(key.name)
                && let Some(text) = compute(&values)
            {
                let raw = Raw::Text(text);
                let origin = Origin::computed(says);
                values.entries.insert(key.name, Entry { raw, origin });
            }
        }
        values
    }

    /// Reads one setting into a field; a problem is noted, and `None` returned, when it is wrong or missing.
    pub(crate) fn read<T, F: Presence<T>>(&mut self, name: &str, kind: &Kind<T>) -> Option<F> {
        let key = known(name);
        let Some(entry) = self.entries.get(key.name) else {
            return F::absent().or_else(|| {
                self.missing(key);
                None
            });
        };
        match (kind.parse)(&entry.raw) {
            Ok(value) => Some(F::present(value)),
            Err(fault) => {
                let right = match fault {
                    Fault::Shape => format!("give {}", key.right),
                    Fault::Reason(reason) => format!("{reason}; give {}", key.right),
                };
                let problem = Problem::value(key, &entry.origin, &entry.raw, right);
                self.problems.push(problem);
                None
            }
        }
    }

    /// The value of a setting; `None` when it is not set or wrong. For what spans several settings.
    pub(crate) fn value<T>(&self, name: &str, kind: &Kind<T>) -> Option<T> {
        let entry = self.entries.get(known(name).name)?;
        (kind.parse)(&entry.raw).ok()
    }

    /// [`Self::value`] of a duration.
    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        self.value(name, &kind::DURATION_OR_ZERO)
    }

    /// True when the setting has a value, be it a default.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.entries.contains_key(known(name).name)
    }

    /// True when somebody gave the setting a value.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        let entry = self.entries.get(known(name).name);
        entry.is_some_and(|entry| !entry.origin.is_default())
    }

    /// A problem of the named setting's present value with other settings.
    pub(crate) fn conflict(&self, name: &str, right: impl Into<String>) -> Problem {
        let key = known(name);
        match self.entries.get(key.name) {
            Some(entry) => Problem::value(key, &entry.origin, &entry.raw, right),
            None => Problem::of(key.name, None, right),
        }
    }

    /// The setting's present value as it may be printed.
    pub(crate) fn shown(&self, name: &str) -> String {
        let key = known(name);
        let entry = self.entries.get(key.name);
        entry.map_or_else(String::new, |entry| shown(key, &entry.raw))
    }

    /// Every setting in the order of the reference.
    pub(crate) fn effective(&self) -> Vec<Effective> {
        keys::all().map(|key| self.effective_of(key)).collect()
    }

    fn effective_of(&self, key: &Key) -> Effective {
        let entry = self.entries.get(key.name);
        Effective {
            key: key.name.to_owned(),
            value: entry.map(|entry| shown(key, &entry.raw)),
            origin: entry.map_or_else(Origin::default_value, |entry| entry.origin.clone()),
        }
    }

    /// What was found wrong.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    fn missing(&mut self, key: &Key) {
        // What it would be computed from is wrong, and a problem already.
        if matches!(key.default, Default::From { .. }) {
            return;
        }
        let right = format!("is not set; give {} as {}", key.right, names(key));
        self.problems.push(Problem::of(key.name, None, right));
    }
}

/// The names a setting can be given by.
pub(crate) fn names(key: &Key) -> String {
    let variables = key.env_names().collect::<Vec<_>>().join(" or ");
    format!("{variables}, or `{}` in a file", key.name)
}

/// Puts what the demo brings itself in the place of what was set; returns the keys that were.
pub(crate) fn leave_aside(entries: &mut BTreeMap<&'static str, Entry>) -> Vec<&'static str> {
    let mut left = Vec::new();
    for key in keys::all().filter(|key| key.outside_demo) {
        let Some(entry) = entries.get(key.name) else {
            continue;
        };
        if entry.origin.is_default() {
            continue;
        }
        left.push(key.name);
        entries.remove(key.name);
        if let Some(text) = default_text(key, Command::Demo) {
            let raw = Raw::Text(text.to_owned());
            let origin = Origin::default_value();
            entries.insert(key.name, Entry { raw, origin });
        }
    }
    left
}

/// A key's default, where it does not depend on others.
pub(crate) fn default_text(key: &Key, command: Command) -> Option<&'static str> {
    match (key.default, command) {
        (Default::Is(text), _) => Some(text),
        (Default::ByCommand { run, .. }, Command::Run) => run,
        (Default::ByCommand { demo, .. }, Command::Demo) => Some(demo),
        (Default::Unset | Default::From { .. }, _) => None,
    }
}

fn known(name: &str) -> &'static Key {
    keys::find(name).expect("only settings of the key table are asked for")
}
