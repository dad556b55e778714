//! What is left when the consumer stops. In a binary of its own with this one test, because it
//! counts the process's threads.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use embedded::{Broker, Topic};
use kafka_ingest::{
    AnswerSink, ConsumerHandle, ConsumerSettings, KafkaResponseConsumer, KafkaSettings,
    RegistrySettings,
};
use telemetry::Metrics;
use tokio::runtime::Runtime;
use types::{Answer, TraceContext};

struct Nobody;

impl AnswerSink for Nobody {
    fn deliver(&self, _: Answer, _: Option<TraceContext>) {}
}

#[test]
fn a_stopped_consumer_leaves_no_thread() {
    let broker = Broker::start(&[Topic {
        name: "respostas".to_owned(),
        partitions: 2,
    }])
    .unwrap();
    let before = threads();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let handle = start(broker.bootstrap_servers());
        let mut status = handle.watch();
        let positioned = status.wait_for(|status| status.positioned);
        tokio::time::timeout(PATIENCE, positioned)
            .await
            .unwrap()
            .unwrap();
        assert!(threads().contains(&"answers\n".to_owned()));
        handle.stop().await;
    });
    drop(runtime);
    // A thread that has been joined may be listed for a moment.
    let deadline = Instant::now() + PATIENCE;
    while threads() != before && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(threads(), before);
}

fn start(bootstrap_servers: &str) -> ConsumerHandle {
    let settings = ConsumerSettings::new(
        KafkaSettings::new(bootstrap_servers),
        RegistrySettings::new("http://127.0.0.1:1"),
    );
    let instruments = Metrics::new().unwrap().instruments();
    KafkaResponseConsumer::new(settings, Arc::new(Nobody), instruments)
        .start()
        .unwrap()
}

/// The names of the process's threads.
fn threads() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir("/proc/self/task")
        .expect("Linux lists a process's threads")
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
        .collect();
    names.sort();
    names
}

const PATIENCE: Duration = Duration::from_secs(30);
