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
use entracte_tests::power::scenario::Scenario;

/// Cuts the power of some scenarios so often each.
fn cut(names: &[&str], images: usize) -> Report {
    let seed = std::env::var("ENTRACTE_SEED").map_or(20_261_123, |seed| seed.parse().unwrap());
    println!("ENTRACTE_SEED={seed}");
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("power-cut");
    let rig = Rig::new(env!("CARGO_BIN_EXE_soak").into(), &scratch, None).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut report = Report::default();
    for name in names {
        let scenario = Scenario::find(name).unwrap();
        report.add(runtime.block_on(rig.cut_often(scenario, images, seed)).unwrap());
    }
    println!("{report}");
    for failure in &report.failures {
        println!(
            "{}\n    cargo run -p entracte-tests --bin soak -- {}",
            failure.fault, failure.replay
        );
    }
    assert!(report.failures.is_empty(), "{} images have faults", report.failures.len());
    report
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

/// A disk that forgets its syncs loses commits that were told, and the judge must see it.
#[test]
fn the_harness_sees_what_is_lost() {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("power-cut-liar");
    let rig = Rig::new(env!("CARGO_BIN_EXE_soak").into(), &scratch, None).unwrap();
    let scenario = Scenario::find("reopened").unwrap();
    let mut recording = rig.record(scenario).unwrap();
    recording.events.retain(|event| !matches!(event, Event::SyncEnd { .. }));
    let campaign = rig.campaign(recording, scenario.work, "");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let report = runtime.block_on(campaign.run(Cuts::Sample(40), 1)).unwrap();
    println!("{report}");
    assert!(!report.failures.is_empty(), "nobody has missed the commits that were lost");
}
