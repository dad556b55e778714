//! The binary `answer-gateway`: reads the command line and hands over. Owns the exit status.

mod allocator;
mod check;
#[cfg(feature = "demo")]
mod demo;
mod events;
mod open_files;
mod panics;
mod process;
mod readiness;
mod replay;
mod run;
mod signals;
mod silence;
mod translate;
mod wire;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use gateway::cli::{self, Cli, Command};
use gateway::config::{self, Environment};

fn main() -> ExitCode {
    // Where it is not taken, memory is all that differs.
    allocator::return_large_buffers();
    let command = Cli::parse().into_command();
    // Standard output or error is closed: nobody is left to tell.
    dispatch(&command).unwrap_or(ExitCode::FAILURE)
}

fn dispatch(command: &Command) -> io::Result<ExitCode> {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    match command {
        Command::Run(settings) => process::main(config::Command::Run, settings),
        Command::Demo(settings) => process::main(config::Command::Demo, settings),
        Command::Config(arguments) => {
            cli::config::run(arguments, &Environment::of_process(), &mut out, &mut err)
                .map(ExitCode::from)
        }
        Command::Check(arguments) => check::run(arguments, &mut out, &mut err).map(ExitCode::from),
        Command::Health(arguments) => health(arguments, &mut out, &mut err),
        Command::Replay(arguments) => {
            replay::run(arguments, err.is_terminal(), &mut out, &mut err).map(ExitCode::from)
        }
        Command::Ask(arguments) => {
            let terminals = cli::ask::Terminals {
                out: out.is_terminal(),
                err: err.is_terminal(),
            };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime
                .block_on(cli::ask::run(arguments, terminals, &mut out, &mut err))
                .map(ExitCode::from)
        }
        Command::Completions { shell } => {
            cli::completions(*shell, &mut out).map(|()| ExitCode::SUCCESS)
        }
    }
}

fn health(
    arguments: &cli::health::Arguments,
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
        .block_on(cli::health::run(arguments, address, out, err))
        .map(ExitCode::from)
}
