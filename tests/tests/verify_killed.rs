//! A real process, killed with SIGKILL at work: its store fits together as it is.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use entracte::store::{FjallOptions, FjallStore};
use entracte::verify::{VerifyReport, verify};

/// How many starts the workload has acknowledged: a line for each says its number and its kind.
fn acknowledged(acks: &Path) -> usize {
    let text = std::fs::read_to_string(acks).unwrap_or_default();
    let is_start =
        |line: &&str| line.starts_with(|first: char| first.is_ascii_digit()) && line.ends_with('.');
    text.lines().filter(is_start).count()
}

/// Runs the workload until it has acknowledged so many starts, and kills it.
fn run_killed(directory: &Path, starts: usize) {
    let acks = directory.join("acks");
    let mut command = Command::new(env!("CARGO_BIN_EXE_workload"));
    command.arg("--data").arg(directory.join("engine")).arg("--acks").arg(&acks).arg("run");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "ready");
    let deadline = Instant::now() + Duration::from_secs(60);
    while acknowledged(&acks) < starts {
        assert!(Instant::now() < deadline, "it starts nothing");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn look(directory: &Path) -> VerifyReport {
    let path = directory.join("engine");
    let store = FjallStore::open_blocking(&path, &FjallOptions::default()).unwrap();
    verify(&store).unwrap()
}

#[test]
fn a_killed_process_leaves_a_store_that_fits_together() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut open = 0;
    for kill in 1..=5 {
        run_killed(directory.path(), kill * 100);
        let report = look(directory.path());
        assert!(report.is_sound(), "{report}");
        let acknowledged = acknowledged(&directory.path().join("acks")) as u64;
        assert!(report.counts.runs_total() >= acknowledged, "{acknowledged}: {report}");
        open += report.counts.pending_activities + report.counts.due;
    }
    assert!(open > 0, "something was open at one of the kills");
}
