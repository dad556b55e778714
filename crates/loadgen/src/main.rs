//! `loadgen`: asks at a steady rate over many WebSockets, answers from the other side of Kafka, and
//! verifies every answer by a digest of its question. JSON on standard output, progress on standard
//! error; exit status 1 when anything was lost, wrong or refused.

mod answering;
mod args;
mod connect;
mod digest;
mod idle;
mod load;
mod pacer;
mod process;
mod progress;
mod report;
mod scores;
mod session;
mod topics;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::args::Args;
use crate::connect::Target;
use crate::report::LoadReport;

// One thread carries all sockets: the machine's other cores are for what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let report = run(&args).await?;
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &report)?;
    writeln!(out)?;
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn run(args: &Args) -> Result<LoadReport> {
    let target = Target::resolve(&args.url).await?;
    if args.create_topics {
        // The gateway is not ready before they are there, whoever asks first.
        topics::prepare_topics(args).await?;
    }
    let idle = match args.idle_sessions {
        0 => None,
        count => Some(idle::IdleSessions::open(&target, count, args.gateway_pid).await?),
    };
    let load = match args.sessions() {
        0 => None,
        _ => Some(load::run_load(args, &target).await?),
    };
    Ok(LoadReport {
        load,
        idle: idle.map(|crowd| crowd.figures),
    })
}
