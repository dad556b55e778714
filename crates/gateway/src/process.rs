//! From arguments to a serving process: configuration, logs, ports, runtime; then `run` or `demo`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use gateway::cli::Settings;
use gateway::config::{Command, Config, Loaded, LogFormat};
use telemetry::{Exporting, Metrics, Traces};
use tokio::runtime::{self, Runtime};
use tokio::sync::Notify;

use crate::open_files::OpenFileLimit;
use crate::run::{self, Ports, Telling};
use crate::{events, panics};

/// A process that has its configuration, its logs and its ports.
pub(crate) struct Prepared {
    pub(crate) config: Config,
    pub(crate) ports: Ports,
    telling: Telling,
    panicked: Arc<Notify>,
}

/// Serves until a signal ends it.
///
/// # Errors
///
/// When standard error cannot be written.
pub(crate) fn main(command: Command, settings: &Settings) -> io::Result<ExitCode> {
    let loaded = match settings.load(command) {
        Ok(loaded) => loaded,
        Err(errors) => {
            writeln!(io::stderr(), "{errors}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    match runtime().and_then(|runtime| run(command, loaded, runtime)) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            writeln!(io::stderr(), "error: {error:#}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Runs the gateway in `prepared`; see [`run::serve`].
pub(crate) async fn serve(prepared: Prepared, on_ready: impl FnOnce()) -> anyhow::Result<()> {
    let Prepared {
        config,
        ports,
        telling,
        panicked,
    } = prepared;
    run::serve(config, ports, telling, panicked, on_ready).await
}

/// A gateway that logs nothing and sends no telemetry, with its configuration changed by `change`.
///
/// # Errors
///
/// What cannot be set up.
pub(crate) fn prepare_quietly(
    mut loaded: Loaded,
    change: impl FnOnce(&mut Config),
) -> anyhow::Result<Prepared> {
    change(&mut loaded.config);
    "off".clone_into(&mut loaded.config.log.level);
    prepare_exporting(loaded, Exporting::default())
}

fn prepare(loaded: Loaded) -> anyhow::Result<Prepared> {
    let exporting = Exporting::from_variables(|name| std::env::var(name).ok())?;
    prepare_exporting(loaded, exporting)
}

fn prepare_exporting(loaded: Loaded, exporting: Exporting) -> anyhow::Result<Prepared> {
    let Loaded {
        config,
        mut warnings,
    } = loaded;
    let open_files = OpenFileLimit::raise();
    if let Some(shortage) = open_files.shortage(&config) {
        warnings.push(format!("{}; {}", shortage.seen, shortage.advice));
    }
    let format = match config.log.format {
        LogFormat::Auto => telemetry::LogFormat::Auto,
        LogFormat::Human => telemetry::LogFormat::Human,
        LogFormat::Json => telemetry::LogFormat::Json,
    };
    let resource = telemetry::resource(events::VERSION, uuid::Uuid::new_v4().to_string());
    let metrics = Metrics::exported(exporting, resource.clone());
    let metrics = metrics.context("metrics cannot be set up")?;
    let traces = Traces::new(exporting, resource, metrics.instruments());
    let traces = traces.context("traces cannot be set up")?;
    let log_level = telemetry::init_logs(format, &config.log.level, &traces)
        .context("logs cannot be set up")?;
    let panicked = panics::watch();
    Ok(Prepared {
        ports: Ports::take(&config)?,
        config,
        telling: Telling {
            warnings,
            open_files,
            log_level,
            metrics,
            traces,
        },
        panicked,
    })
}

fn runtime() -> anyhow::Result<Runtime> {
    runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime does not start")
}

fn run(command: Command, loaded: Loaded, runtime: Runtime) -> anyhow::Result<()> {
    let ended = runtime.block_on(async {
        let prepared = prepare(loaded)?;
        match command {
            Command::Run => serve(prepared, || ()).await,
            #[cfg(feature = "demo")]
            Command::Demo => crate::demo::run(prepared).await,
            #[cfg(not(feature = "demo"))]
            Command::Demo => Err(anyhow::anyhow!("built without the feature `demo`")),
        }
    });
    // A call to Kafka that is under way may last longer than the process has left.
    runtime.shutdown_background();
    ended
}
