//! From arguments to a serving process: configuration, logs, ports, runtime; then `run` or `demo`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use gateway::cli::ConfigArguments;
use gateway::config::{Config, LoadedConfig, LogFormat, Purpose};
use telemetry::{ExportedSignals, Metrics, TracePipeline};
use tokio::runtime::{self, Runtime};
use tokio::sync::Notify;

use crate::gateway_run::{self, BoundPorts, Observability};
use crate::open_files::OpenFileLimit;
use crate::{events, panics};

/// A process that has its configuration, its logs and its ports.
pub(crate) struct PreparedGateway {
    pub(crate) config: Config,
    pub(crate) ports: BoundPorts,
    observability: Observability,
    panicked: Arc<Notify>,
}

/// Serves until a signal ends it.
///
/// # Errors
///
/// When standard error cannot be written.
pub(crate) fn run_process(command: Purpose, settings: &ConfigArguments) -> io::Result<ExitCode> {
    let loaded = match settings.load(command) {
        Ok(loaded) => loaded,
        Err(errors) => {
            writeln!(io::stderr(), "{errors}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    match runtime().and_then(|runtime| run_command(command, loaded, runtime)) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            writeln!(io::stderr(), "error: {error:#}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Runs the gateway in `prepared`; see [`gateway_run::serve`].
pub(crate) async fn serve_prepared(
    prepared: PreparedGateway,
    on_ready: impl FnOnce(),
) -> anyhow::Result<()> {
    let PreparedGateway {
        config,
        ports,
        observability: telling,
        panicked,
    } = prepared;
    gateway_run::serve(config, ports, telling, panicked, on_ready).await
}

/// A gateway that logs nothing and sends no telemetry, with its configuration changed by `change`.
///
/// # Errors
///
/// What cannot be set up.
pub(crate) fn prepare_quietly(
    mut loaded: LoadedConfig,
    change: impl FnOnce(&mut Config),
) -> anyhow::Result<PreparedGateway> {
    change(&mut loaded.config);
    "off".clone_into(&mut loaded.config.log.level);
    prepare_exporting(loaded, ExportedSignals::default())
}

fn prepare_gateway(loaded: LoadedConfig) -> anyhow::Result<PreparedGateway> {
    let exporting = ExportedSignals::from_variables(|name| std::env::var(name).ok())?;
    prepare_exporting(loaded, exporting)
}

fn prepare_exporting(
    loaded: LoadedConfig,
    exporting: ExportedSignals,
) -> anyhow::Result<PreparedGateway> {
    let LoadedConfig {
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
    let metrics = Metrics::with_exporter(exporting, resource.clone());
    let metrics = metrics.context("metrics cannot be set up")?;
    let traces = TracePipeline::new(exporting, resource, metrics.instruments());
    let traces = traces.context("traces cannot be set up")?;
    let log_level = telemetry::init_logs(format, &config.log.level, &traces)
        .context("logs cannot be set up")?;
    let panicked = panics::install_panic_hook();
    Ok(PreparedGateway {
        ports: BoundPorts::bind(&config)?,
        config,
        observability: Observability {
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

fn run_command(command: Purpose, loaded: LoadedConfig, runtime: Runtime) -> anyhow::Result<()> {
    let ended = runtime.block_on(async {
        let prepared = prepare_gateway(loaded)?;
        match command {
            Purpose::Run => serve_prepared(prepared, || ()).await,
            #[cfg(feature = "demo")]
            Purpose::Demo => crate::demo::run_demo(prepared).await,
            #[cfg(not(feature = "demo"))]
            Purpose::Demo => Err(anyhow::anyhow!("built without the feature `demo`")),
        }
    });
    // A call to Kafka that is under way may last longer than the process has left.
    runtime.shutdown_background();
    ended
}
