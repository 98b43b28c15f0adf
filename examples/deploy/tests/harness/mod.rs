//! Runs the program on a directory of its own and looks at what it left.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use entracte_example_testing::{Outcome, Running};
use tempfile::TempDir;

/// The stages in their order.
pub(crate) const STAGES: [&str; 5] = ["provision", "configure", "deploy", "health-check", "switch"];

/// A directory to deploy in. What still runs at its end is stopped.
pub(crate) struct Sandbox {
    dir: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The program with some arguments, on this directory.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deploy"));
        command.args(args).arg("--data").arg(self.path());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        Running::start(self.command(args)).unwrap().wait()
    }

    /// Runs the program and kills it as soon as it prints that a stage starts.
    pub(crate) fn run_killed_at(&self, stage: &str) -> Outcome {
        let mut running = Running::start(self.command(&[])).unwrap();
        while let Some(line) = running.next_line() {
            if line.split_whitespace().eq([stage, "started"]) {
                break;
            }
        }
        running.kill()
    }

    /// The lines of the log of effects; none if there is no log.
    pub(crate) fn effects(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path().join("effects.log")).unwrap_or_default();
        assert!(text.is_empty() || text.ends_with('\n'), "half a line: {text:?}");
        text.lines().map(str::to_owned).collect()
    }

    /// The directories of the releases.
    pub(crate) fn releases(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path().join("releases")) else { return Vec::new() };
        let mut releases: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        releases.sort();
        releases
    }

    /// The release that is live.
    pub(crate) fn current(&self) -> Option<PathBuf> {
        let link = self.path().join("current");
        let target = fs::read_link(&link).ok()?;
        assert!(target.is_relative(), "{target:?}");
        Some(self.path().join(target))
    }

    /// The processes that serve something of this directory.
    pub(crate) fn servers(&self) -> Vec<u32> {
        let root = fs::canonicalize(self.path()).unwrap();
        let serves = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut arguments = line.split(|byte| *byte == 0).skip(1);
            arguments.next() == Some(b"serve")
                && arguments
                    .any(|argument| Path::new(OsStr::from_bytes(argument)).starts_with(&root))
        };
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
            .filter(serves)
            .collect()
    }

    /// Checks what holds after every deployment that succeeded.
    pub(crate) fn assert_deployed(&self, outcome: &Outcome) {
        assert!(outcome.status.success(), "{outcome:#?}");
        assert!(outcome.stdout.contains("site is live at http://127.0.0.1:"), "{outcome:#?}");
        assert_same_files(&self.current().unwrap().join("site"), &site());
        self.assert_effects_match_history(outcome);
    }

    /// Checks the log of effects against the history: each line is there once, and the last one
    /// of each activity is that of the attempt whose completion was journaled.
    pub(crate) fn assert_effects_match_history(&self, outcome: &Outcome) {
        let effects = self.effects();
        let mut last = BTreeMap::new();
        for line in &effects {
            let (activity, attempt) = line.split_once(' ').unwrap();
            let attempt: u32 = attempt.parse().unwrap();
            let earlier = last.insert(activity, attempt);
            assert!(earlier.is_none_or(|earlier| earlier < attempt), "{effects:?}");
        }
        let completed = completed_attempts(&outcome.stdout);
        assert_eq!(last.into_iter().collect::<Vec<_>>(), completed.into_iter().collect::<Vec<_>>());
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.command(&["stop"]).output();
    }
}

/// The activities that completed, with the attempts that did, as the printed history has them.
fn completed_attempts(stdout: &str) -> BTreeMap<&str, u32> {
    let mut started = None;
    let mut completed = BTreeMap::new();
    for line in stdout.lines() {
        match line.split_whitespace().skip(2).collect::<Vec<_>>().as_slice() {
            ["ActivityTaskStarted", activity, "attempt", attempt, ..] => {
                started = Some((activity.trim_end_matches(','), attempt.parse().unwrap()));
            }
            ["ActivityTaskCompleted", activity] => {
                let (name, attempt) = started.take().unwrap();
                assert_eq!(name, *activity);
                completed.insert(name, attempt);
            }
            _ => {}
        }
    }
    completed
}

/// The site of the example.
pub(crate) fn site() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("site")
}

fn assert_same_files(one: &Path, other: &Path) {
    let names = |path: &Path| {
        let entries = fs::read_dir(path).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(one), names(other));
    for name in names(one) {
        let (one, other) = (one.join(&name), other.join(&name));
        if one.is_dir() {
            assert_same_files(&one, &other);
        } else {
            assert!(fs::read(&one).unwrap() == fs::read(&other).unwrap(), "{one:?} differs");
        }
    }
}

/// Requests the home page behind an address that the program printed.
pub(crate) fn home_page(outcome: &Outcome) -> String {
    let (_, rest) = outcome.stdout.split_once("live at http://").unwrap();
    let (address, _) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The run that the program printed the history of.
pub(crate) fn run_id(outcome: &Outcome) -> &str {
    let (_, rest) = outcome.stdout.split_once("history of run ").unwrap();
    rest.lines().next().unwrap()
}
