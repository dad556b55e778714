//! Describes problems of a configuration, so that whoever wrote it can put it right.

use std::fmt;

use super::key::ConfigKey;
use super::kind::RawValue;
use super::properties;
use super::secret::Secret;

/// The origin of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueOrigin(String);

impl ValueOrigin {
    pub(crate) fn default_value() -> Self {
        Self("default".to_owned())
    }

    pub(crate) fn from_computation(how: &str) -> Self {
        Self(format!("default: {how}"))
    }

    pub(crate) fn from_file(path: &str) -> Self {
        Self(format!("file {path}"))
    }

    pub(crate) fn from_environment(name: &str) -> Self {
        Self(format!("environment {name}"))
    }

    pub(crate) fn from_flag() -> Self {
        Self("flag --set".to_owned())
    }

    /// The same place, where a file with the secret is named.
    pub(crate) fn through_file(&self, path: &str) -> Self {
        Self(format!("{self}, file {path}"))
    }

    /// An origin that was carried as text beside its value.
    pub(crate) fn from_source(text: Option<&str>) -> Self {
        text.map_or_else(Self::default_value, |text| Self(text.to_owned()))
    }

    /// As it is carried and printed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when nobody set the value.
    pub fn is_default(&self) -> bool {
        self.0.starts_with("default")
    }
}

impl fmt::Display for ValueOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One mistake. Prints in one line; a secret's value is `***` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The setting by its name in a file, or the name nobody knows.
    pub key: String,
    /// The origin of the bad value; `None` when the mistake is that there is none.
    pub origin: Option<ValueOrigin>,
    /// The bad value, fit to be shown; `None` when there is none.
    pub value: Option<String>,
    /// The problem, and the remedy.
    pub expected: String,
}

impl ConfigProblem {
    /// A problem with no value to show.
    pub(crate) fn new(
        key: impl Into<String>,
        origin: Option<ValueOrigin>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            key: key.into(),
            origin,
            value: None,
            expected: expected.into(),
        }
    }

    /// A problem with the value at hand.
    pub(crate) fn invalid_value(
        key: &ConfigKey,
        origin: &ValueOrigin,
        raw: &RawValue,
        right: impl Into<String>,
    ) -> Self {
        Self {
            value: Some(display_value(key, raw)),
            ..Self::new(key.name, Some(origin.clone()), right)
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        match self.value.as_deref() {
            Some(Secret::SHOWN) => f.write_str(" = ***")?,
            Some(value) => write!(f, " = \"{value}\"")?,
            None => {}
        }
        if let Some(origin) = &self.origin {
            write!(f, " ({origin})")?;
        }
        write!(f, ": {}", self.expected)
    }
}

/// Every mistake of a configuration, none left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<ConfigProblem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("1 setting is wrong:")?,
            count => write!(f, "{count} settings are wrong:")?,
        }
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

/// A value as it may be printed: no secret, no password of a URL, no control characters, not long.
pub(crate) fn display_value(key: &ConfigKey, raw: &RawValue) -> String {
    if key.secret {
        return Secret::SHOWN.to_owned();
    }
    match raw {
        RawValue::Text(text) | RawValue::Scalar(text) => printable(text),
        RawValue::List(items) => printable(&items.join(",")),
        RawValue::Map(map) => {
            let pair = |(name, value): (&String, &String)| {
                format!("{name}={}", properties::display_property(name, value))
            };
            printable(&map.iter().map(pair).collect::<Vec<_>>().join(";"))
        }
        RawValue::Other => "neither text, number, boolean nor a list of them".to_owned(),
    }
}

fn printable(text: &str) -> String {
    const LONGEST: usize = 300;
    if text.contains("://") && text.contains('@') {
        return Secret::SHOWN.to_owned();
    }
    let start: String = text.chars().take(LONGEST).collect();
    let rest = if start.len() < text.len() { "…" } else { "" };
    format!("{}{rest}", start.escape_debug())
}
