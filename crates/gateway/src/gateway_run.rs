//! The life of a serving process: what is started in which order, what is watched, and how it ends.
//!
//! Start: ports first (a taken one is told at once), then Kafka, then sessions; the edge admits them
//! once nothing is missing. End: not ready, no more sockets, sessions drained, questions flushed,
//! answers stopped, each within its share of the grace period.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use gateway::config::Config;
use kafka_ingest::{ConsumerHandle, KafkaResponseConsumer, QuestionPublisher};
use telemetry::{Instruments, LogLevel, Metrics, TracePipeline};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{interval, timeout};
use ws_gateway::{
    AdminChanges, AdminSources, BindError, BoundAdminServer, BoundPublicServer, Health, Readiness,
    RunningAdminServer, RunningPublicServer, WebSocketSessionManager,
};

use crate::open_files::OpenFileLimit;
use crate::ports::{KafkaAnswerHistory, KafkaQuestionSink, SessionAnswerSink};
use crate::readiness::ReadinessEvaluator;
use crate::shutdown_steps::ShutdownSteps;
use crate::signals::Signals;
use crate::stall_detector::StallDetector;
use crate::{component_settings, events};

/// The process's two ports, taken before anything else is started.
pub(crate) struct BoundPorts {
    public: BoundPublicServer,
    admin: BoundAdminServer,
}

/// The start's messages, and the telemetry from then on.
pub(crate) struct Observability {
    pub(crate) warnings: Vec<String>,
    pub(crate) open_files: OpenFileLimit,
    pub(crate) log_level: LogLevel,
    pub(crate) metrics: Metrics,
    pub(crate) traces: TracePipeline,
}

/// Everything that runs.
struct RunningGateway {
    config: Config,
    health: Health,
    instruments: Arc<Instruments>,
    manager: WebSocketSessionManager,
    publisher: Arc<QuestionPublisher>,
    consumer: Arc<OnceLock<ConsumerHandle>>,
    server: RunningPublicServer,
    admin: RunningAdminServer,
    metrics: Metrics,
    traces: TracePipeline,
}

impl BoundPorts {
    /// Takes both.
    ///
    /// # Errors
    ///
    /// Names the port and the settings that move it.
    pub(crate) fn bind(config: &Config) -> anyhow::Result<Self> {
        let (server, admin) = (&config.server, &config.admin);
        let public = bind_error(BoundPublicServer::bind, server.address, server.port);
        let admin = bind_error(BoundAdminServer::bind, admin.address, admin.port);
        Ok(Self {
            public: public.context("set PORT (server.port) to another port, or server.address to another address")?,
            admin: admin.context(
                "set GATEWAY__ADMIN__PORT (admin.port) to another port, or admin.address to another address",
            )?,
        })
    }

    /// Returns the address of the public port.
    pub(crate) fn public(&self) -> SocketAddr {
        self.public.address()
    }

    /// Returns the address of the admin port.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin.address()
    }
}

/// Serves until a signal asks for the end, and ends in order. `on_ready` is called once, when the
/// first socket may come.
///
/// # Errors
///
/// What cannot be started, and why a process that ran cannot go on.
pub(crate) async fn serve(
    config: Config,
    ports: BoundPorts,
    telling: Observability,
    panicked: Arc<Notify>,
    on_ready: impl FnOnce(),
) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("signals cannot be listened to")?;
    let running = RunningGateway::start(config, ports, telling)?;
    let beat = tokio::spawn({
        let health = running.health.clone();
        async move { health.run_heartbeat().await }
    });
    let deadlines = tokio::spawn({
        let manager = running.manager.clone();
        async move { manager.run_deadlines().await }
    });
    let stats = tokio::spawn({
        let manager = running.manager.clone();
        async move { record_stats(&manager).await }
    });
    let ended = tokio::select! {
        biased;
        () = panicked.notified() => Err(anyhow!("something panicked")),
        () = running.manager.wait_for_panic() => Err(anyhow!("a session's task panicked")),
        why = running.watch_until_end(on_ready) => Err(anyhow!("{why}")),
        signal = signals.next() => Ok(signal),
    };
    let result = match ended {
        Ok(signal) => {
            events::signal_received(signal);
            tokio::select! {
                biased;
                () = panicked.notified() => Err(anyhow!("something panicked")),
                signal = signals.next() => {
                    events::second_signal(signal);
                    Err(anyhow!("a second signal ended the process before its sessions were drained"))
                }
                () = running.shut_down() => Ok(()),
            }
        }
        Err(error) => {
            running.health.begin_shutdown();
            running.health.stop_admitting();
            Err(error)
        }
    };
    beat.abort();
    deadlines.abort();
    stats.abort();
    match &result {
        Ok(()) => events::process_ended(),
        Err(error) => events::process_failed(error),
    }
    result
}

fn start_publisher(
    config: &Config,
    instruments: &Arc<Instruments>,
) -> anyhow::Result<Arc<QuestionPublisher>> {
    QuestionPublisher::start(
        component_settings::publisher_settings(config),
        Arc::clone(instruments),
    )
    .map(Arc::new)
    .context("questions cannot be published")
}

/// Collects what the admin port serves.
fn admin_sources(
    health: &Health,
    manager: &WebSocketSessionManager,
    metrics: &Metrics,
    log_level: LogLevel,
) -> AdminSources {
    let metrics = metrics.clone();
    AdminSources {
        health: health.clone(),
        manager: manager.clone(),
        metrics: Box::new(move || metrics.render()),
        metrics_type: Metrics::CONTENT_TYPE,
        changes: admin_changes(log_level),
    }
}

/// Builds the changes that an operator may make by the admin port.
fn admin_changes(log_level: LogLevel) -> AdminChanges {
    AdminChanges {
        log_level: Box::new(move |filter| {
            let set = log_level.set(filter);
            set.map_err(|error| error.to_string())
        }),
    }
}

/// Keeps the gauges of sessions up to date for readers that are not the admin port's.
async fn record_stats(manager: &WebSocketSessionManager) {
    const EVERY: Duration = Duration::from_secs(5);
    let mut ticks = interval(EVERY);
    loop {
        ticks.tick().await;
        manager.record_stats();
    }
}

impl RunningGateway {
    fn start(config: Config, ports: BoundPorts, telling: Observability) -> anyhow::Result<Self> {
        let instruments = telling.metrics.instruments();
        events::starting(&instruments, &telling.warnings);
        events::open_files(telling.open_files);
        events::set_state(&instruments, "starting");
        events::listening(ports.public(), ports.admin());
        let health = Health::new_starting();
        let publisher = start_publisher(&config, &instruments)?;
        let consumer = Arc::new(OnceLock::new());
        let questions = KafkaQuestionSink {
            publisher: Arc::clone(&publisher),
            consumer: Arc::clone(&consumer),
        };
        let history = KafkaAnswerHistory {
            consumer: Arc::clone(&consumer),
        };
        let manager = WebSocketSessionManager::new(
            component_settings::core_settings(&config),
            component_settings::session_settings(&config),
            Arc::new(questions),
            Arc::new(history),
            Arc::clone(&instruments),
        );
        let consuming = KafkaResponseConsumer::new(
            component_settings::consumer_settings(&config),
            Arc::new(SessionAnswerSink(manager.clone())),
            Arc::clone(&instruments),
        );
        drop(consumer.set(consuming.start().context("answers cannot be read")?));
        let Observability {
            open_files,
            log_level,
            metrics,
            traces,
            ..
        } = telling;
        let settings = component_settings::server_settings(&config, open_files.budget());
        let server = (ports.public)
            .serve(&settings, manager.clone(), health.clone())
            .context("the public port cannot be served")?;
        let settings = component_settings::admin_settings(&config, open_files.budget());
        let sources = admin_sources(&health, &manager, &metrics, log_level);
        let admin = ports.admin.serve(settings, sources);
        Ok(Self {
            config,
            health,
            instruments,
            manager,
            publisher,
            consumer,
            server,
            admin: admin.context("the admin port cannot be served")?,
            metrics,
            traces,
        })
    }

    fn consumer(&self) -> &ConsumerHandle {
        self.consumer.get().expect("set when the process started")
    }

    /// Keeps the verdict on readiness up to date. Resolves, with the reason, when the process cannot
    /// go on.
    async fn watch_until_end(&self, on_ready: impl FnOnce()) -> &'static str {
        const AT_LEAST_EVERY: Duration = Duration::from_secs(1);
        let (mut answers, mut questions) = (StallDetector::default(), StallDetector::default());
        let mut judge = ReadinessEvaluator::new(self.config.readiness.grace);
        let (mut consumer, mut publisher) = (self.consumer().watch(), self.publisher.watch());
        let mut on_ready = Some(on_ready);
        loop {
            let states = (
                consumer.borrow_and_update().clone(),
                publisher.borrow_and_update().clone(),
            );
            if !states.0.running {
                return "the consumer of answers has ended";
            }
            if !states.1.running {
                return "the publisher of questions has ended";
            }
            if states.0.cut_off || states.1.cut_off {
                return "no Kafka client of this process gets a connection, although a broker answers it";
            }
            if answers.is_stalled(self.consumer().time_since_heartbeat()) {
                return "the thread that reads answers is stuck";
            }
            if questions.is_stalled(self.publisher.time_since_heartbeat()) {
                return "the thread that publishes questions is stuck";
            }
            let stripped = self.manager.is_suffix_stripped();
            let now = judge.evaluate(Instant::now(), &states.0, &states.1, stripped);
            let before = self.health.set_readiness(now.clone());
            self.report_readiness(on_ready.is_none(), &before, &now);
            if now.missing.is_empty()
                && let Some(on_ready) = on_ready.take()
            {
                on_ready();
            }
            // A change, or the passing of time, which alone ends the grace of a cause.
            drop(
                timeout(AT_LEAST_EVERY, async {
                    tokio::select! {
                        changed = consumer.changed() => changed,
                        changed = publisher.changed() => changed,
                    }
                })
                .await,
            );
        }
    }

    fn report_readiness(&self, was_ready: bool, before: &Readiness, now: &Readiness) {
        if before.missing != now.missing {
            if now.missing.is_empty() {
                events::set_state(&self.instruments, "serving");
                events::became_ready();
            } else if was_ready {
                events::set_state(&self.instruments, "not_ready");
                events::not_ready(&now.missing);
            } else {
                events::set_state(&self.instruments, "starting");
                events::waiting_for(&now.missing);
            }
        }
        if before.degraded != now.degraded && !now.degraded.is_empty() {
            events::degraded(&now.degraded);
        }
    }

    /// The drain, in its order, within `drain.grace_period`: what has not ended by then is named, and
    /// ends with the process.
    async fn shut_down(self) {
        let drain = &self.config.drain;
        let steps = ShutdownSteps::ending_at(Instant::now() + drain.grace_period);
        events::set_state(&self.instruments, "draining");
        events::draining(drain.accept_for, drain.budget);
        self.health.begin_shutdown();
        tokio::time::sleep(drain.accept_for).await;
        self.health.stop_admitting();
        let drained = self
            .manager
            .drain(component_settings::drain_plan(&self.config))
            .await;
        events::drained(&drained);
        steps
            .run_step("sessions", self.server.stop(steps.next_budget() / 2))
            .await;
        if !self.publisher.flush(steps.next_budget()).await {
            events::questions_unflushed();
        }
        if let Some(consumer) = self.consumer.get() {
            steps
                .run_step("the consumer of answers", consumer.stop())
                .await;
        }
        steps
            .run_step("the publisher of questions", self.publisher.stop())
            .await;
        let (metrics, traces, patience) = (self.metrics, self.traces, steps.next_budget() / 2);
        let sent = spawn_blocking(move || {
            traces.shut_down(patience);
            metrics.shut_down(patience);
        });
        steps
            .run_step("the export of telemetry", async { drop(sent.await) })
            .await;
        steps.run_step("the admin port", self.admin.stop()).await;
    }
}

fn bind_error<P>(
    bind: fn(SocketAddr) -> Result<P, BindError>,
    address: IpAddr,
    port: u16,
) -> Result<P, BindError> {
    bind(SocketAddr::new(address, port))
}
