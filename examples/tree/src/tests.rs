//! The season under an engine for tests, looked at and disturbed as from the keyboard.

use std::time::Duration;

use entracte::actor;
use entracte::prelude::*;
use entracte::{ActorKind, Engine};
use entracte_testing::TestEngine;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

use crate::rows::{Tone, rows};
use crate::season::{self, SEASON, Season};

async fn season(plays: u32) -> (Engine, entracte::WorkflowHandle<u32>) {
    let engine = season::register(TestEngine::builder()).start().await.unwrap();
    let season = Season { plays, acts: 3, pace: Duration::from_secs(4) };
    let run = engine.start_workflow(SEASON, season).workflow_id("season").await.unwrap();
    (engine, run)
}

#[tokio::test(start_paused = true)]
async fn rows_tell_the_season_from_the_engine_down_to_its_attempts() {
    let (engine, run) = season(1).await;
    sleep(Duration::from_secs(3)).await;
    let rows = rows(&engine.tree().await.unwrap());
    let lines: Vec<_> = rows.iter().map(|row| (row.depth, row.text.as_str(), row.tone)).collect();
    assert_eq!(
        lines[..7],
        [
            (0, "engine running, 3s", Tone::Organ),
            (1, "journal, 3s", Tone::Organ),
            (1, "directory, 3s", Tone::Organ),
            (1, "season, 3s", Tone::Run),
            (2, "play-1, 3s", Tone::Run),
            (3, "act-1.1, 3s", Tone::Run),
            (4, "perform #1, 2s", Tone::Attempt),
        ]
    );
    assert_eq!(rows[6].run.as_ref().unwrap().as_str(), "act-1.1");
    assert_eq!(run.result().await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_sleeps_before_its_first_turn_looks_so() {
    const REHEARSAL: Workflow<(), u32> =
        Workflow::new("rehearsal").retry_policy(RetryPolicy::exponential(Duration::from_secs(60)));
    let engine = TestEngine::builder()
        .workflow(REHEARSAL, async |ctx: WorkflowContext, ()| match ctx.attempt() {
            1 => Err(Failure::application("Late", "the lead has missed the bus")),
            attempt => Ok(attempt),
        })
        .start()
        .await
        .unwrap();
    engine.start_workflow(REHEARSAL, ()).workflow_id("rehearsal").await.unwrap();
    sleep(Duration::from_secs(3)).await;
    let rows = rows(&engine.tree().await.unwrap());
    let run = rows.iter().find(|row| row.run.is_some()).unwrap();
    // Its start waits for the turn.
    let text = "rehearsal sleeping, 3s, 1 waiting";
    assert_eq!((run.text.as_str(), run.tone), (text, Tone::Timer));
}

#[tokio::test(start_paused = true)]
async fn all_acts_are_performed_whoever_is_killed() {
    for seed in 0..8 {
        let (engine, run) = season(3).await;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..30 {
            sleep(Duration::from_millis(random.random_range(0..1_000))).await;
            let tree = engine.tree().await.unwrap();
            let mortal = |kind: &ActorKind| {
                matches!(
                    kind,
                    ActorKind::Run { .. } | ActorKind::Attempt { .. } | ActorKind::Timer { .. }
                )
            };
            let mortals: Vec<_> = tree.nodes.iter().filter(|node| mortal(&node.kind)).collect();
            if let Some(node) = mortals.choose(&mut random) {
                actor::cell(node).kill();
            }
        }
        assert_eq!(run.result().await.unwrap(), 9, "seed {seed}");
    }
}
