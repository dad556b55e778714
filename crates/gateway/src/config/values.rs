//! The merged values, by key, while they are turned into types.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Purpose;
use super::key::{ConfigKey, DefaultValue, FieldPresence};
use super::keys;
use super::kind::{self, ParseFault, RawValue, ValueParser};
use super::problem::{ConfigProblem, ValueOrigin, display_value};

/// The merged values of all layers, and the problems found.
#[derive(Debug)]
pub struct ConfigValues {
    entries: BTreeMap<&'static str, ConfigEntry>,
    problems: Vec<ConfigProblem>,
}

/// One merged value.
#[derive(Debug, Clone)]
pub(crate) struct ConfigEntry {
    pub(crate) raw: RawValue,
    pub(crate) origin: ValueOrigin,
}

/// One setting as it takes effect, fit to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// Its name in a file.
    pub key: String,
    /// Its value, `***` for a secret; `None` when it is not set.
    pub value: Option<String>,
    /// The origin of the value.
    pub origin: ValueOrigin,
}

impl ConfigValues {
    /// Takes what the layers say, and computes the defaults that depend on other settings.
    pub(crate) fn new(
        entries: BTreeMap<&'static str, ConfigEntry>,
        problems: Vec<ConfigProblem>,
    ) -> Self {
        let mut values = Self { entries, problems };
        for key in keys::all_keys() {
            if let DefaultValue::From { says, compute } = key.default
                && !values.is_set(key.name)
                && let Some(text) = compute(&values)
            {
                let raw = RawValue::Text(text);
                let origin = ValueOrigin::from_computation(says);
                values.entries.insert(key.name, ConfigEntry { raw, origin });
            }
        }
        values
    }

    /// Reads one setting into a field; a problem is noted, and `None` returned, when it is wrong or missing.
    pub(crate) fn read<T, F: FieldPresence<T>>(
        &mut self,
        name: &str,
        kind: &ValueParser<T>,
    ) -> Option<F> {
        let key = known_key(name);
        let Some(entry) = self.entries.get(key.name) else {
            return F::absent().or_else(|| {
                self.report_missing(key);
                None
            });
        };
        match (kind.parse)(&entry.raw) {
            Ok(value) => Some(F::present(value)),
            Err(fault) => {
                let right = match fault {
                    ParseFault::Shape => format!("give {}", key.expected),
                    ParseFault::Reason(reason) => format!("{reason}; give {}", key.expected),
                };
                let problem = ConfigProblem::invalid_value(key, &entry.origin, &entry.raw, right);
                self.problems.push(problem);
                None
            }
        }
    }

    /// The value of a setting; `None` when it is not set or wrong. For what spans several settings.
    pub(crate) fn value<T>(&self, name: &str, kind: &ValueParser<T>) -> Option<T> {
        let entry = self.entries.get(known_key(name).name)?;
        (kind.parse)(&entry.raw).ok()
    }

    /// [`Self::value`] of a duration.
    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        self.value(name, &kind::DURATION_OR_ZERO)
    }

    /// True when the setting has a value, be it a default.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.entries.contains_key(known_key(name).name)
    }

    /// True when somebody gave the setting a value.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        let entry = self.entries.get(known_key(name).name);
        entry.is_some_and(|entry| !entry.origin.is_default())
    }

    /// A problem of the named setting's present value with other settings.
    pub(crate) fn conflict_problem(&self, name: &str, right: impl Into<String>) -> ConfigProblem {
        let key = known_key(name);
        match self.entries.get(key.name) {
            Some(entry) => ConfigProblem::invalid_value(key, &entry.origin, &entry.raw, right),
            None => ConfigProblem::new(key.name, None, right),
        }
    }

    /// The setting's present value as it may be printed.
    pub(crate) fn shown(&self, name: &str) -> String {
        let key = known_key(name);
        let entry = self.entries.get(key.name);
        entry.map_or_else(String::new, |entry| display_value(key, &entry.raw))
    }

    /// Every setting in the order of the reference.
    pub(crate) fn effective(&self) -> Vec<EffectiveSetting> {
        keys::all_keys().map(|key| self.effective_of(key)).collect()
    }

    fn effective_of(&self, key: &ConfigKey) -> EffectiveSetting {
        let entry = self.entries.get(key.name);
        EffectiveSetting {
            key: key.name.to_owned(),
            value: entry.map(|entry| display_value(key, &entry.raw)),
            origin: entry.map_or_else(ValueOrigin::default_value, |entry| entry.origin.clone()),
        }
    }

    /// Returns the problems found.
    pub(crate) fn into_problems(self) -> Vec<ConfigProblem> {
        self.problems
    }

    fn report_missing(&mut self, key: &ConfigKey) {
        // What it would be computed from is wrong, and a problem already.
        if matches!(key.default, DefaultValue::From { .. }) {
            return;
        }
        let right = format!("is not set; give {} as {}", key.expected, key_names(key));
        self.problems
            .push(ConfigProblem::new(key.name, None, right));
    }
}

/// The names a setting can be given by.
pub(crate) fn key_names(key: &ConfigKey) -> String {
    let variables = key.env_names().collect::<Vec<_>>().join(" or ");
    format!("{variables}, or `{}` in a file", key.name)
}

/// Puts what the demo brings itself in the place of what was set; returns the keys that were.
pub(crate) fn drop_unused(entries: &mut BTreeMap<&'static str, ConfigEntry>) -> Vec<&'static str> {
    let mut left = Vec::new();
    for key in keys::all_keys().filter(|key| key.outside_demo) {
        let Some(entry) = entries.get(key.name) else {
            continue;
        };
        if entry.origin.is_default() {
            continue;
        }
        left.push(key.name);
        entries.remove(key.name);
        if let Some(text) = default_text(key, Purpose::Demo) {
            let raw = RawValue::Text(text.to_owned());
            let origin = ValueOrigin::default_value();
            entries.insert(key.name, ConfigEntry { raw, origin });
        }
    }
    left
}

/// A key's default, where it does not depend on others.
pub(crate) fn default_text(key: &ConfigKey, command: Purpose) -> Option<&'static str> {
    match (key.default, command) {
        (DefaultValue::Is(text), _) => Some(text),
        (DefaultValue::ByCommand { run, .. }, Purpose::Run) => run,
        (DefaultValue::ByCommand { demo, .. }, Purpose::Demo) => Some(demo),
        (DefaultValue::Unset | DefaultValue::From { .. }, _) => None,
    }
}

fn known_key(name: &str) -> &'static ConfigKey {
    keys::find_key(name).expect("only settings of the key table are asked for")
}
