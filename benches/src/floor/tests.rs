use std::time::Duration;

use entracte::Durability;
use indicatif::ProgressBar;

use super::*;
use crate::drive;

fn load(durability: Durability) -> Load {
    Load { runs: 20, in_flight: 5, durability, payload: Load::payload_of(100) }
}

async fn round(durability: Durability) -> crate::Round {
    let directory = tempfile::tempdir().unwrap();
    let load = load(durability);
    let floor = Floor::start(directory.path(), &load).await.unwrap();
    let round = drive::round(&floor.target(), &load, &ProgressBar::hidden()).await.unwrap();
    floor.stop().await.unwrap();
    round
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_four_appends_of_eleven_rows() {
    let round = round(Durability::Sync).await;
    assert_eq!(round.journal.appends, 20 * 4);
    assert_eq!(round.journal.events, 20 * 11);
    assert_eq!(round.latency_us.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_sync_every_commit_is_a_sync_and_holds_what_waited() {
    let journal = round(Durability::Sync).await.journal;
    assert_eq!(journal.syncs, journal.commits);
    assert!(journal.commits < journal.appends, "{journal:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_sync_nothing_is_synced() {
    let os_buffered = round(Durability::OsBuffered).await.journal;
    let interval = round(Durability::Interval(Duration::from_secs(3600))).await.journal;
    assert_eq!((os_buffered.syncs, interval.syncs), (0, 0));
    assert_eq!((os_buffered.appends, interval.appends), (80, 80));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_as_large_as_events_and_stay_in_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let load = load(Durability::Sync);
    let floor = Floor::start(directory.path(), &load).await.unwrap();
    floor.target().run(7).await.unwrap();
    floor.stop().await.unwrap();

    let (_database, history) = open(directory.path()).unwrap();
    let lengths: Vec<(usize, usize)> = history
        .iter()
        .map(|row| row.into_inner().unwrap())
        .map(|(key, value)| (key.len(), value.len()))
        .collect();
    let (plain, with_payload) = ((24, 100), (24, 200));
    let step = [plain, with_payload, with_payload];
    assert_eq!(lengths, [&[with_payload; 2][..], &step, &step, &step].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_on_a_stopped_floor_is_lost_and_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let load = load(Durability::Sync);
    let floor = Floor::start(directory.path(), &load).await.unwrap();
    let target = floor.target();
    floor.stop().await.unwrap();
    assert!(matches!(target.run(3).await, Err(LoadError::Lost { run: 3 })));
}
