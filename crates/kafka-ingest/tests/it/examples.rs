//! The example programs, as a reader of the documentation would run them.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::kafka::{Stack, avro};

#[tokio::test(flavor = "multi_thread")]
async fn the_consume_example_prints_answers_and_ends_cleanly() {
    let stack = Stack::with_topic(2).await;
    let schema = stack.register();
    let mut example = Example::start("consume", &stack);
    assert_eq!(example.line(), "reading answers");
    stack.write(1, &avro(schema, "s-1", "yes")).await;
    assert_eq!(example.line(), "s-1: yes");
    example.interrupt();
    assert_eq!(example.line(), "stopped");
    assert!(example.program.wait().unwrap().success());
}

/// A running example; ended with the test, however that ends.
struct Example {
    program: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Example {
    fn start(name: &str, stack: &Stack) -> Self {
        let mut program = Command::new(binary(name))
            .env("KAFKA_BOOTSTRAP_SERVERS", stack.cluster.bootstrap_servers())
            .env("KAFKA_SCHEMA_REGISTRY_URL", stack.registry.url())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(program.stdout.take().unwrap()).lines();
        Self { program, output }
    }

    fn line(&mut self) -> String {
        self.output.next().expect("one more line").unwrap()
    }

    /// What Ctrl-C does.
    fn interrupt(&self) {
        let id = self.program.id().to_string();
        let kill = Command::new("kill").args(["-INT", &id]).status();
        assert!(kill.unwrap().success());
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Fails when it has ended already.
        drop(self.program.kill());
        drop(self.program.wait());
    }
}

/// Where Cargo puts examples, which it builds with all tests of a package.
fn binary(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let profile = this.parent().and_then(|deps| deps.parent()).unwrap();
    let binary = profile.join("examples").join(name);
    assert!(
        binary.exists(),
        "build the examples first: cargo build --examples"
    );
    binary
}
