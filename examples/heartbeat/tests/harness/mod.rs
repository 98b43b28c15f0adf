//! Runs the program on a directory of its own and looks at what it left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use entracte_example_testing::{Outcome, Running};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A directory to copy in, with a source in it.
pub(crate) struct Sandbox {
    dir: TempDir,
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
        Running::start(self.command(args)).unwrap()
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

/// How far the copy is stored, if this line says so.
pub(crate) fn stored(line: &str) -> Option<u64> {
    line.strip_prefix("would resume at ")?.parse().ok()
}

/// Where an attempt went on, if this line says so.
pub(crate) fn resumed(line: &str) -> Option<u64> {
    let (at, _) = line.strip_prefix("resumed at ")?.split_once(" of ")?;
    at.parse().ok()
}
