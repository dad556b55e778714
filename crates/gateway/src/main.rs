//! The binary `answer-gateway`: reads the command line and hands over. Owns the exit status.

mod allocator;
mod check;
mod component_settings;
#[cfg(feature = "demo")]
mod demo;
mod events;
mod gateway_run;
mod open_files;
mod panics;
mod ports;
mod process;
mod readiness;
mod replay;
mod shutdown_steps;
mod signals;
mod stall_detector;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use gateway::cli::{self, Cli, CliCommand};
use gateway::config::{self, Environment};

fn main() -> ExitCode {
    // Where it is not taken, memory is all that differs.
    allocator::return_large_buffers();
    let command = Cli::parse().into_command();
    // Standard output or error is closed: nobody is left to tell.
    dispatch(&command).unwrap_or(ExitCode::FAILURE)
}

fn dispatch(command: &CliCommand) -> io::Result<ExitCode> {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    match command {
        CliCommand::Run(settings) => process::run_process(config::Purpose::Run, settings),
        CliCommand::Demo(settings) => process::run_process(config::Purpose::Demo, settings),
        CliCommand::Config(arguments) => {
            cli::config::run_config(arguments, &Environment::from_process(), &mut out, &mut err)
                .map(ExitCode::from)
        }
        CliCommand::Check(arguments) => {
            check::run_check(arguments, &mut out, &mut err).map(ExitCode::from)
        }
        CliCommand::Health(arguments) => health(arguments, &mut out, &mut err),
        CliCommand::Replay(arguments) => {
            replay::run_replay(arguments, err.is_terminal(), &mut out, &mut err).map(ExitCode::from)
        }
        CliCommand::Ask(arguments) => {
            let terminals = cli::ask::Terminals {
                out: out.is_terminal(),
                err: err.is_terminal(),
            };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime
                .block_on(cli::ask::run_ask(arguments, terminals, &mut out, &mut err))
                .map(ExitCode::from)
        }
        CliCommand::Completions { shell } => {
            cli::completions(*shell, &mut out).map(|()| ExitCode::SUCCESS)
        }
    }
}

fn health(
    arguments: &cli::health::HealthArguments,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> io::Result<ExitCode> {
    let admin = match arguments.settings.load_admin() {
        Ok(admin) => admin,
        Err(errors) => {
            writeln!(err, "{errors}")?;
            return Ok(ExitCode::from(2));
        }
    };
    let address = SocketAddr::new(admin.address, admin.port);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime
        .block_on(cli::health::run_health(arguments, address, out, err))
        .map(ExitCode::from)
}
