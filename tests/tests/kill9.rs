//! Real processes, killed with SIGKILL at random moments, over and over on one directory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use entracte_tests::workload::left_behind;
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const KILLS: u32 = 200;
const CHECK_EVERY: u32 = 50;

fn workload(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workload"));
    command.arg("--data").arg(directory.join("engine"));
    command.arg("--acks").arg(directory.join("acks"));
    command
}

fn spawn(directory: &Path) -> Child {
    let mut command = workload(directory);
    command.arg("run").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the engine of a workload is open; false if the process ended before.
fn ready(child: &mut Child) -> bool {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim() == "ready"
}

fn check(directory: &Path) -> String {
    let output = workload(directory).arg("check").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    text
}

/// Kills the process, after making sure that it had not ended by itself.
fn kill(mut child: Child) {
    if let Some(status) = child.try_wait().unwrap() {
        let output = child.wait_with_output().unwrap();
        panic!("it ended by itself, {status}: {}", String::from_utf8_lossy(&output.stderr));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn every_acknowledged_start_survives_two_hundred_kills() {
    let seed = std::env::var("ENTRACTE_SEED").map_or(20_261_122, |seed| seed.parse().unwrap());
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let directory = directory.path();
    // The storage engine's very first opening of a directory cannot be killed safely yet, so
    // the first process is let in. All later openings are killed at any moment.
    let mut first = spawn(directory);
    assert!(ready(&mut first));
    kill(first);
    let mut while_opening = 0;
    for number in 1..=KILLS {
        let mut child = spawn(directory);
        // One in four is killed at a random moment of its opening, the others at work.
        if random.random_ratio(1, 4) {
            std::thread::sleep(Duration::from_micros(random.random_range(0..30_000)));
            while_opening += 1;
        } else {
            assert!(ready(&mut child), "{}", stderr(child));
            std::thread::sleep(Duration::from_micros(random.random_range(0..60_000)));
        }
        kill(child);
        if number % CHECK_EVERY == 0 {
            println!(
                "seed {seed}, {number} kills, {while_opening} while opening: {}",
                check(directory)
            );
        }
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let left = runtime.block_on(left_behind(&directory.join("engine"))).unwrap();
    assert_eq!(left, 0, "rows of closed runs are left in the indexes");
}

fn stderr(child: Child) -> String {
    String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr).into_owned()
}

#[test]
fn a_workload_that_is_not_killed_ends_by_itself() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let output = workload(directory.path()).args(["run", "--starts", "200"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(check(directory.path()).starts_with("200 acknowledged runs"));
}
