//! The environment's layer: `GATEWAY__SECTION__KEY`, the well-known aliases, and `…_FILE` for secrets.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::ConfigLayer;
use crate::config::key::ConfigKey;
use crate::config::keys;
use crate::config::problem::ValueOrigin;

/// Environment variables: the process's, or a test's.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// The process's own. Variables whose name is not Unicode are none of the gateway's.
    pub fn from_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect()
    }

    /// The variable's value; `None` when it is unset or empty.
    fn value(&self, name: &str) -> Option<&OsString> {
        self.0.get(name).filter(|value| !value.is_empty())
    }
}

impl<N: Into<String>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let owned = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        Self(owned.collect())
    }
}

/// The end of the name of a variable that holds the path of a secret's file.
pub(crate) const FILE_SUFFIX: &str = "_FILE";

pub(super) fn read_environment(environment: &Environment) -> ConfigLayer {
    let mut layer = ConfigLayer::default();
    for key in keys::all_keys() {
        for name in key.env_names() {
            offer_variable(&mut layer, key, environment, name);
        }
    }
    for name in environment.0.keys() {
        let ours = name.starts_with(ConfigKey::ENV_PREFIX) && environment.value(name).is_some();
        if ours && !known_names().any(|known| known == *name) {
            layer.report_unknown(name, &ValueOrigin::from_environment(name), known_names());
        }
    }
    layer
}

fn offer_variable(
    layer: &mut ConfigLayer,
    key: &'static ConfigKey,
    environment: &Environment,
    name: String,
) {
    let by_file = key.secret.then(|| format!("{name}{FILE_SUFFIX}"));
    if let Some(value) = variable_text(layer, key, environment, &name) {
        // Spaces around a value mean nothing, but in a secret they may.
        let value = if key.secret { &value } else { value.trim() };
        layer.offer(key, value.into(), &ValueOrigin::from_environment(&name));
    }
    if let Some(name) = by_file
        && let Some(path) = variable_text(layer, key, environment, &name)
    {
        layer.offer_file(key, &path, &ValueOrigin::from_environment(&name));
    }
}

fn variable_text(
    layer: &mut ConfigLayer,
    key: &ConfigKey,
    environment: &Environment,
    name: &str,
) -> Option<String> {
    let value = environment.value(name)?.to_str();
    if value.is_none() {
        layer.report_problem(
            key.name,
            &ValueOrigin::from_environment(name),
            "is not UTF-8",
        );
    }
    value.map(str::to_owned)
}

fn known_names() -> impl Iterator<Item = String> {
    keys::all_keys().flat_map(|key| {
        let by_file = key.secret.then(|| format!("{}{FILE_SUFFIX}", key.env()));
        std::iter::once(key.env()).chain(by_file)
    })
}
