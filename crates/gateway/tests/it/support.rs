//! A configuration given as a test sees it: variables, a file's text, flags.

use std::fs;
use std::path::PathBuf;

use gateway::config::key::ConfigKey;
use gateway::config::{
    Admin, Config, ConfigErrors, ConfigInputs, Environment, LoadedConfig, Purpose, ResolvedConfig,
};
use tempfile::TempDir;

/// The settings that `run` needs, and nothing else.
pub(crate) const REQUIRED: [(&str, &str); 2] = [
    ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092"),
    ("KAFKA_SCHEMA_REGISTRY_URL", "http://registry:8081"),
];

/// Everything a configuration is made from.
pub(crate) struct Given {
    command: Purpose,
    variables: Vec<(String, String)>,
    flags: Vec<String>,
    file: Option<PathBuf>,
    folder: TempDir,
}

impl Given {
    /// Nothing at all.
    pub(crate) fn nothing() -> Self {
        Self {
            command: Purpose::Run,
            variables: Vec::new(),
            flags: Vec::new(),
            file: None,
            folder: TempDir::new().expect("a folder for files"),
        }
    }

    /// Returns the settings that `run` needs.
    pub(crate) fn required() -> Self {
        REQUIRED
            .iter()
            .fold(Self::nothing(), |given, (name, value)| {
                given.variable(name, value)
            })
    }

    /// Returns the settings that `run` needs but the keys that `key` is, so that a test can give it itself.
    pub(crate) fn required_but(key: &ConfigKey) -> Self {
        let names: Vec<_> = key.env_names().collect();
        REQUIRED
            .iter()
            .filter(|(name, _)| !names.iter().any(|own| own == name))
            .fold(Self::nothing(), |given, (name, value)| {
                given.variable(name, value)
            })
    }

    pub(crate) fn demo(mut self) -> Self {
        self.command = Purpose::Demo;
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// A file of `--config`: its name tells the format.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.file = Some(self.other_file(name, text));
        self
    }

    /// A file of `--config` that is not there.
    pub(crate) fn absent_file(mut self, name: &str) -> Self {
        self.file = Some(self.folder.path().join(name));
        self
    }

    /// A file beside, such as a secret's.
    pub(crate) fn other_file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }

    pub(crate) fn load(&self) -> Result<LoadedConfig, ConfigErrors> {
        self.with_inputs(Config::load)
    }

    pub(crate) fn load_admin(&self) -> Result<Admin, ConfigErrors> {
        self.with_inputs(Config::load_admin)
    }

    pub(crate) fn resolve(&self) -> ResolvedConfig {
        self.with_inputs(|inputs| ResolvedConfig::from(inputs))
    }

    pub(crate) fn config(&self) -> Config {
        self.load().expect("a right configuration").config
    }

    /// Every mistake in one text, as a person sees it.
    pub(crate) fn mistakes(&self) -> String {
        self.load().expect_err("a wrong configuration").to_string()
    }

    fn with_inputs<T>(&self, use_inputs: impl FnOnce(&ConfigInputs<'_>) -> T) -> T {
        let environment: Environment = self.variables.iter().cloned().collect();
        use_inputs(&ConfigInputs {
            command: self.command,
            file: self.file.as_deref(),
            environment: &environment,
            set: &self.flags,
        })
    }
}

/// The effective value and the origin of a setting.
pub(crate) fn effective(resolved: &ResolvedConfig, key: &str) -> (Option<String>, String) {
    let setting = resolved.effective.iter().find(|setting| setting.key == key);
    let setting = setting.unwrap_or_else(|| panic!("{key} is listed"));
    (setting.value.clone(), setting.origin.to_string())
}
