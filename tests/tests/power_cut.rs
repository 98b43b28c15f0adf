//! Power cuts of real stores and engines at work: what was synced is there, and every store
//! opens.
//!
//! This is a sample of what `soak power-cut` does as long as one likes.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::Path;

use entracte_tests::power::campaign::{Cuts, Report};
use entracte_tests::power::event::Event;
use entracte_tests::power::rig::Rig;
use entracte_tests::power::scenario::{Left, Scenario};
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::runtime::Runtime;

fn seed() -> u64 {
    let seed = std::env::var("ENTRACTE_SEED").map_or(20_261_123, |seed| seed.parse().unwrap());
    println!("ENTRACTE_SEED={seed}");
    seed
}

fn rig(name: &str) -> Rig {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    Rig::new(env!("CARGO_BIN_EXE_soak").into(), &scratch, None).unwrap()
}

/// Cuts the power of some scenarios so often each.
fn cut(names: &[&str], images: usize) -> Report {
    let (rig, seed) = (rig("power-cut"), seed());
    let runtime = Runtime::new().unwrap();
    let mut report = Report::default();
    for name in names {
        let scenario = Scenario::find(name).unwrap();
        report.add(runtime.block_on(rig.cut_often(scenario, images, seed)).unwrap());
    }
    check(&report);
    report
}

fn check(report: &Report) {
    println!("{report}");
    for failure in &report.failures {
        println!(
            "{}\n    cargo run -p entracte-tests --bin soak -- {}",
            failure.fault, failure.replay
        );
    }
    assert!(report.failures.is_empty(), "{} images have faults", report.failures.len());
}

#[test]
fn synced_commits_survive_power_cuts() {
    let report = cut(&["reopened", "killed", "idle"], 80);
    assert!(report.images() >= 240);
    assert!(report.torn() > 0, "no journal was torn: this shows nothing");
}

#[test]
fn buffered_commits_go_back_to_a_common_point() {
    let report = cut(&["buffered"], 80);
    assert!(report.torn() > 0, "no journal was torn: this shows nothing");
}

#[test]
fn acknowledged_runs_survive_power_cuts_and_go_on() {
    cut(&["engine", "engine-interval", "engine-os-buffered"], 40);
}

#[test]
fn the_change_to_a_new_journal_survives_power_cuts() {
    cut(&["rotation"], 4);
}

#[test]
fn journals_that_are_too_long_are_put_away_through_power_cuts() {
    let report = cut(&["too-long"], 6);
    assert_eq!(report.images(), 6);
}

/// A process that is killed may leave names that it had not synced: whoever goes on relies on
/// them, and must sync them first.
#[test]
fn what_a_killed_process_had_not_synced_is_synced_by_the_next_one() {
    const PLACES: usize = 3;
    let rig = rig("power-cut-killed");
    let (runtime, mut random) = (Runtime::new().unwrap(), ChaCha8Rng::seed_from_u64(seed()));
    let scenario = Scenario::find("killed").unwrap();
    let recording = rig.record(scenario).unwrap();
    let events = || recording.events.iter().enumerate();
    let is_rename = |(_, event): &(usize, &Event)| matches!(event, Event::Rename { .. });
    // The last step of the making of the store, and some of what follows.
    let is_made = |(_, event): &(usize, &Event)| matches!(event, Event::Rename { to: (_, name), .. } if name == "journal");
    let made = events().find(is_made).unwrap();
    let renames = events().skip(made.0 + 1).filter(is_rename);
    let renames = renames.choose_multiple(&mut random, PLACES);
    assert_eq!(renames.len(), PLACES, "there are names that could be lost");
    let mut report = Report::default();
    for (index, _) in [made].into_iter().chain(renames) {
        let left = Left::ByKill(recording.killed_at(index + 1));
        let campaign = rig.go_on(scenario, &left, &format!("-killed-{index}")).unwrap();
        report.add(runtime.block_on(campaign.run(Cuts::Sample(48), random.random())).unwrap());
    }
    check(&report);
}

/// A disk that forgets its syncs loses commits that were told, and the judge must see it.
#[test]
fn the_harness_sees_what_is_lost() {
    let rig = rig("power-cut-liar");
    let scenario = Scenario::find("reopened").unwrap();
    let mut recording = rig.record(scenario).unwrap();
    recording.events.retain(|event| !matches!(event, Event::SyncEnd { .. }));
    let campaign = rig.campaign(recording, scenario.work, "");
    let runtime = Runtime::new().unwrap();
    let report = runtime.block_on(campaign.run(Cuts::Sample(40), 1)).unwrap();
    println!("{report}");
    assert!(!report.failures.is_empty(), "nobody has missed the commits that were lost");
}
