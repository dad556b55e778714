//! Runs the example programs of a crate as a reader of the documentation would run them.

use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// A running example program; killed when the value is dropped, however the test ends.
///
/// Every method panics, and so fails the test, when the program does not do its part.
#[derive(Debug)]
pub struct Example {
    program: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Example {
    /// Starts the example of that name, of the crate whose test calls this.
    ///
    /// Its environment is the test's own and these variables.
    ///
    /// # Panics
    ///
    /// Panics if the example is not built or does not start.
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

    /// Returns the next line that the program prints.
    ///
    /// # Panics
    ///
    /// Panics if the program ends without printing one.
    pub fn line(&mut self) -> String {
        let line = self.output.next().expect("one more line");
        line.expect("a line of text")
    }

    /// Sends SIGINT, as Ctrl-C does.
    ///
    /// # Panics
    ///
    /// Panics if the signal cannot be sent.
    pub fn interrupt(&self) {
        let id = self.program.id().to_string();
        let kill = Command::new("kill").args(["-INT", &id]).status();
        assert!(kill.expect("`kill` runs").success());
    }

    /// Waits for the end of the program and returns its exit status.
    ///
    /// # Panics
    ///
    /// Panics if the system does not report how the program ended.
    pub fn wait(&mut self) -> ExitStatus {
        self.program
            .wait()
            .expect("a child that was not waited for")
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Fails when the program has ended already.
        drop(self.program.kill());
        drop(self.program.wait());
    }
}

/// Returns the path of an example. Cargo builds examples together with the tests of a package.
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
