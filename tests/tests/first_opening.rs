//! The first opening of a store, killed at its system calls, and with its power cut: the next
//! one makes the store, and nothing half-made is left.
//!
//! This is a sample of what `soak first-opening` does at every single call.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::Path;

use entracte_tests::power::campaign::Cuts;
use entracte_tests::power::first_opening::Kill;
use entracte_tests::power::rig::Rig;
use entracte_tests::power::scenario::FIRST_OPENING;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The calls that change something, each of which is a place to be killed at.
const CHANGES: [&str; 11] = [
    "mkdir",
    "openat",
    "write",
    "ftruncate",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "unlink",
    "unlinkat",
    "clone3",
];

fn seed() -> u64 {
    let seed = std::env::var("ENTRACTE_SEED").map_or(20_261_123, |seed| seed.parse().unwrap());
    println!("ENTRACTE_SEED={seed}");
    seed
}

fn rig() -> Rig {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("first-opening");
    Rig::new(env!("CARGO_BIN_EXE_soak").into(), &scratch, None).unwrap()
}

#[test]
fn a_first_opening_can_be_killed_at_its_system_calls() {
    let mut random = ChaCha8Rng::seed_from_u64(seed());
    let (rig, runtime) = (rig(), tokio::runtime::Runtime::new().unwrap());
    let opening = rig.first_opening();
    let (mut kills, others): (Vec<Kill>, Vec<Kill>) = opening
        .calls()
        .unwrap()
        .into_iter()
        .partition(|kill| CHANGES.contains(&kill.call.as_str()));
    kills.shuffle(&mut random);
    kills.truncate(120);
    let mut others = others;
    others.shuffle(&mut random);
    // Every other directory is killed twice: once more where a half-made store is found.
    let chains: Vec<Vec<Kill>> = kills
        .chunks(3)
        .flat_map(|chunk| match chunk {
            [one, two, three] => vec![vec![one.clone()], vec![two.clone(), three.clone()]],
            rest => vec![rest.to_vec()],
        })
        .chain(others.into_iter().take(20).map(|kill| vec![kill]))
        .collect();
    let mut hits = 0;
    for chain in chains {
        let killed = runtime.block_on(opening.kill(&chain)).unwrap();
        hits += killed.hits;
        if let Err(fault) = killed.outcome {
            let names: Vec<String> = chain.iter().map(ToString::to_string).collect();
            panic!("{fault}: soak first-opening --kill {}", names.join(","));
        }
    }
    println!("{hits} kills");
    assert!(hits > 100, "only {hits} kills have hit: this shows little");
}

#[test]
fn a_first_opening_survives_power_cuts_at_every_step() {
    let (rig, runtime) = (rig(), tokio::runtime::Runtime::new().unwrap());
    let campaign = rig.campaign(rig.record(&FIRST_OPENING).unwrap(), FIRST_OPENING.work, "");
    let report = runtime.block_on(campaign.run(Cuts::Everywhere(1), seed())).unwrap();
    println!("{report}");
    for failure in &report.failures {
        println!(
            "{}\n    cargo run -p entracte-tests --bin soak -- {}",
            failure.fault, failure.replay
        );
    }
    assert!(report.failures.is_empty(), "{} images have faults", report.failures.len());
}
