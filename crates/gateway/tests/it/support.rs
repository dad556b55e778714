//! A configuration given as a test sees it: variables, a file's text, flags.

use std::fs;
use std::path::PathBuf;

use gateway::config::key::Key;
use gateway::config::{
    Admin, Command, Config, ConfigErrors, Environment, Inputs, Loaded, Resolved,
};
use tempfile::TempDir;

/// What must be set for `run`, and nothing else.
pub(crate) const REQUIRED: [(&str, &str); 2] = [
    ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092"),
    ("KAFKA_SCHEMA_REGISTRY_URL", "http://registry:8081"),
];

/// Everything a configuration is made from.
pub(crate) struct Given {
    command: Command,
    variables: Vec<(String, String)>,
    flags: Vec<String>,
    file: Option<PathBuf>,
    folder: TempDir,
}

impl Given {
    /// Nothing at all.
    pub(crate) fn nothing() -> Self {
        Self {
            command: Command::Run,
            variables: Vec::new(),
            flags: Vec::new(),
            file: None,
            folder: TempDir::new().expect("a folder for files"),
        }
    }

    /// What `run` needs.
    pub(crate) fn required() -> Self {
        REQUIRED
            .iter()
            .fold(Self::nothing(), |given, (name, value)| {
                given.variable(name, value)
            })
    }

    /// What `run` needs but the keys that `key` is, so that a test can give it itself.
    pub(crate) fn required_but(key: &Key) -> Self {
        let names: Vec<_> = key.env_names().collect();
        REQUIRED
            .iter()
            .filter(|(name, _)| !names.iter().any(|own| own == name))
            .fold(Self::nothing(), |given, (name, value)| {
                given.variable(name, value)
            })
    }

    pub(crate) fn demo(mut self) -> Self {
        self.command = Command::Demo;
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

    pub(crate) fn load(&self) -> Result<Loaded, ConfigErrors> {
        self.with_inputs(Config::load)
    }

    pub(crate) fn load_admin(&self) -> Result<Admin, ConfigErrors> {
        self.with_inputs(Config::load_admin)
    }

    pub(crate) fn resolve(&self) -> Resolved {
        self.with_inputs(|inputs| Resolved::from(inputs))
    }

    pub(crate) fn config(&self) -> Config {
        self.load().expect("a right configuration").config
    }

    /// Every mistake in one text, as a person sees it.
    pub(crate) fn mistakes(&self) -> String {
        self.load().expect_err("a wrong configuration").to_string()
    }

    fn with_inputs<T>(&self, use_inputs: impl FnOnce(&Inputs<'_>) -> T) -> T {
        let environment: Environment = self.variables.iter().cloned().collect();
        use_inputs(&Inputs {
            command: self.command,
            file: self.file.as_deref(),
            environment: &environment,
            set: &self.flags,
        })
    }
}

/// The effective value and the origin of a setting.
pub(crate) fn effective(resolved: &Resolved, key: &str) -> (Option<String>, String) {
    let setting = resolved.effective.iter().find(|setting| setting.key == key);
    let setting = setting.unwrap_or_else(|| panic!("{key} is listed"));
    (setting.value.clone(), setting.origin.to_string())
}
