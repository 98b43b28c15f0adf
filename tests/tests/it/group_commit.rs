//! Group commit: many runs share one sync, and what each durability promises.

use std::path::Path;
use std::time::Duration;

use entracte::JournalStats;
use entracte::prelude::*;
use entracte_tests::steps::{ADD_ONE, THREE_STEPS, add_one, three_steps};

async fn engine(directory: &Path, durability: Durability) -> Engine {
    Engine::builder(directory)
        .durability(durability)
        .workflow(THREE_STEPS, three_steps)
        .activity(ADD_ONE, add_one)
        .start()
        .await
        .unwrap()
}

/// Brings a thousand concurrent runs to their ends.
async fn a_thousand_runs(engine: &Engine) -> JournalStats {
    let mut runs = tokio::task::JoinSet::new();
    for number in 0..1_000_u64 {
        let engine = engine.clone();
        runs.spawn(async move {
            let start = engine.start_workflow(THREE_STEPS, number);
            let run = start.workflow_id(format!("run-{number}")).await.unwrap();
            assert_eq!(run.result().await.unwrap(), number + 3);
        });
    }
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
    engine.journal_stats()
}

fn print(durability: Durability, stats: JournalStats) {
    let JournalStats { appends, events, commits, syncs, .. } = stats;
    let per_sync = appends.checked_div(syncs).unwrap_or(appends);
    println!(
        "{durability}: {events} events, {appends} appends, {commits} commits, {syncs} syncs: \
         {per_sync} appends per sync"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_concurrent_runs_make_far_fewer_syncs_than_events() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let engine = engine(directory.path(), Durability::Sync).await;
    let stats = a_thousand_runs(&engine).await;
    print(Durability::Sync, stats);
    assert_eq!((stats.appends, stats.events), (4_000, 11_000));
    assert_eq!(stats.commits, stats.syncs);
    assert!(stats.syncs * 20 < stats.events, "{stats:?}");
    engine.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn buffered_durabilities_sync_rarely_and_lose_nothing_in_order() {
    for durability in [Durability::Interval(Duration::from_millis(20)), Durability::OsBuffered] {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let first = engine(directory.path(), durability).await;
        let stats = a_thousand_runs(&first).await;
        print(durability, stats);
        assert!(stats.syncs < stats.commits, "{stats:?}");
        if durability == Durability::OsBuffered {
            assert_eq!(stats.syncs, 0);
        }
        first.shutdown().await.unwrap();
        let second = engine(directory.path(), durability).await;
        for number in 0..1_000 {
            let run = second.workflow_handle(THREE_STEPS, format!("run-{number}")).await.unwrap();
            assert_eq!(run.result().await.unwrap(), number + 3);
        }
        second.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_interval_syncs_what_was_committed_after_its_time_and_then_rests() {
    use entracte_testing::{SimulatedDisk, TestEngine};
    let disk = SimulatedDisk::new(Default::default());
    let engine = TestEngine::on_store(disk.reopen())
        .durability(Durability::Interval(Duration::from_secs(5)))
        .workflow(THREE_STEPS, three_steps)
        .activity(ADD_ONE, add_one)
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(THREE_STEPS, 1).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 4);
    assert_eq!(engine.journal_stats().syncs, 0);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(engine.journal_stats().syncs, 1);
    // Nothing is written, so nothing is synced.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(engine.journal_stats().syncs, 1);
}
