//! The whole outside world of the demo: broker, registry and answerer, started and stopped together.

use std::time::Duration;

use tokio::task::{JoinError, spawn_blocking};

use crate::{
    Answerer, AnswererError, AnswererSettings, BrokerError, DemoBroker, DemoRegistry,
    DemoRegistryError, DemoTopic,
};

/// A running demo. Dropping it stops it too; only [`Demo::stop`] waits until everything has ended.
#[derive(Debug)]
pub struct Demo {
    answerer: Answerer,
    registry: DemoRegistry,
    broker: DemoBroker,
}

impl Demo {
    /// Starts the broker with both topics, the registry and the answerer; all three are ready once
    /// this returns. Runs on the caller's tokio runtime.
    ///
    /// # Errors
    /// Names the part that did not start; the parts started before it are stopped again.
    pub async fn start(settings: DemoSettings) -> Result<Self, DemoError> {
        let topics = [&settings.questions_topic, &settings.answers_topic].map(|name| DemoTopic {
            name: name.clone(),
            partitions: settings.partitions,
        });
        let registry = DemoRegistry::start(settings.registry_port).await?;
        let broker = spawn_blocking(move || DemoBroker::start(&topics)).await??;
        let answerer = AnswererSettings {
            bootstrap_servers: broker.bootstrap_servers().to_owned(),
            questions_topic: settings.questions_topic,
            answers_topic: settings.answers_topic,
            thinking_time: settings.thinking_time,
        };
        Ok(Self {
            answerer: Answerer::start(answerer, &registry).await?,
            registry,
            broker,
        })
    }

    /// Stops the answerer, then the registry, then the broker, and returns once their threads have
    /// ended and their ports are free. Stop what uses them first: a consumer with automatic commits
    /// that outlives the broker takes 45 s to close.
    pub async fn stop(self) {
        self.answerer.stop().await;
        self.registry.stop().await;
        let broker = self.broker;
        // Interrupted only by a runtime that is shutting down; the broker is dropped, hence stopped.
        drop(spawn_blocking(move || broker.stop()).await);
    }

    /// Returns the value for clients' `bootstrap.servers`.
    pub fn bootstrap_servers(&self) -> &str {
        self.broker.bootstrap_servers()
    }

    /// Returns the value for clients' `schema.registry.url`.
    pub fn registry_url(&self) -> String {
        self.registry.url()
    }
}

/// The settings of a demo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoSettings {
    /// The topic questions are read from.
    pub questions_topic: String,
    /// The topic answers are written to.
    pub answers_topic: String,
    /// The number of partitions of each topic, at least one.
    pub partitions: u16,
    /// The registry's port; 0 takes a free one.
    pub registry_port: u16,
    /// The time for which the answerer waits before each answer.
    pub thinking_time: Duration,
}

impl Default for DemoSettings {
    fn default() -> Self {
        Self {
            questions_topic: "perguntas".to_owned(),
            answers_topic: "respostas".to_owned(),
            partitions: 3,
            registry_port: 0,
            thinking_time: Duration::from_millis(300),
        }
    }
}

/// The reason for which the demo did not start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The answerer.
    #[error(transparent)]
    Answerer(#[from] AnswererError),
    /// The broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// Starting was interrupted: the runtime is shutting down.
    #[error("the demo was interrupted at its start")]
    Interrupted(#[from] JoinError),
    /// The registry, most likely because its port is taken.
    #[error(transparent)]
    Registry(#[from] DemoRegistryError),
}
