//! Handles do not keep an engine alive, nor its directory locked.

use std::time::Duration;

use entracte::prelude::*;
use entracte_tests::small::{small_workflows, start};
use entracte_tests::steps::THREE_STEPS;

async fn open(directory: &std::path::Path) -> Option<Engine> {
    for _ in 0..50 {
        match small_workflows(Engine::builder(directory)).start().await {
            Ok(engine) => return Some(engine),
            // The actors of the engine before are on their way out.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_of_a_dropped_engine_can_be_opened_though_a_handle_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).await.unwrap();
    drop(first);
    let second = open(directory.path()).await.expect("the lock is free without a handle");
    let run = start(&second, THREE_STEPS, 1, "one").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 4);
    drop(second);
    let third = open(directory.path()).await;
    assert!(third.is_some(), "{run:?} keeps the lock");
}
