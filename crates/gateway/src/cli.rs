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

use crate::config::{
    Admin, Config, ConfigErrors, ConfigInputs, Environment, LoadedConfig, Purpose as For,
};

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
    settings: ConfigArguments,
    #[command(subcommand)]
    command: Option<CliCommand>,
}

/// The command. Without one: [`CliCommand::Run`].
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Serve WebSockets, on your Kafka and schema registry (the default)
    #[command(after_help = "\
Examples:
  KAFKA_BOOTSTRAP_SERVERS=kafka:9092 KAFKA_SCHEMA_REGISTRY_URL=http://schema-registry:8081 answer-gateway run
  answer-gateway run --config /etc/answer-gateway.toml --set log.level=debug")]
    Run(ConfigArguments),
    /// Try it: a Kafka broker, a schema registry, an answerer and a web page in this one process
    #[command(after_help = "\
Examples:
  answer-gateway demo
  PORT=8090 GATEWAY__ADMIN__PORT=9091 answer-gateway demo     when those ports are taken")]
    Demo(ConfigArguments),
    /// Show every setting as it takes effect and where it came from
    Config(config::ConfigCommandArguments),
    /// Look whether Kafka, topics, rights and schemas are as the gateway needs them
    Check(check::CheckArguments),
    /// Ask one question and print its answer
    Ask(ask::AskArguments),
    /// Ask the gateway on this machine whether it is ready
    Health(health::HealthArguments),
    /// Write dead letters back to the answers' topic, after a repair
    Replay(replay::ReplayArguments),
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
pub struct ConfigArguments {
    /// A file with settings, TOML or YAML by its ending
    #[arg(long = "config", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// One setting, as `section.key=value`; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl Cli {
    /// Returns the command. Settings before and after its name count alike; of two files the one
    /// after it.
    pub fn into_command(self) -> CliCommand {
        let before = self.settings;
        match self.command {
            None => CliCommand::Run(before),
            Some(CliCommand::Run(settings)) => CliCommand::Run(before.merged_with(settings)),
            Some(CliCommand::Demo(settings)) => CliCommand::Demo(before.merged_with(settings)),
            Some(CliCommand::Config(mut arguments)) => {
                arguments.settings = before.merged_with(arguments.settings);
                CliCommand::Config(arguments)
            }
            Some(CliCommand::Check(mut arguments)) => {
                arguments.settings = before.merged_with(arguments.settings);
                CliCommand::Check(arguments)
            }
            Some(CliCommand::Health(mut arguments)) => {
                arguments.settings = before.merged_with(arguments.settings);
                CliCommand::Health(arguments)
            }
            Some(CliCommand::Replay(mut arguments)) => {
                arguments.settings = before.merged_with(arguments.settings);
                CliCommand::Replay(arguments)
            }
            Some(command @ (CliCommand::Ask(_) | CliCommand::Completions { .. })) => command,
        }
    }
}

impl ConfigArguments {
    /// The configuration of `command`, with the environment of this process.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with every mistake there is.
    pub fn load(&self, command: For) -> Result<LoadedConfig, ConfigErrors> {
        Config::load(&self.inputs(command, &Environment::from_process()))
    }

    /// Reads the address of the admin port of a gateway with these settings.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with every mistake in the layers and in the section `admin`.
    pub fn load_admin(&self) -> Result<Admin, ConfigErrors> {
        Config::load_admin(&self.inputs(For::Run, &Environment::from_process()))
    }

    pub(crate) fn inputs<'a>(
        &'a self,
        command: For,
        environment: &'a Environment,
    ) -> ConfigInputs<'a> {
        ConfigInputs {
            command,
            file: self.file.as_deref(),
            environment,
            set: &self.set,
        }
    }

    fn merged_with(mut self, later: Self) -> Self {
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
