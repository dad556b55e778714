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
pub use problem::{ConfigErrors, Origin, Problem};
pub use properties::{Properties, REFUSED, Refused};
pub use reference::reference;
pub use secret::Secret;
pub use values::{Effective, Values};

use std::path::Path;

use key::Section;

/// Everything the process can be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where WebSockets and HTTP are served.
    pub server: Server,
    /// Where probes and metrics are served.
    pub admin: Admin,
    /// The broker, the topics and how to log in.
    pub kafka: Kafka,
    /// The schema registry.
    pub registry: Registry,
    /// Names of a question's fields.
    pub question_fields: QuestionFields,
    /// Names of an answer's fields.
    pub answer_fields: AnswerFields,
    /// Which replica reads which answers.
    pub delivery: Delivery,
    /// How long a question waits, and what it carries.
    pub session: Session,
    /// WebSocket frames and heartbeat.
    pub ws: WebSocket,
    /// How much one process, and one address, may hold.
    pub limits: Limits,
    /// Which pages may connect.
    pub security: Security,
    /// The web page.
    pub chat: Chat,
    /// What happens between SIGTERM and the end.
    pub drain: Drain,
    /// What `/readyz` says.
    pub readiness: Readiness,
    /// Log lines.
    pub log: Log,
    /// Who may connect.
    pub auth: Auth,
    /// Resuming, which this version does not serve yet.
    pub resume: Resume,
}

/// What a configuration is for. It decides some defaults, and what must be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The gateway, on the user's Kafka and registry.
    Run,
    /// The demo, on a broker and a registry it brings: what says where the user's are and how to
    /// log in there is left aside, and `kafka.bootstrap_servers` and `registry.url` hold
    /// placeholders for the demo to fill.
    Demo,
}

/// Where a configuration is read from.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// What it is for.
    pub command: Command,
    /// The file of `--config`.
    pub file: Option<&'a Path>,
    /// The environment.
    pub environment: &'a Environment,
    /// `key=value` of each `--set`.
    pub set: &'a [String],
}

/// A configuration without a mistake.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// What is allowed and worth a line in the log at start. Names settings, never a secret.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads every layer.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with every mistake there is.
    pub fn load(inputs: &Inputs<'_>) -> Result<Loaded, ConfigErrors> {
        Resolved::from(inputs).outcome
    }

    /// Where the admin port is, and nothing else: what only the gateway itself needs may be missing.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with every mistake in the layers and in this section.
    pub fn load_admin(inputs: &Inputs<'_>) -> Result<Admin, ConfigErrors> {
        let (entries, problems) = layers::merged(inputs);
        let mut values = Values::new(entries, problems);
        let admin = Admin::read(&mut values);
        let problems = values.into_problems();
        match admin {
            Some(admin) if problems.is_empty() => Ok(admin),
            Some(_) | None => Err(ConfigErrors(problems)),
        }
    }

    fn read(values: &mut Values) -> Option<Self> {
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
pub struct Resolved {
    /// Every setting as it takes effect, in the order of the reference.
    pub effective: Vec<Effective>,
    /// The configuration, or everything that is wrong with it.
    pub outcome: Result<Loaded, ConfigErrors>,
}

impl From<&Inputs<'_>> for Resolved {
    fn from(inputs: &Inputs<'_>) -> Self {
        let (mut entries, problems) = layers::merged(inputs);
        let left_aside = match inputs.command {
            Command::Run => Vec::new(),
            Command::Demo => values::leave_aside(&mut entries),
        };
        let mut values = Values::new(entries, problems);
        let config = Config::read(&mut values);
        let effective = values.effective();
        let contradictions = checks::contradictions(&values);
        let mut warnings = checks::warnings(&values);
        if inputs.command == Command::Run {
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
            Some(config) if problems.is_empty() => Ok(Loaded { config, warnings }),
            Some(_) | None => Err(ConfigErrors(problems)),
        };
        Self { effective, outcome }
    }
}
