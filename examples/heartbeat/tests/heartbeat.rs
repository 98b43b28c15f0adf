//! The program as a whole: real processes, killed and started again.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

mod harness;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::harness::{Sandbox, resumed, stored};

const SIGKILL: i32 = 9;
const MIB: usize = 1 << 20;

/// Slow enough to be killed in the middle, with a heartbeat stored every 0.8 seconds.
const SLOW: [&str; 6] = ["--speed", "2MiB", "--chunk", "64KiB", "--heartbeat-timeout", "1s"];
const FAST: [&str; 4] = ["--speed", "0", "--heartbeat-timeout", "1m"];

#[test]
fn a_file_is_copied_and_checked() {
    let sandbox = Sandbox::new(3 * MIB + 17);
    let outcome = sandbox.run(&FAST);
    sandbox.assert_copied(&outcome);
    assert_eq!(outcome.stdout.lines().find_map(resumed), None, "{outcome:#?}");
}

#[test]
fn an_empty_file_has_a_copy_too() {
    let sandbox = Sandbox::new(0);
    let outcome = sandbox.run(&FAST);
    sandbox.assert_copied(&outcome);
}

#[test]
fn a_copy_that_is_killed_again_and_again_goes_on_from_its_last_heartbeat() {
    let sandbox = Sandbox::new(8 * MIB);
    let mut safe = 0;
    for kill in 0..3 {
        let mut running = sandbox.start(&SLOW);
        if kill > 0 {
            let from = running.until(resumed);
            assert!(from >= safe, "kill {kill}: went on from {from}, {safe} bytes were safe");
            assert!(fs::metadata(sandbox.part()).unwrap().len() >= from);
        }
        // Killed when the engine has stored more than was known before.
        safe = running.until(|line| stored(line).filter(|bytes| *bytes > safe));
        let killed = running.kill();
        assert_eq!(killed.status.signal(), Some(SIGKILL), "{killed:#?}");
        let written = fs::metadata(sandbox.part()).unwrap().len();
        assert!(written >= safe, "kill {kill}: {safe} bytes claimed, {written} there");
        let (whole, part) =
            (fs::read(sandbox.source()).unwrap(), fs::read(sandbox.part()).unwrap());
        let safe = usize::try_from(safe).unwrap();
        assert!(part[..safe] == whole[..safe], "kill {kill}: not what was claimed");
    }
    let outcome = sandbox.run(&FAST);
    let from = outcome.stdout.lines().find_map(resumed).unwrap();
    assert!(from >= safe && safe > 0, "went on from {from}, {safe} bytes were safe");
    assert!(outcome.stdout.contains("taking up the copy of "), "{outcome:#?}");
    sandbox.assert_copied(&outcome);
}

#[test]
fn a_copy_that_is_killed_before_its_first_heartbeat_is_made_all_the_same() {
    let sandbox = Sandbox::new(MIB);
    let mut running = sandbox.start(&SLOW);
    running.until(|line| line.starts_with("copying ").then_some(()));
    running.kill();
    let outcome = sandbox.run(&FAST);
    sandbox.assert_copied(&outcome);
}

#[test]
fn a_copy_that_is_killed_while_it_is_checked_is_checked_again_and_not_made_again() {
    let sandbox = Sandbox::new(16 * MIB);
    let mut running = sandbox.start(&FAST);
    running.until(|line| line.starts_with("checking ").then_some(()));
    running.kill();
    let outcome = sandbox.run(&FAST);
    if outcome.stdout.contains("taking up") {
        assert_eq!(outcome.stdout.lines().find_map(resumed), None, "{outcome:#?}");
        sandbox.assert_copied(&outcome);
    } else {
        // It was done before it could be killed, and its target stands in the way of another.
        assert!(outcome.stderr.contains("exists already"), "{outcome:#?}");
        assert!(fs::read(sandbox.target()).unwrap() == fs::read(sandbox.source()).unwrap());
    }
}

#[test]
fn ctrl_c_stops_in_order_and_nothing_is_copied_twice() {
    let sandbox = Sandbox::new(4 * MIB);
    let mut running = sandbox.start(&SLOW);
    running.until(stored);
    running.interrupt();
    let stopped = running.wait();
    assert_eq!(stopped.status.code(), Some(130), "{stopped:#?}");
    let at = stopped.stderr.strip_prefix("error: stopped at ").unwrap();
    let (at, rest) = at.split_once(' ').unwrap();
    assert_eq!(rest, "bytes; the same command goes on from there\n");
    assert!(at.parse::<u64>().unwrap() > 0);

    let outcome = sandbox.run(&FAST);
    let from = outcome.stdout.lines().find_map(resumed).unwrap();
    assert_eq!(from.to_string(), at);
    sandbox.assert_copied(&outcome);
}

#[test]
fn a_full_disk_is_waited_for() {
    let sandbox = Sandbox::new(2 * MIB);
    let args = ["--chunk", "64KiB", "--full-at", "1MiB"];
    let outcome = sandbox.run(&[&FAST[..], &args].concat());
    let full = "the disk is full at 1048576 bytes: the copy goes on when there is room";
    assert_eq!(outcome.stdout.lines().filter(|line| *line == full).count(), 2, "{outcome:#?}");
    let from: Vec<_> = outcome.stdout.lines().filter_map(resumed).collect();
    assert_eq!(from, [1_048_576, 1_048_576]);
    sandbox.assert_copied(&outcome);
}

#[test]
fn a_copy_for_which_there_is_no_room_is_not_begun() {
    let sandbox = Sandbox::new(0);
    let disk = rustix::fs::statvfs(sandbox.path()).unwrap();
    let more = disk.f_bavail * disk.f_frsize + (1 << 40);
    // All of it is a hole.
    let source = File::options().write(true).open(sandbox.source()).unwrap();
    source.set_len(more).unwrap();
    let outcome = sandbox.run(&FAST);
    assert_eq!(outcome.status.code(), Some(1), "{outcome:#?}");
    assert!(outcome.stderr.contains(" has no room for the copy: "), "{outcome:#?}");
    sandbox.assert_nothing_is_left();
}

fn change(sandbox: &Sandbox) {
    let mut source = OpenOptions::new().append(true).open(sandbox.source()).unwrap();
    source.write_all(b"more").unwrap();
}

#[test]
fn a_source_that_changes_meanwhile_is_not_copied() {
    let sandbox = Sandbox::new(4 * MIB);
    let mut running = sandbox.start(&SLOW);
    running.until(stored);
    change(&sandbox);
    let outcome = running.wait();
    assert_eq!(outcome.status.code(), Some(1), "{outcome:#?}");
    let expected = "has changed since the copy began: it had 4194304 bytes and has 4194308\n";
    assert!(outcome.stderr.ends_with(expected), "{outcome:#?}");
    sandbox.assert_nothing_is_left();
    // As it is now it can be copied.
    let outcome = sandbox.run(&FAST);
    sandbox.assert_copied(&outcome);
}

#[test]
fn a_source_that_changed_while_nobody_looked_is_not_copied_on() {
    let sandbox = Sandbox::new(4 * MIB);
    let mut running = sandbox.start(&SLOW);
    running.until(stored);
    running.kill();
    change(&sandbox);
    let outcome = sandbox.run(&FAST);
    assert_eq!(outcome.status.code(), Some(1), "{outcome:#?}");
    assert!(outcome.stderr.contains("has changed since the copy began"), "{outcome:#?}");
    sandbox.assert_nothing_is_left();
}

#[test]
fn a_target_that_exists_is_replaced_only_if_it_may_be() {
    let sandbox = Sandbox::new(2 * MIB);
    fs::write(sandbox.target(), "of somebody else").unwrap();
    let outcome = sandbox.run(&FAST);
    assert_eq!(outcome.status.code(), Some(1), "{outcome:#?}");
    let expected = "exists already, with 16 B (the source has 2.0 MiB); --replace puts the copy \
                    in its place\n";
    assert!(outcome.stderr.ends_with(expected), "{outcome:#?}");
    assert_eq!(fs::read_to_string(sandbox.target()).unwrap(), "of somebody else");
    assert!(!sandbox.part().exists());
    let outcome = sandbox.run(&["--speed", "0", "--replace"]);
    sandbox.assert_copied(&outcome);
}

#[test]
fn a_target_that_appears_meanwhile_is_not_touched() {
    let sandbox = Sandbox::new(2 * MIB);
    let mut running = sandbox.start(&SLOW);
    running.until(stored);
    fs::write(sandbox.target(), "of somebody else").unwrap();
    let outcome = running.wait();
    assert_eq!(outcome.status.code(), Some(1), "{outcome:#?}");
    assert!(outcome.stderr.ends_with("has been made by somebody else meanwhile\n"));
    assert_eq!(fs::read_to_string(sandbox.target()).unwrap(), "of somebody else");
    assert!(!sandbox.part().exists());
}

#[test]
fn another_source_does_not_go_on_with_a_copy_and_a_copy_can_be_given_up() {
    let sandbox = Sandbox::new(4 * MIB);
    let mut running = sandbox.start(&SLOW);
    running.until(stored);
    running.kill();
    let other = sandbox.path().join("other");
    fs::write(&other, "something else").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_heartbeat"));
    command.arg(&other).arg(sandbox.target()).arg("--data").arg(sandbox.path().join("data"));
    let refused = command.output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:#?}");
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(stderr.contains("source` to `"), "{stderr}");
    assert!(stderr.contains("has been begun: finish it with that source"), "{stderr}");
    assert!(sandbox.part().exists(), "what there is of the copy is left alone");

    let cancelled = sandbox.run(&[&SLOW[..], &["--cancel"]].concat());
    assert!(cancelled.status.success(), "{cancelled:#?}");
    assert!(cancelled.stdout.contains("gave up the copy to "), "{cancelled:#?}");
    sandbox.assert_nothing_is_left();
    let again = sandbox.run(&["--cancel"]);
    assert_eq!(again.status.code(), Some(1), "{again:#?}");
    assert!(again.stderr.contains(" has been begun"), "{again:#?}");
}

#[test]
fn what_cannot_be_copied_is_refused_before_anything_is_done() {
    let sandbox = Sandbox::new(10);
    fs::remove_file(sandbox.source()).unwrap();
    let outcome = sandbox.run(&FAST);
    assert_eq!(outcome.status.code(), Some(1), "{outcome:#?}");
    assert!(outcome.stderr.contains("source` cannot be looked at: No such file"), "{outcome:#?}");
    fs::create_dir(sandbox.source()).unwrap();
    let outcome = sandbox.run(&FAST);
    assert!(outcome.stderr.ends_with("source` is not a file\n"), "{outcome:#?}");
    let usage = sandbox.run(&["--chunk", "0"]);
    assert_eq!(usage.status.code(), Some(2), "{usage:#?}");
    sandbox.assert_nothing_is_left();
}

#[test]
fn without_a_source_it_makes_its_own_and_the_help_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heartbeat"));
        let output = command.args(args).current_dir(dir.path()).output().unwrap();
        assert!(output.status.success(), "{output:#?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let stdout = run(&["--size", "1MiB", "--speed", "0"]);
    assert!(stdout.starts_with("made a file of 1048576 bytes: "), "{stdout}");
    let data = dir.path().join("data/heartbeat");
    assert!(fs::read(data.join("copy")).unwrap() == fs::read(data.join("original")).unwrap());
    // The same file is copied again, to take the place of its copy.
    let stdout = run(&["--size", "1MiB", "--speed", "0", "--replace"]);
    assert!(stdout.starts_with("copying "), "{stdout}");
    let help = run(&["--help"]);
    for option in ["--size", "--speed", "--heartbeat-timeout", "--replace", "--cancel"] {
        assert!(help.contains(option), "{help}");
    }
}
