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
use telemetry::{Instruments, LogLevel, Metrics, Traces};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{interval, timeout};
use ws_gateway::{
    AdminChanges, AdminSources, BindError, BoundAdmin, BoundServer, Health, Readiness,
    RunningAdmin, RunningServer, WebSocketSessionManager,
};

use crate::open_files::OpenFileLimit;
use crate::readiness::Judge;
use crate::signals::Signals;
use crate::silence::Silence;
use crate::wire::{Answers, History, Questions};
use crate::{events, translate};

/// The process's two ports, taken before anything else is started.
pub(crate) struct Ports {
    public: BoundServer,
    admin: BoundAdmin,
}

/// What is said at the start, and how much from then on.
pub(crate) struct Telling {
    pub(crate) warnings: Vec<String>,
    pub(crate) open_files: OpenFileLimit,
    pub(crate) log_level: LogLevel,
    pub(crate) metrics: Metrics,
    pub(crate) traces: Traces,
}

/// Everything that runs.
struct Running {
    config: Config,
    health: Health,
    instruments: Arc<Instruments>,
    manager: WebSocketSessionManager,
    publisher: Arc<QuestionPublisher>,
    consumer: Arc<OnceLock<ConsumerHandle>>,
    server: RunningServer,
    admin: RunningAdmin,
    metrics: Metrics,
    traces: Traces,
}

impl Ports {
    /// Takes both.
    ///
    /// # Errors
    ///
    /// Names the port and the settings that move it.
    pub(crate) fn take(config: &Config) -> anyhow::Result<Self> {
        let (server, admin) = (&config.server, &config.admin);
        let public = bound(BoundServer::bind, server.address, server.port);
        let admin = bound(BoundAdmin::bind, admin.address, admin.port);
        Ok(Self {
            public: public.context("set PORT (server.port) to another port, or server.address to another address")?,
            admin: admin.context(
                "set GATEWAY__ADMIN__PORT (admin.port) to another port, or admin.address to another address",
            )?,
        })
    }

    /// Where WebSockets and HTTP are served.
    pub(crate) fn public(&self) -> SocketAddr {
        self.public.address()
    }

    /// Where probes and metrics are served.
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
    ports: Ports,
    telling: Telling,
    panicked: Arc<Notify>,
    on_ready: impl FnOnce(),
) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("signals cannot be listened to")?;
    let running = Running::start(config, ports, telling)?;
    let beat = tokio::spawn({
        let health = running.health.clone();
        async move { health.beat().await }
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
        () = running.manager.failed() => Err(anyhow!("a session's task panicked")),
        why = running.watch(on_ready) => Err(anyhow!("{why}")),
        signal = signals.next() => Ok(signal),
    };
    let result = match ended {
        Ok(signal) => {
            events::asked_to_end(signal);
            tokio::select! {
                biased;
                () = panicked.notified() => Err(anyhow!("something panicked")),
                signal = signals.next() => {
                    events::insisted(signal);
                    Err(anyhow!("a second signal ended the process before its sessions were drained"))
                }
                () = running.end() => Ok(()),
            }
        }
        Err(error) => {
            running.health.leave();
            running.health.close();
            Err(error)
        }
    };
    beat.abort();
    deadlines.abort();
    stats.abort();
    match &result {
        Ok(()) => events::ended(),
        Err(error) => events::failed(error),
    }
    result
}

fn publisher(
    config: &Config,
    instruments: &Arc<Instruments>,
) -> anyhow::Result<Arc<QuestionPublisher>> {
    QuestionPublisher::start(translate::publisher(config), Arc::clone(instruments))
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
        changes: changes(log_level),
    }
}

/// What an operator may change by the admin port.
fn changes(log_level: LogLevel) -> AdminChanges {
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

impl Running {
    fn start(config: Config, ports: Ports, telling: Telling) -> anyhow::Result<Self> {
        let instruments = telling.metrics.instruments();
        events::starting(&instruments, &telling.warnings);
        events::open_files(telling.open_files);
        events::state(&instruments, "starting");
        events::listening(ports.public(), ports.admin());
        let health = Health::starting();
        let publisher = publisher(&config, &instruments)?;
        let consumer = Arc::new(OnceLock::new());
        let questions = Questions {
            publisher: Arc::clone(&publisher),
            consumer: Arc::clone(&consumer),
        };
        let history = History {
            consumer: Arc::clone(&consumer),
        };
        let manager = WebSocketSessionManager::new(
            translate::core(&config),
            translate::session(&config),
            Arc::new(questions),
            Arc::new(history),
            Arc::clone(&instruments),
        );
        let consuming = KafkaResponseConsumer::new(
            translate::consumer(&config),
            Arc::new(Answers(manager.clone())),
            Arc::clone(&instruments),
        );
        drop(consumer.set(consuming.start().context("answers cannot be read")?));
        let Telling {
            open_files,
            log_level,
            metrics,
            traces,
            ..
        } = telling;
        let settings = translate::server(&config, open_files.budget());
        let server = (ports.public)
            .serve(&settings, manager.clone(), health.clone())
            .context("the public port cannot be served")?;
        let settings = translate::admin(&config, open_files.budget());
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
    async fn watch(&self, on_ready: impl FnOnce()) -> &'static str {
        const AT_LEAST_EVERY: Duration = Duration::from_secs(1);
        let (mut answers, mut questions) = (Silence::default(), Silence::default());
        let mut judge = Judge::new(self.config.readiness.grace);
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
            if answers.is_for_good(self.consumer().silent_for()) {
                return "the thread that reads answers is stuck";
            }
            if questions.is_for_good(self.publisher.silent_for()) {
                return "the thread that publishes questions is stuck";
            }
            let stripped = self.manager.is_suffix_stripped();
            let now = judge.judge(Instant::now(), &states.0, &states.1, stripped);
            let before = self.health.set(now.clone());
            self.tell(on_ready.is_none(), &before, &now);
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

    fn tell(&self, was_ready: bool, before: &Readiness, now: &Readiness) {
        if before.missing != now.missing {
            if now.missing.is_empty() {
                events::state(&self.instruments, "serving");
                events::ready();
            } else if was_ready {
                events::state(&self.instruments, "not_ready");
                events::not_ready(&now.missing);
            } else {
                events::state(&self.instruments, "starting");
                events::waiting_for(&now.missing);
            }
        }
        if before.degraded != now.degraded && !now.degraded.is_empty() {
            events::degraded(&now.degraded);
        }
    }

    /// The drain, in its order, within `drain.grace_period`: what has not ended by then is named, and
    /// ends with the process.
    async fn end(self) {
        let drain = &self.config.drain;
        let steps = EndSteps::until(Instant::now() + drain.grace_period);
        events::state(&self.instruments, "draining");
        events::draining(drain.accept_for, drain.budget);
        self.health.leave();
        tokio::time::sleep(drain.accept_for).await;
        self.health.close();
        let drained = self.manager.drain(translate::drain(&self.config)).await;
        events::drained(&drained);
        steps
            .take("sessions", self.server.stop(steps.for_one() / 2))
            .await;
        if !self.publisher.flush(steps.for_one()).await {
            events::unflushed();
        }
        if let Some(consumer) = self.consumer.get() {
            steps.take("the consumer of answers", consumer.stop()).await;
        }
        steps
            .take("the publisher of questions", self.publisher.stop())
            .await;
        let (metrics, traces, patience) = (self.metrics, self.traces, steps.for_one() / 2);
        let sent = spawn_blocking(move || {
            traces.shut_down(patience);
            metrics.shut_down(patience);
        });
        steps
            .take("the export of telemetry", async { drop(sent.await) })
            .await;
        steps.take("the admin port", self.admin.stop()).await;
    }
}

/// How long each step after the drain may take: close frames to be seen, delivery reports to come,
/// threads to end.
struct EndSteps {
    by: Instant,
}

impl EndSteps {
    const EACH: Duration = Duration::from_secs(3);
    /// Left for what takes no time.
    const MARGIN: Duration = Duration::from_secs(1);
    /// What a step gets even when nothing is left: enough for one that has nothing to wait for.
    const LEAST: Duration = Duration::from_millis(100);

    fn until(grace_ends: Instant) -> Self {
        Self {
            by: grace_ends - Self::MARGIN,
        }
    }

    fn for_one(&self) -> Duration {
        let left = self.by.saturating_duration_since(Instant::now());
        left.clamp(Self::LEAST, Self::EACH)
    }

    async fn take(&self, what: &'static str, step: impl Future<Output = ()>) {
        if timeout(self.for_one(), step).await.is_err() {
            events::left_behind(what);
        }
    }
}

fn bound<P>(
    bind: fn(SocketAddr) -> Result<P, BindError>,
    address: IpAddr,
    port: u16,
) -> Result<P, BindError> {
    bind(SocketAddr::new(address, port))
}
