//! The program on a real pseudo-terminal: keys are pressed, and the screen is read.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

mod terminal {
    pub(crate) mod rig;
}

use std::process::Command;
use std::time::Duration;

use entracte_example_testing::Running;

use crate::terminal::rig::{Rig, tree};

const DOWN: &str = "\x1b[B";
const END: &str = "\x1b[F";
pub(crate) const HOME: &str = "\x1b[H";

#[test]
fn keys_kill_restart_crash_and_cancel_and_quitting_restores_the_terminal() {
    let mut rig = Rig::start(&["--plays", "1", "--acts", "2", "--pace", "1h"]);
    rig.until("the tree", |screen| tree(screen).contains("rehearse #1, "));
    // The attempt at the rehearsal is the last line.
    rig.press(END);
    rig.until("the selection", |screen| screen.contains(">         rehearse #1"));
    rig.until("what it waits for", |screen| screen.contains("waits for rehearse #1"));
    rig.press("x");
    rig.until("the killing", |screen| screen.contains("killed rehearse #1"));
    rig.until("the next attempt", |screen| tree(screen).contains("rehearse #2, "));
    // With the actor of a run all below it end: what was under way counts as lost.
    rig.select("season, ", DOWN);
    rig.press("x");
    rig.until("the killing of a run", |screen| screen.contains("killed season"));
    rig.until("what follows", |screen| tree(screen).contains("rehearse #3, "));
    rig.until("all are back", |screen| {
        ["   season, ", "      play-1, ", "        act-1.1, "]
            .iter()
            .all(|run| tree(screen).contains(run))
    });
    rig.press("r");
    rig.until("the restart", |screen| screen.contains("was shut down and started again"));
    rig.until("the attempt after it", |screen| tree(screen).contains("rehearse #4, "));
    rig.press("k");
    rig.until("the crash", |screen| screen.contains("the engine was killed"));
    rig.until("the attempt after that", |screen| tree(screen).contains("rehearse #5, "));

    rig.resize(16, 72);
    rig.until("the new size", |screen| {
        screen.lines().count() == 16 && screen.lines().last().unwrap().contains("select")
    });
    rig.resize(30, 100);

    rig.select("season, ", DOWN);
    rig.press("c");
    rig.until("the request", |screen| screen.contains("season was asked to cancel"));
    rig.until("its end", |screen| screen.contains("the season is over: "));
    rig.press("q");
    assert!(rig.wait().success());
    rig.assert_restored();
}

#[test]
fn a_key_that_is_pressed_while_the_size_changes_is_heard() {
    let mut rig = Rig::start(&["--plays", "1", "--acts", "1", "--pace", "1h"]);
    rig.until("the tree", |screen| tree(screen).contains("rehearse #1, "));
    for round in 0..50 {
        rig.resize(if round % 2 == 0 { 16 } else { 30 }, 100);
        rig.press(END);
        rig.until("the last line", |screen| screen.contains(">         rehearse #1"));
        rig.press(HOME);
        rig.until("the first line", |screen| screen.contains("> engine"));
    }
    rig.press("q");
    assert!(rig.wait().success());
}

#[test]
fn a_panic_restores_the_terminal_before_its_message() {
    let mut rig = Rig::start(&["--panics", "--pace", "1h"]);
    rig.until("the tree", |screen| screen.contains("season, "));
    rig.press("!");
    assert!(!rig.wait().success());
    rig.until("the message", |screen| screen.contains("somebody pressed the key for it"));
    rig.assert_restored();
}

#[test]
fn a_season_that_was_cut_off_goes_on_and_without_a_terminal_the_tree_is_printed() {
    let data = tempfile::tempdir().unwrap();
    let program = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tree"));
        command.arg("--data").arg(data.path().join("engine")).args(args);
        command
    };
    let args = ["--plays", "2", "--acts", "2", "--pace", "300ms", "--plain", "50ms"];
    let mut running = Running::start(program(&args)).unwrap();
    running.until(|line| line.contains("perform #1").then_some(()));
    running.kill();
    // Of another season this would be too few.
    let outcome = Running::start(program(&["--plays", "9", "--pace", "1h"])).unwrap().wait();
    assert!(outcome.status.success(), "{outcome:#?}");
    assert!(outcome.stdout.contains("the season is over: 4 acts were performed"), "{outcome:#?}");
    assert_eq!(outcome.stderr, "");
}

/// The longest that anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
