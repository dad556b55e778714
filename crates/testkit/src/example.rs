//! The example programs of a crate, run as a reader of the documentation would run them.

use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// A running example; ended with the test, however that ends.
///
/// Every method panics when the program does not do what it is asked for: that fails the test.
#[derive(Debug)]
pub struct Example {
    program: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Example {
    /// Starts the example of that name of the crate whose test calls this, with these variables in
    /// its environment beside the test's own.
    ///
    /// # Panics
    ///
    /// When it is not built or does not start.
    pub fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let mut program = Command::new(binary(name))
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let output = program.stdout.take().expect("it is piped");
        let output = BufReader::new(output).lines();
        Self { program, output }
    }

    /// The next line it prints.
    ///
    /// # Panics
    ///
    /// When it ends without one.
    pub fn line(&mut self) -> String {
        let line = self.output.next().expect("one more line");
        line.expect("a line of text")
    }

    /// What Ctrl-C does.
    ///
    /// # Panics
    ///
    /// When the signal cannot be sent.
    pub fn interrupt(&self) {
        let id = self.program.id().to_string();
        let kill = Command::new("kill").args(["-INT", &id]).status();
        assert!(kill.expect("`kill` runs").success());
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// When the system does not say how it ended.
    pub fn wait(&mut self) -> ExitStatus {
        self.program
            .wait()
            .expect("a child that was not waited for")
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
    let this = std::env::current_exe().expect("the test's own path");
    let profile = this.parent().and_then(|deps| deps.parent());
    let profile = profile.expect("tests stand in the profile's folder `deps`");
    let binary = profile.join("examples").join(name);
    assert!(
        binary.exists(),
        "build the examples first: cargo build --examples"
    );
    binary
}
