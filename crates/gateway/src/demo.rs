//! `answer-gateway demo`: the gateway on a broker, a registry and an answerer that this process
//! brings. Nothing of the production path knows.

use std::env;
use std::io::{self, Write};
use std::net::SocketAddr;

use anyhow::Context;
use embedded::{Demo, DemoSettings};
use gateway::config::Config;

use crate::process::{self, PreparedGateway};

/// Runs the demo until a signal ends it.
///
/// # Errors
///
/// What does not start, or cannot go on.
pub(crate) async fn run_demo(mut prepared: PreparedGateway) -> anyhow::Result<()> {
    let demo = start_demo(&prepared.config).await?;
    configure_demo(&mut prepared.config, &demo);
    let (public, admin) = (prepared.ports.public(), prepared.ports.admin());
    let banner = banner(public, admin, &prepared.config, &demo);
    let result = process::serve_prepared(prepared, || {
        // Nobody may be reading; the demo runs all the same.
        drop(io::stdout().write_all(banner.as_bytes()));
    })
    .await;
    demo.stop().await;
    result
}

async fn start_demo(config: &Config) -> anyhow::Result<Demo> {
    let settings = DemoSettings {
        questions_topic: config.kafka.questions_topic.clone(),
        answers_topic: config.kafka.answers_topic.clone(),
        ..DemoSettings::default()
    };
    Demo::start(settings)
        .await
        .context("the demo's Kafka and registry do not start")
}

fn configure_demo(config: &mut Config, demo: &Demo) {
    config.kafka.bootstrap_servers = demo.bootstrap_servers().to_owned();
    config.registry.url = demo.registry_url();
    // The embedded broker wakes no waiting fetch.
    let properties = std::mem::take(&mut config.kafka.properties);
    config.kafka.properties = properties.with_default("fetch.wait.max.ms", "5");
}

fn banner(public: SocketAddr, admin: SocketAddr, config: &Config, demo: &Demo) -> String {
    let program = env::args()
        .next()
        .unwrap_or_else(|| "answer-gateway".to_owned());
    let port = public.port();
    let url = if port == 8080 {
        String::new()
    } else {
        format!(" --url ws://127.0.0.1:{port}")
    };
    let (questions, answers) = (&config.kafka.questions_topic, &config.kafka.answers_topic);
    let (brokers, registry) = (demo.bootstrap_servers(), demo.registry_url());
    format!(
        "
  The demo runs. Everything is in this process; Ctrl-C ends it.

    chat page   http://{public}/chat
    WebSocket   ws://{public}/ws/<any id>
    readiness   http://{admin}/readyz
    metrics     http://{admin}/metrics
    Kafka       {brokers}  (topics {questions}, {answers})
    registry    {registry}

  Ask from another terminal:

    {program} ask \"Which topics does the gateway use?\"{url}

"
    )
}
