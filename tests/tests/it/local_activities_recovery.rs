//! Local activities over crashes and killed actors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entracte::export::export;
use entracte::prelude::*;
use entracte::verify::verify;
use entracte::{EngineBuilder, EventType, PendingActivityState, TimeoutType};
use entracte_testing::crash::CrashTest;
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine, Witness, check_store};
use entracte_tests::look::event_types;
use entracte_tests::small::{ending, start};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::local_activities_gate::*;

#[tokio::test(start_paused = true)]
async fn lac_1_a_run_that_waits_for_nothing_else_is_found_after_a_crash() {
    let (store, gate) = (memory(), Gate::new());
    let first = gate.engine(&store).await;
    first.start_workflow(CALL, 40).workflow_id("one").await.unwrap();
    gate.begins.notified().await;
    let report = verify(&*store).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.counts.local_activities, report.counts.runs_awaiting_clients), (1, 0));
    let mut exported = Vec::new();
    export(&*store, &mut exported).unwrap();
    let exported = String::from_utf8(exported).unwrap();
    assert!(exported.contains(r#""local_activities":[{"seq":1,"event_id":1,"#), "{exported}");
    drop(first);
    let second = gate.engine(&store).await;
    // Nobody asks for the run.
    gate.begins.notified().await;
    assert_eq!(gate.begun(), 2);
    gate.let_end();
    let run = second.workflow_handle(CALL, "one").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 40);
    assert_nothing_left(&*store);
    second.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lac_1_a_crash_begins_again_with_attempt_1_and_the_first_schedule_still_counts() {
    let store = memory();
    let engine = async |times: u32| {
        TestEngine::on_store(Arc::clone(&store))
            .workflow(CALL, async |ctx: WorkflowContext, number| {
                let call = ctx.local_activity(LOOK, number);
                call.schedule_to_close_timeout(Duration::from_secs(100)).await
            })
            .activity(LOOK, move |ctx: ActivityContext, _| {
                let attempt = ctx.attempt();
                let outcome = if attempt > times { Ok(u64::from(attempt)) } else { Err(flaky()) };
                std::future::ready(outcome)
            })
            .start()
            .await
            .unwrap()
    };
    let first = engine(99).await;
    first.start_workflow(CALL, 40).workflow_id("one").await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let run = first.workflow_handle(CALL, "one").await.unwrap();
    assert_eq!(run.describe().await.unwrap().pending_local_activities[0].attempt, 6);
    drop(first);
    let second = engine(2).await;
    let run = second.workflow_handle(CALL, "one").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 3);
    second.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lac_1_time_passes_for_the_whole_activity_while_no_engine_is_there() {
    let (store, gate) = (memory(), Gate::new());
    let set_up = |gate: &Gate| {
        let builder = gate.set_up(TestEngine::on_store(Arc::clone(&store)));
        builder.workflow(CALL, async |ctx: WorkflowContext, number| {
            let call = ctx.local_activity(LOOK, number);
            call.schedule_to_close_timeout(Duration::from_secs(100)).await
        })
    };
    let first = set_up(&gate).start().await.unwrap();
    first.start_workflow(CALL, 40).workflow_id("one").await.unwrap();
    gate.begins.notified().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    // The clock of the next engine goes on where the journal ends: so it has to be told.
    let ticking = first.start_workflow(CALL, 41).workflow_id("tick").await.unwrap();
    ticking.terminate("told").await.unwrap();
    drop(first);
    let second = set_up(&gate).start().await.unwrap();
    let run = second.workflow_handle(CALL, "one").await.unwrap();
    let begun = tokio::time::Instant::now();
    let error = run.result().await.unwrap_err();
    assert_eq!(error.failure().unwrap().timeout_type(), Some(TimeoutType::ScheduleToClose));
    assert_eq!(begun.elapsed().as_secs(), 40);
}

#[tokio::test(start_paused = true)]
async fn local_activity_one_success_one_fail_only_the_end_that_is_journaled_stays() {
    const OTHER: Activity<u64, u64> =
        Activity::new("other").start_to_close_timeout(Duration::from_secs(30));
    let (store, successes) = (memory(), Arc::new(AtomicU32::new(0)));
    let engine = async |fails: bool| {
        let successes = Arc::clone(&successes);
        TestEngine::on_store(Arc::clone(&store))
            .workflow(CALL, async |ctx: WorkflowContext, number| {
                let (one, other) =
                    join!(ctx.local_activity(LOOK, number), ctx.local_activity(OTHER, 2));
                Ok(one? + other?)
            })
            .activity(LOOK, move |_, number| {
                successes.fetch_add(1, Ordering::Relaxed);
                std::future::ready(Ok(number))
            })
            .activity(OTHER, move |ctx: ActivityContext, number| {
                let attempt = u64::from(ctx.attempt());
                std::future::ready(if fails { Err(flaky()) } else { Ok(number * attempt) })
            })
            .start()
            .await
            .unwrap()
    };
    let first = engine(true).await;
    let run = first.start_workflow(CALL, 40).workflow_id("one").await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let history = run.history().await.unwrap();
    use EventType as T;
    assert_eq!(event_types(&history), [T::WorkflowExecutionStarted, T::MarkerRecorded]);
    drop(first);
    let second = engine(false).await;
    let run = second.workflow_handle(CALL, "one").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 42);
    assert_eq!(successes.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn lac_3_a_long_back_off_waits_only_for_the_remainder_after_a_crash() {
    let store = memory();
    let engine = async || {
        TestEngine::on_store(Arc::clone(&store))
            .workflow(CALL, async |ctx: WorkflowContext, number| {
                ctx.local_activity(LOOK, number).await
            })
            .activity(LOOK, |ctx: ActivityContext, number| {
                let hour = Duration::from_secs(3_600);
                std::future::ready(match ctx.attempt() {
                    1 => Err(flaky().with_next_retry_delay(hour)),
                    attempt => Ok(number + u64::from(attempt)),
                })
            })
            .start()
            .await
            .unwrap()
    };
    let first = engine().await;
    let run = first.start_workflow(CALL, 40).workflow_id("one").await.unwrap();
    tokio::time::sleep(Duration::from_secs(2_000)).await;
    let pending = run.describe().await.unwrap().pending_local_activities.remove(0);
    assert_eq!((pending.attempt, pending.state), (2, PendingActivityState::Scheduled));
    let other = first.start_workflow(CALL, 40).workflow_id("tick").await.unwrap();
    other.terminate("tells the clock").await.unwrap();
    drop(first);
    let second = engine().await;
    let begun = tokio::time::Instant::now();
    let run = second.workflow_handle(CALL, "one").await.unwrap();
    let pending = run.describe().await.unwrap().pending_local_activities.remove(0);
    assert_eq!((pending.attempt, pending.state), (2, PendingActivityState::Scheduled));
    assert_eq!(pending.last_failure.unwrap().to_string(), "not now");
    assert_eq!(run.result().await.unwrap(), 42);
    assert_eq!(begun.elapsed().as_secs(), 1_600);
    assert_nothing_left(&*store);
    second.shutdown().await.unwrap();
}

#[test]
fn lac_1_retries_and_durable_back_offs_survive_a_crash_at_every_commit() {
    let set_up = |replay: bool| {
        move |engine: EngineBuilder| {
            engine
                .replay_every_event(replay)
                .workflow(CALL, async |ctx: WorkflowContext, number| {
                    let first = ctx.local_activity(LOOK, number).await?;
                    let calls = (0..3).map(|n| ctx.local_activity(LOOK, n));
                    let rest = try_join_all(calls).await?;
                    ctx.sleep(Duration::from_secs(60)).await;
                    Ok(first + rest.into_iter().sum::<u64>())
                })
                .activity(LOOK, |ctx: ActivityContext, number: u64| {
                    let failure = match (number, ctx.attempt()) {
                        (40, 1) => Some(flaky().with_next_retry_delay(Duration::from_secs(900))),
                        (1, 1 | 2) => Some(flaky()),
                        _ => None,
                    };
                    std::future::ready(failure.map_or(Ok(number), Err))
                })
        }
    };
    for replay in [true, false] {
        let report = CrashTest::new(set_up(replay), async |engine| {
            start(&engine, CALL, 40, "one").await?;
            Ok(())
        })
        .run()
        .unwrap_or_else(|failure| panic!("replay after every event {replay}: {failure}"));
        let endings: Vec<_> = report.outcomes.values().flatten().map(ending).collect();
        assert_eq!(endings, ["43"]);
    }
}

#[test]
fn lac_5_a_cancellation_survives_a_crash_at_every_commit() {
    let set_up = |engine: EngineBuilder| {
        engine
            .workflow(CALL, async |ctx: WorkflowContext, number| {
                let failure = ctx.local_activity(LOOK, number).await.unwrap_err();
                assert!(failure.is_canceled(), "{failure}");
                ctx.shield(ctx.local_activity(LOOK, 2)).await
            })
            .activity(LOOK, |ctx: ActivityContext, number| async move {
                if number == 40 {
                    ctx.cancelled().await;
                    return Err(Failure::canceled());
                }
                Ok(number)
            })
    };
    let report = CrashTest::new(set_up, async |engine| {
        let run = start(&engine, CALL, 40, "one").await?;
        run.cancel("enough").await?;
        Ok(())
    })
    .run()
    .unwrap();
    let endings: Vec<_> = report.outcomes.values().flatten().map(ending).collect();
    assert_eq!(endings, ["2"]);
}

#[tokio::test(start_paused = true)]
async fn a_killed_attempt_is_a_failed_one_and_a_killed_run_begins_again() {
    let (store, gate) = (memory(), Gate::new());
    let engine = gate.engine(&store).await;
    let run = engine.start_workflow(CALL, 40).await.unwrap();
    gate.begins.notified().await;
    let actor = || async { engine.run_actors().await.unwrap().remove(0).1 };
    actor().await.get_children().iter().for_each(ractor::ActorCell::kill);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let pending = run.describe().await.unwrap().pending_local_activities.remove(0);
    assert_eq!((pending.attempt, pending.state), (2, PendingActivityState::Scheduled));
    let text = "attempt lost: its actor was stopped while it ran";
    assert_eq!(pending.last_failure.unwrap().to_string(), text);
    gate.begins.notified().await;
    assert_eq!(gate.begun(), 2);
    actor().await.kill();
    gate.begins.notified().await;
    assert_eq!(gate.begun(), 3);
    let pending = run.describe().await.unwrap().pending_local_activities.remove(0);
    assert_eq!((pending.attempt, pending.state), (1, PendingActivityState::Started));
    gate.let_end();
    assert_eq!(run.result().await.unwrap(), 40);
    assert_nothing_left(&*store);
    engine.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn can_6_a_terminated_run_leaves_nothing_of_its_local_activities() {
    let (store, gate) = (memory(), Gate::new());
    let engine = gate.engine(&store).await;
    let run = engine.start_workflow(CALL, 40).await.unwrap();
    gate.begins.notified().await;
    run.terminate("enough").await.unwrap();
    run.result().await.unwrap_err();
    assert_nothing_left(&*store);
    engine.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn random_killings_change_no_outcome_and_no_marker_is_written_twice() {
    let mut refused = 0;
    for seed in 0..6 {
        let delay_max = Duration::from_millis(40);
        let disk = SimulatedDisk::new(SimulatedOptions { seed, delay_max, ..Default::default() });
        let witness = Witness::new();
        let store = witness.watch(disk.reopen()).unwrap();
        let engine = TestEngine::on_store(store.clone())
            .replay_every_event(seed.is_multiple_of(2))
            .workflow(CALL, async |ctx: WorkflowContext, number| {
                let calls = (0..number).map(|n| ctx.local_activity(LOOK, n));
                let first: u64 = try_join_all(calls).await?.into_iter().sum();
                Ok(first + ctx.local_activity(LOOK, number).await?)
            })
            .activity(LOOK, |ctx: ActivityContext, number| async move {
                tokio::time::sleep(Duration::from_millis(50 * number)).await;
                match (number, ctx.attempt()) {
                    (1 | 3, 1) => Err(flaky()),
                    (2, 1) => Err(flaky().with_next_retry_delay(Duration::from_secs(90))),
                    _ => Ok(number),
                }
            })
            .start()
            .await
            .unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for id in ["one", "two", "three"] {
            start(&engine, CALL, 4, id).await.unwrap();
        }
        for _ in 0..150 {
            let pause_ms = if random.random_ratio(1, 20) { 100_000 } else { 40 };
            tokio::time::sleep(Duration::from_millis(random.random_range(0..pause_ms))).await;
            let runs = engine.run_actors().await.unwrap();
            let Some((_, run)) = runs.choose(&mut random) else { continue };
            let mut children = run.get_children();
            children.sort_unstable_by_key(|child| child.get_id().pid());
            match children.choose(&mut random) {
                Some(child) if random.random() => child.kill(),
                _ => run.kill(),
            }
        }
        for id in ["one", "two", "three"] {
            let run = engine.workflow_handle(CALL, id).await.unwrap();
            assert_eq!(run.result().await.unwrap(), 10, "seed {seed}");
        }
        refused += engine.journal_stats().appends_refused;
        assert_eq!(check_store(&*store).unwrap().len(), 3);
        assert_eq!(witness.violations(), [], "seed {seed}");
        assert_nothing_left(&*store);
        engine.shutdown().await.unwrap();
    }
    // Otherwise nobody was killed while an append of theirs waited.
    assert!(refused > 0);
}
