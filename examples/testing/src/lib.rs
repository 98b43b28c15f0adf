//! What the tests of the examples share: programs that are run, read line by line, and killed.
#![expect(clippy::missing_panics_doc, reason = "tests panic when something is not as it should be")]

use std::io::{self, BufRead, BufReader, Lines, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// What a program left when it ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it wrote to the standard output.
    pub stdout: String,
    /// All that it wrote to the standard error.
    pub stderr: String,
}

/// A program that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stdout: String,
}

impl Running {
    /// Starts a program without any input, and keeps what it says.
    ///
    /// # Errors
    ///
    /// If the program cannot be started.
    pub fn start(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().expect("the output is a pipe");
        Ok(Self { child, lines: BufReader::new(stdout).lines(), stdout: String::new() })
    }

    /// Reads until a line in which `wanted` finds something. Panics if the program ends before.
    pub fn until<T>(&mut self, wanted: impl Fn(&str) -> Option<T>) -> T {
        while let Some(line) = self.next_line() {
            if let Some(found) = wanted(&line) {
                return found;
            }
        }
        let stderr = self.read_stderr();
        panic!("it ended early: {}{stderr}", self.stdout);
    }

    /// Reads one line of what it says; nothing if it has ended.
    pub fn next_line(&mut self) -> Option<String> {
        let line = self.lines.next()?.expect("the output is text");
        self.stdout.push_str(&line);
        self.stdout.push('\n');
        Some(line)
    }

    /// Sends what Ctrl-C sends.
    pub fn interrupt(&self) {
        let id = i32::try_from(self.child.id()).expect("process ids are small");
        let pid = Pid::from_raw(id).expect("no process has the id 0");
        kill_process(pid, Signal::INT).expect("the program runs");
    }

    /// Kills it as `kill -9` does.
    pub fn kill(mut self) -> Outcome {
        self.child.kill().expect("the program is ours");
        self.wait()
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> Outcome {
        while self.next_line().is_some() {}
        let stderr = self.read_stderr();
        let status = self.child.wait().expect("the program is ours");
        Outcome { status, stdout: std::mem::take(&mut self.stdout), stderr }
    }

    fn read_stderr(&mut self) -> String {
        let mut text = String::new();
        let mut stderr = self.child.stderr.take().expect("it is read once");
        stderr.read_to_string(&mut text).expect("the errors are text");
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nothing running. What has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
