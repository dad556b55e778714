//! The example programs, as a reader of the documentation would run them.
#![cfg(unix)]

use testkit::Example;

use crate::kafka::{Stack, avro};

#[tokio::test(flavor = "multi_thread")]
async fn the_consume_example_prints_answers_and_ends_cleanly() {
    let stack = Stack::with_topic(2).await;
    let schema = stack.register();
    let servers = stack.cluster.bootstrap_servers();
    let registry = stack.registry.url();
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", servers.as_str()),
        ("KAFKA_SCHEMA_REGISTRY_URL", registry.as_str()),
    ];
    let mut example = Example::start("consume", &variables);
    assert_eq!(example.line(), "reading answers");
    stack.write(1, &avro(schema, "s-1", "yes")).await;
    assert_eq!(example.line(), "s-1: yes");
    example.interrupt();
    assert_eq!(example.line(), "stopped");
    assert!(example.wait().success());
}
