//! Tests that nothing is left when the consumer stops. In a binary of its own with this one test, because it
//! counts the process's threads.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use embedded::{DemoBroker, DemoTopic};
use kafka_ingest::{
    AnswerSink, ConsumerHandle, ConsumerSettings, KafkaResponseConsumer, KafkaSettings,
    RegistrySettings,
};
use telemetry::Metrics;
use tokio::runtime::Runtime;
use types::{Answer, QuestionId, TraceContext};

struct Nobody;

impl AnswerSink for Nobody {
    fn deliver(&self, _: Answer, _: Option<TraceContext>) {}

    fn is_session_known(&self, _: &str) -> bool {
        true
    }

    fn is_question_awaited(&self, _: QuestionId) -> bool {
        true
    }
}

#[test]
fn a_stopped_consumer_leaves_no_thread() {
    let broker = DemoBroker::start(&[DemoTopic {
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
        assert!(threads().values().any(|name| name == "answers\n"));
        handle.stop().await;
    });
    drop(runtime);
    let left = || {
        let mut left = threads();
        left.retain(|id, _| !before.contains_key(id));
        left
    };
    // A thread that has been joined may be listed for a moment.
    let deadline = Instant::now() + PATIENCE;
    while !left().is_empty() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(left(), BTreeMap::new());
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

/// The process's threads by id, with their names. A thread that has just begun still has the name of
/// the one that began it.
fn threads() -> BTreeMap<String, String> {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux lists a process's threads");
    let named = tasks.flatten().filter_map(|task| {
        let id = task.file_name().into_string().ok()?;
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        Some((id, name))
    });
    named.collect()
}

const PATIENCE: Duration = Duration::from_secs(30);
