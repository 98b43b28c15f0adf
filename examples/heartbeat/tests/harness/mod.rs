//! Runs the program on a directory of its own and looks at what it left.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A directory to copy in, with a source in it.
pub(crate) struct Sandbox {
    dir: TempDir,
}

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    /// Makes a source of so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let sandbox = Self { dir: tempfile::tempdir().unwrap() };
        let content: Vec<u8> =
            (0..bytes).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        fs::write(sandbox.source(), content).unwrap();
        sandbox
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.dir.path().join("target")
    }

    pub(crate) fn part(&self) -> PathBuf {
        self.dir.path().join("target.part")
    }

    /// The program with some arguments, on this directory.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heartbeat"));
        command.arg(self.source()).arg(self.target());
        command.arg("--data").arg(self.dir.path().join("data")).args(args);
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        self.start(args).wait()
    }

    /// Starts the program.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut child = self
            .command(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines, stdout: String::new() }
    }

    /// Checks that the copy is there, is the source byte for byte, and that its checksum was
    /// told; and that nothing else is left of it.
    pub(crate) fn assert_copied(&self, outcome: &Outcome) {
        assert!(outcome.status.success(), "{outcome:#?}");
        assert_eq!(outcome.stderr, "");
        let copy = fs::read(self.target()).unwrap();
        assert!(copy == fs::read(self.source()).unwrap(), "the copy is another file");
        let sha256: String =
            Sha256::digest(&copy).iter().map(|byte| format!("{byte:02x}")).collect();
        let told = format!("copied {} bytes, SHA-256 {sha256}", copy.len());
        assert_eq!(outcome.stdout.lines().last(), Some(&*told));
        assert!(!self.part().exists());
    }

    /// Checks that there is no copy, whole or not.
    pub(crate) fn assert_nothing_is_left(&self) {
        assert!(!self.target().exists());
        assert!(!self.part().exists());
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// The program while it runs.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stdout: String,
}

impl Running {
    /// Reads until a line for which `wanted` finds something.
    pub(crate) fn until<T>(&mut self, wanted: impl Fn(&str) -> Option<T>) -> T {
        while let Some(line) = self.next_line() {
            if let Some(found) = wanted(&line) {
                return found;
            }
        }
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        panic!("it ended early: {}{stderr}", self.stdout);
    }

    fn next_line(&mut self) -> Option<String> {
        let line = self.lines.next()?.unwrap();
        self.stdout.push_str(&line);
        self.stdout.push('\n');
        Some(line)
    }

    /// Sends what Ctrl-C sends.
    pub(crate) fn interrupt(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(mut self) -> Outcome {
        self.child.kill().unwrap();
        self.wait()
    }

    pub(crate) fn wait(mut self) -> Outcome {
        while self.next_line().is_some() {}
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let status = self.child.wait().unwrap();
        Outcome { status, stdout: std::mem::take(&mut self.stdout), stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How far the copy is stored, if this line says so.
pub(crate) fn stored(line: &str) -> Option<u64> {
    line.strip_prefix("would resume at ")?.parse().ok()
}

/// Where an attempt went on, if this line says so.
pub(crate) fn resumed(line: &str) -> Option<u64> {
    let (at, _) = line.strip_prefix("resumed at ")?.split_once(" of ")?;
    at.parse().ok()
}
