//! Real processes, killed with SIGKILL at random moments, over and over on one directory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use entracte_tests::workload::left_behind;
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const SIGKILL: i32 = 9;

fn workload(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workload"));
    command.arg("--data").arg(directory.join("engine"));
    command.arg("--acks").arg(directory.join("acks"));
    command
}

fn spawn(directory: &Path, durability: &str) -> Child {
    let mut command = workload(directory);
    command.args(["run", "--durability", durability]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the engine of a workload is open; panics if the process ended before.
fn wait_until_ready(child: &mut Child) {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    if line.trim() != "ready" {
        let mut error = String::new();
        child.stderr.as_mut().unwrap().read_to_string(&mut error).unwrap();
        panic!("it could not open its engine: {error}");
    }
}

/// Kills the process, checks that it had not ended by itself, and tells what it had printed.
fn kill(mut child: Child) -> String {
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(SIGKILL), "it ended by itself: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn check(directory: &Path) -> String {
    let output = workload(directory).arg("check").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    text
}

/// Kills processes on one directory, and checks it after every so many kills.
fn kill_over_and_over(durability: &str, kills: u32, check_every: u32) {
    let seed = std::env::var("ENTRACTE_SEED").map_or(20_261_122, |seed| seed.parse().unwrap());
    println!("ENTRACTE_SEED={seed}, durability {durability}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let directory = directory.path();
    // The storage engine's very first opening of a directory cannot be killed safely yet, so
    // the first process is let in. All later openings are killed at any moment.
    let mut first = spawn(directory, durability);
    wait_until_ready(&mut first);
    kill(first);
    let mut before_ready = 0;
    for number in 1..=kills {
        let mut child = spawn(directory, durability);
        // One in four is killed at a random moment around its opening, the others at work.
        if random.random_ratio(1, 4) {
            std::thread::sleep(Duration::from_micros(random.random_range(0..40_000)));
            before_ready += u32::from(kill(child).is_empty());
        } else {
            wait_until_ready(&mut child);
            std::thread::sleep(Duration::from_micros(random.random_range(0..60_000)));
            kill(child);
        }
        if number % check_every == 0 {
            let checked = check(directory);
            println!("{number} kills, {before_ready} of them before it was open: {checked}");
        }
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let left = runtime.block_on(left_behind(&directory.join("engine"))).unwrap();
    assert_eq!(left, 0, "rows of closed runs are left in the indexes");
}

#[test]
fn every_acknowledged_start_survives_two_hundred_kills() {
    kill_over_and_over("sync", 200, 50);
}

#[test]
fn what_the_operating_system_has_survives_a_kill_of_the_process() {
    kill_over_and_over("os-buffered", 30, 10);
}

#[test]
fn a_workload_that_is_not_killed_ends_by_itself() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let output = workload(directory.path()).args(["run", "--starts", "200"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(check(directory.path()).starts_with("200 acknowledged runs and 0 others"));
}
