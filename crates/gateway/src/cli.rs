//! The command line: what can be typed, and where it goes.

pub mod ask;
pub mod check;
pub mod config;
pub mod health;
pub mod replay;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{Admin, Command as For, Config, ConfigErrors, Environment, Inputs, Loaded};

/// Everything that can be typed.
#[derive(Debug, Parser)]
#[command(
    name = "answer-gateway",
    version,
    about = "Publishes questions from WebSockets to Kafka and brings each answer to the session that asked",
    after_help = "\
Examples:
  KAFKA_BOOTSTRAP_SERVERS=kafka:9092 KAFKA_SCHEMA_REGISTRY_URL=http://schema-registry:8081 answer-gateway
                                    serve, on your Kafka and schema registry
  answer-gateway demo               try it, with nothing installed
  answer-gateway ask \"Which topics does the gateway use?\"
                                    ask a running gateway from the terminal
  answer-gateway check              look whether Kafka, topics, rights and schemas are as they have to be
  answer-gateway config             show every setting and where it came from

Without a command it runs the gateway."
)]
pub struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do. Without a command: [`Command::Run`].
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve WebSockets, on your Kafka and schema registry (the default)
    #[command(after_help = "\
Examples:
  KAFKA_BOOTSTRAP_SERVERS=kafka:9092 KAFKA_SCHEMA_REGISTRY_URL=http://schema-registry:8081 answer-gateway run
  answer-gateway run --config /etc/answer-gateway.toml --set log.level=debug")]
    Run(Settings),
    /// Try it: a Kafka broker, a schema registry, an answerer and a web page in this one process
    #[command(after_help = "\
Examples:
  answer-gateway demo
  PORT=8090 GATEWAY__ADMIN__PORT=9091 answer-gateway demo     when those ports are taken")]
    Demo(Settings),
    /// Show every setting as it takes effect and where it came from
    Config(config::Arguments),
    /// Look whether Kafka, topics, rights and schemas are as the gateway needs them
    Check(check::Arguments),
    /// Ask one question and print its answer
    Ask(ask::Arguments),
    /// Ask the gateway on this machine whether it is ready
    Health(health::Arguments),
    /// Write dead letters back to the answers' topic, after a repair
    Replay(replay::Arguments),
    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  answer-gateway completions bash > /etc/bash_completion.d/answer-gateway
  answer-gateway completions zsh > ~/.zfunc/_answer-gateway")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Settings given as arguments. They win over the environment, and that over the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Settings {
    /// A file with settings, TOML or YAML by its ending
    #[arg(long = "config", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// One setting, as `section.key=value`; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl Cli {
    /// What to do. Settings before and after the command's name count alike; of two files the one
    /// after it.
    pub fn into_command(self) -> Command {
        let before = self.settings;
        match self.command {
            None => Command::Run(before),
            Some(Command::Run(settings)) => Command::Run(before.and(settings)),
            Some(Command::Demo(settings)) => Command::Demo(before.and(settings)),
            Some(Command::Config(mut arguments)) => {
                arguments.settings = before.and(arguments.settings);
                Command::Config(arguments)
            }
            Some(Command::Check(mut arguments)) => {
                arguments.settings = before.and(arguments.settings);
                Command::Check(arguments)
            }
            Some(Command::Health(mut arguments)) => {
                arguments.settings = before.and(arguments.settings);
                Command::Health(arguments)
            }
            Some(Command::Replay(mut arguments)) => {
                arguments.settings = before.and(arguments.settings);
                Command::Replay(arguments)
            }
            Some(command @ (Command::Ask(_) | Command::Completions { .. })) => command,
        }
    }
}

impl Settings {
    /// The configuration of `command`, with the environment of this process.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with every mistake there is.
    pub fn load(&self, command: For) -> Result<Loaded, ConfigErrors> {
        Config::load(&self.inputs(command, &Environment::of_process()))
    }

    /// Where the admin port of the gateway is that was given these settings.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with every mistake in the layers and in the section `admin`.
    pub fn load_admin(&self) -> Result<Admin, ConfigErrors> {
        Config::load_admin(&self.inputs(For::Run, &Environment::of_process()))
    }

    pub(crate) fn inputs<'a>(&'a self, command: For, environment: &'a Environment) -> Inputs<'a> {
        Inputs {
            command,
            file: self.file.as_deref(),
            environment,
            set: &self.set,
        }
    }

    fn and(mut self, later: Self) -> Self {
        self.set.extend(later.set);
        Self {
            file: later.file.or(self.file),
            set: self.set,
        }
    }
}

/// Writes the completion script for `shell`.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn completions(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "answer-gateway", &mut script);
    out.write_all(&script)
}
