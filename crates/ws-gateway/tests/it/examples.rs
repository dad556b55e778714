//! The example program, as a reader of the documentation would run it.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use tokio::net::TcpStream;
use tokio_tungstenite::client_async;

use crate::support::client::{Client, INVALID, response};

#[tokio::test]
async fn the_sessions_example_says_back_what_is_asked_and_ends_cleanly() {
    let mut example = Example::start("sessions");
    let said = example.line();
    let address = said.strip_prefix("serving sessions on ws://").unwrap();
    let mut first = connect(address, "s-1").await;
    let mut second = connect(address, "s-2").await;
    for (client, question) in [(&mut first, "onde?"), (&mut second, "quando?")] {
        client.ask(question).await;
        assert_eq!(client.receive().await, response(question));
    }
    first.send("onde?").await;
    assert_eq!(first.receive().await, INVALID);

    example.interrupt();
    assert_eq!(first.close_code().await, 4001);
    assert_eq!(second.close_code().await, 4001);
    drop((first, second));
    assert_eq!(example.line(), "stopped");
    assert!(example.program.wait().unwrap().success());
}

async fn connect(address: &str, session: &str) -> Client<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    let url = format!("ws://{address}/ws/{session}");
    Client(client_async(url, stream).await.unwrap().0)
}

/// A running example; ended with the test, however that ends.
struct Example {
    program: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Example {
    fn start(name: &str) -> Self {
        let mut program = Command::new(binary(name))
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
