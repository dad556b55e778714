//! The process's configuration: what it can be told, and by whom.
//!
//! Built-in defaults, then a file, then the environment, then flags: later ones win. Every mistake is
//! reported, not only the first, each with its origin; a secret is never shown. Knows nothing of the
//! other crates' settings: whoever wires them converts.
//!
//! [`Config::load`] is the way in. A new setting is one more line in `keys/`.

mod checks;
mod choice;
pub mod key;
pub mod keys;
mod kind;
mod layers;
mod problem;
mod properties;
mod reference;
mod secret;
mod values;

pub use choice::{
    AuthMode, DeliveryMode, LogFormat, OffsetReset, SaslMechanism, SecurityProtocol, WireId,
};
pub use keys::{
    Admin, AnswerFields, Auth, Chat, Delivery, Drain, Kafka, Limits, Log, QuestionFields,
    Readiness, Registry, Resume, Security, Server, Session, WebSocket,
};
pub use layers::Environment;
pub use problem::{ConfigErrors, ConfigProblem, ValueOrigin};
pub use properties::{KafkaProperties, REFUSED_PROPERTIES, RefusedProperty};
pub use reference::reference;
pub use secret::Secret;
pub use values::{ConfigValues, EffectiveSetting};

use std::path::Path;

use key::ConfigSection;

/// Everything the process can be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The public port, for WebSockets and HTTP.
    pub server: Server,
    /// The admin port, for probes and metrics.
    pub admin: Admin,
    /// The broker, the topics and how to log in.
    pub kafka: Kafka,
    /// The schema registry.
    pub registry: Registry,
    /// Names of a question's fields.
    pub question_fields: QuestionFields,
    /// Names of an answer's fields.
    pub answer_fields: AnswerFields,
    /// The sharing of answers among replicas.
    pub delivery: Delivery,
    /// The waits and the ids of questions.
    pub session: Session,
    /// WebSocket frames and heartbeat.
    pub ws: WebSocket,
    /// Limits of one process, and of one address.
    pub limits: Limits,
    /// The pages that may connect.
    pub security: Security,
    /// The web page.
    pub chat: Chat,
    /// The time between SIGTERM and the end.
    pub drain: Drain,
    /// The verdict of `/readyz`.
    pub readiness: Readiness,
    /// Log lines.
    pub log: Log,
    /// The clients that may connect.
    pub auth: Auth,
    /// Resuming, which this version does not serve yet.
    pub resume: Resume,
}

/// The purpose of a configuration. It decides some defaults, and what must be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The gateway, on the user's Kafka and registry.
    Run,
    /// The demo, on a broker and a registry it brings: what says where the user's are and how to
    /// log in there is left aside, and `kafka.bootstrap_servers` and `registry.url` hold
    /// placeholders for the demo to fill.
    Demo,
}

/// The sources of a configuration.
#[derive(Clone, Copy)]
pub struct ConfigInputs<'a> {
    /// The purpose of the configuration.
    pub command: Purpose,
    /// The file of `--config`.
    pub file: Option<&'a Path>,
    /// The environment.
    pub environment: &'a Environment,
    /// `key=value` of each `--set`.
    pub set: &'a [String],
}

/// A configuration without a mistake.
#[derive(Debug, Clone)]
pub struct LoadedConfig {
    /// The settings.
    pub config: Config,
    /// Warnings about settings that are allowed, for the log at start. Name settings, never a secret.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads every layer.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with every mistake there is.
    pub fn load(inputs: &ConfigInputs<'_>) -> Result<LoadedConfig, ConfigErrors> {
        ResolvedConfig::from(inputs).outcome
    }

    /// Loads the section of the admin port and nothing else: settings that only the gateway itself needs may be missing.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with every mistake in the layers and in this section.
    pub fn load_admin(inputs: &ConfigInputs<'_>) -> Result<Admin, ConfigErrors> {
        let (entries, problems) = layers::merge_layers(inputs);
        let mut values = ConfigValues::new(entries, problems);
        let admin = Admin::read(&mut values);
        let problems = values.into_problems();
        match admin {
            Some(admin) if problems.is_empty() => Ok(admin),
            Some(_) | None => Err(ConfigErrors(problems)),
        }
    }

    fn read(values: &mut ConfigValues) -> Option<Self> {
        // All sections are read before the first wrong one ends it, so that each names its mistakes.
        let server = Server::read(values);
        let admin = Admin::read(values);
        let kafka = Kafka::read(values);
        let registry = Registry::read(values);
        let question_fields = QuestionFields::read(values);
        let answer_fields = AnswerFields::read(values);
        let delivery = Delivery::read(values);
        let session = Session::read(values);
        let ws = WebSocket::read(values);
        let limits = Limits::read(values);
        let security = Security::read(values);
        let chat = Chat::read(values);
        let drain = Drain::read(values);
        let readiness = Readiness::read(values);
        let log = Log::read(values);
        let auth = Auth::read(values);
        let resume = Resume::read(values);
        Some(Self {
            server: server?,
            admin: admin?,
            kafka: kafka?,
            registry: registry?,
            question_fields: question_fields?,
            answer_fields: answer_fields?,
            delivery: delivery?,
            session: session?,
            ws: ws?,
            limits: limits?,
            security: security?,
            chat: chat?,
            drain: drain?,
            readiness: readiness?,
            log: log?,
            auth: auth?,
            resume: resume?,
        })
    }
}

/// A configuration as far as it can be told, right or wrong: for printing.
#[derive(Debug)]
pub struct ResolvedConfig {
    /// Every setting as it takes effect, in the order of the reference.
    pub effective: Vec<EffectiveSetting>,
    /// The configuration, or everything that is wrong with it.
    pub outcome: Result<LoadedConfig, ConfigErrors>,
}

impl From<&ConfigInputs<'_>> for ResolvedConfig {
    fn from(inputs: &ConfigInputs<'_>) -> Self {
        let (mut entries, problems) = layers::merge_layers(inputs);
        let left_aside = match inputs.command {
            Purpose::Run => Vec::new(),
            Purpose::Demo => values::drop_unused(&mut entries),
        };
        let mut values = ConfigValues::new(entries, problems);
        let config = Config::read(&mut values);
        let effective = values.effective();
        let contradictions = checks::contradictions(&values);
        let mut warnings = checks::warnings(&values);
        if inputs.command == Purpose::Run {
            warnings.extend(checks::replica_warnings(&values));
        }
        if !left_aside.is_empty() {
            let names = left_aside.join(", ");
            warnings.push(format!(
                "the demo brings its own Kafka and registry: {names} left aside"
            ));
        }
        let mut problems = values.into_problems();
        problems.extend(contradictions);
        let outcome = match config {
            Some(config) if problems.is_empty() => Ok(LoadedConfig { config, warnings }),
            Some(_) | None => Err(ConfigErrors(problems)),
        };
        Self { effective, outcome }
    }
}
