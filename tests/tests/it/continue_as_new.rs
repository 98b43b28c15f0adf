//! Continue-as-new: a workflow goes on in a new run, and nothing acknowledged is lost between
//! the two.

use std::future::IntoFuture;
use std::time::Duration;

use entracte::model::Payload;
use entracte::prelude::*;
use entracte::store::StoreExt;
use entracte::{EngineBuilder, EventAttributes as A};
use entracte_testing::crash::CrashTest;
use entracte_testing::{
    Outcome, SimulatedDisk, SimulatedOptions, StoredRun, TestEngine, check_store,
};

use crate::children::assert_nothing_under_way;

/// What a sum has come to, and how many runs there are still to be.
type Sum = (u64, u64);

const ADD: Signal<u64> = Signal::new("add");
const ROUNDS: Query<u64> = Query::new("rounds");
/// Adds up the signals that come in a run of a second, in so many runs.
const ADDER: Workflow<Sum, u64> = Workflow::new("adder");
/// Adds up so many signals, each in a run of its own.
const COLLECT: Workflow<Sum, u64> = Workflow::new("collect");
/// Counts down, a run for each number.
const COUNT: Workflow<u64, String> = Workflow::new("count");
/// Waits for its cancellation in its third run; the runs before are over at once.
const PATIENT: Workflow<u64, String> = Workflow::new("patient");
/// Fails in each second attempt of a run, and continues as new three times.
const UNEVEN: Workflow<u64, u64> = Workflow::new("uneven");
const STEP: Activity<u64, u64> =
    Activity::new("step").start_to_close_timeout(Duration::from_secs(60));

async fn adder(ctx: WorkflowContext, (mut sum, rounds): Sum) -> WorkflowResult<u64> {
    ctx.publish(ROUNDS, rounds);
    let mut numbers = ctx.signals(ADD);
    if rounds == 0 {
        while let Some(number) = numbers.try_recv() {
            sum += number;
        }
        return Ok(sum);
    }
    // Reads one signal at most, and leaves the others unread.
    select! {
        number = numbers.recv() => sum += number,
        () = ctx.sleep(Duration::from_secs(1)) => {}
    }
    ctx.continue_as_new(ADDER, (sum, rounds - 1)).await
}

async fn collect(ctx: WorkflowContext, (sum, left): Sum) -> WorkflowResult<u64> {
    let sum = sum + ctx.signals(ADD).recv().await;
    if left == 1 { Ok(sum) } else { ctx.continue_as_new(COLLECT, (sum, left - 1)).await }
}

async fn count(ctx: WorkflowContext, number: u64) -> WorkflowResult<String> {
    let number = ctx.activity(STEP, number).await?;
    if number == 0 {
        return Ok(format!("done in {}", ctx.workflow_id()));
    }
    ctx.continue_as_new(COUNT, number - 1).await
}

async fn patient(ctx: WorkflowContext, run: u64) -> WorkflowResult<String> {
    if run < 3 {
        return ctx.continue_as_new(PATIENT, run + 1).await;
    }
    ctx.cancelled().await;
    Ok(format!("asked to cancel: {}", ctx.cancel_reason().unwrap_or_default()))
}

async fn uneven(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    if ctx.attempt() == 1 {
        return Err(Failure::application("Uneven", "the first attempt"));
    }
    assert_eq!(ctx.last_failure().unwrap().to_string(), "the first attempt");
    if number == 0 { Ok(7) } else { ctx.continue_as_new(UNEVEN, number - 1).await }
}

fn workflows(engine: EngineBuilder) -> EngineBuilder {
    engine
        .workflow(ADDER, adder)
        .workflow(COLLECT, collect)
        .workflow(COUNT, count)
        .workflow(PATIENT, patient)
        .workflow(UNEVEN, uneven)
        .activity(STEP, async |_, number: u64| Ok(number))
}

async fn engine() -> (Engine, SimulatedDisk) {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    (workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap(), disk)
}

async fn stored(engine: Engine, disk: &SimulatedDisk) -> Vec<StoredRun> {
    engine.shutdown().await.unwrap();
    assert_nothing_under_way(disk);
    check_store(&*disk.reopen()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn cnt_1_and_wto_7_a_chain_is_one_workflow_for_its_client() {
    let (engine, disk) = engine().await;
    let start = engine.start_workflow(COUNT, 5).workflow_id("c").request_id("r");
    let run = start.await.unwrap();
    assert_eq!(run.result().await.unwrap(), "done in c");
    let own = run.run_result().await.unwrap_err();
    let WorkflowError::ContinuedAsNew { new_execution_run_id, .. } = own else { panic!("{own}") };
    let described = run.of_run(run.run_id()).describe().await.unwrap();
    assert_eq!(described.status, WorkflowStatus::ContinuedAsNew);
    assert_eq!(described.new_execution_run_id, Some(new_execution_run_id));
    let last = run.describe().await.unwrap();
    assert_eq!(last.status, WorkflowStatus::Completed);
    assert_eq!(last.first_execution_run_id, run.run_id());
    assert!(last.continued_execution_run_id.is_some());
    let again = engine.start_workflow(COUNT, 5).workflow_id("c").request_id("r").await.unwrap();
    assert_eq!(again.run_id(), run.run_id());
    let runs = stored(engine, &disk).await;
    assert_eq!(runs.len(), 6);
    let mut before = None;
    for _ in 0..6 {
        let is_next = |run: &&StoredRun| run.row.continued_execution_run_id == before;
        let run = runs.iter().find(is_next).unwrap();
        let A::WorkflowExecutionStarted(started) = &run.history[0].attributes else { panic!() };
        assert_eq!(started.continued_execution_run_id, before);
        before = Some(run.run_id);
    }
    assert_eq!(before, Some(last.run_id));
}

#[tokio::test(start_paused = true)]
async fn sig_8_signals_reach_the_chain_at_any_moment_and_unread_ones_move_along() {
    for pause in [0, 1, 7, 250] {
        let (engine, disk) = engine().await;
        let run = engine.start_workflow(ADDER, (0, 6)).workflow_id("a").await.unwrap();
        let mut sent = 0;
        for number in 1..=20 {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            match run.signal(ADD, number).await {
                Ok(()) => sent += number,
                Err(SignalError::AlreadyClosed { .. }) => break,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(sent > 0);
        assert_eq!(run.result().await.unwrap(), sent, "pause {pause}");
        assert_eq!(run.query(ROUNDS).await.unwrap(), 0);
        let runs = stored(engine, &disk).await;
        assert_eq!(runs.len(), 7);
    }
}

/// Many senders at once, while the runs follow each other as fast as they can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_signal_is_in_the_sum() {
    let (engine, disk) = engine().await;
    let run = engine.start_workflow(ADDER, (0, 60)).workflow_id("a").await.unwrap();
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..4 {
        let run = run.clone();
        senders.spawn(async move {
            let mut sent = 0;
            for number in 1..=20 {
                match run.signal(ADD, number + 100 * sender).await {
                    Ok(()) => sent += number + 100 * sender,
                    Err(SignalError::AlreadyClosed { .. }) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            sent
        });
    }
    let sent: u64 = senders.join_all().await.into_iter().sum();
    assert_eq!(run.result().await.unwrap(), sent);
    assert_eq!(stored(engine, &disk).await.len(), 61);
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_reaches_the_run_that_is_open() {
    let (engine, disk) = engine().await;
    let run = engine.start_workflow(PATIENT, 1).workflow_id("p").await.unwrap();
    // As soon as it has started: its first runs are on their way.
    run.cancel("enough").await.unwrap();
    let result = tokio::time::timeout(Duration::from_secs(5), run.result()).await;
    match result {
        Ok(result) => assert_eq!(result.unwrap(), "asked to cancel: enough"),
        // A run had seen the request, and went on without it (rule CNT-2).
        Err(_elapsed) => {
            let first = run.of_run(run.run_id()).history().await.unwrap();
            let is_request = |it: &A| matches!(it, A::WorkflowExecutionCancelRequested(_));
            assert!(first.iter().any(|event| is_request(&event.attributes)), "{first:#?}");
            run.cancel("enough").await.unwrap();
            assert_eq!(run.result().await.unwrap(), "asked to cancel: enough");
        }
    }
    assert_eq!(stored(engine, &disk).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn can_7_termination_reaches_the_run_that_is_open() {
    let (engine, disk) = engine().await;
    let run = engine.start_workflow(PATIENT, 1).workflow_id("p").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    run.terminate("enough").await.unwrap();
    let error = run.result().await.unwrap_err();
    assert!(matches!(error, WorkflowError::Terminated { .. }), "{error}");
    let error = run.terminate("again").await.unwrap_err();
    assert!(matches!(error, entracte::RunError::AlreadyClosed { .. }), "{error}");
    assert_eq!(stored(engine, &disk).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn cnt_2_the_deadline_is_the_chains_and_the_attempt_begins_anew() {
    let (engine, disk) = engine().await;
    let start = engine.start_workflow(UNEVEN, 2).workflow_id("u");
    let start = start.retry_policy(RetryPolicy::exponential(Duration::from_secs(1)));
    let run = start.execution_timeout(Duration::from_secs(60)).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 7);
    let start = engine.start_workflow(ADDER, (0, 1_000)).workflow_id("a");
    let begun = tokio::time::Instant::now();
    let run = start.execution_timeout(Duration::from_secs(10)).await.unwrap();
    assert!(matches!(run.result().await, Err(WorkflowError::TimedOut { .. })));
    assert_eq!(begun.elapsed().as_secs(), 10);
    let runs = stored(engine, &disk).await;
    let attempts: Vec<_> = runs.iter().filter(|run| run.row.workflow_id.as_str() == "u").collect();
    assert_eq!(attempts.len(), 6);
    assert!(attempts.iter().all(|run| run.row.attempt <= 2));
}

#[tokio::test(start_paused = true)]
async fn cnt_3_the_next_run_can_sleep_before_its_first_turn() {
    const LATER: Workflow<bool, ()> = Workflow::new("later");
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let engine = TestEngine::on_store(disk.reopen())
        .workflow(LATER, async |ctx: WorkflowContext, is_second: bool| {
            if is_second {
                return Ok(());
            }
            let next = ctx.continue_as_new(LATER, true);
            next.backoff_start_interval(Duration::from_secs(3_600)).await
        })
        .start()
        .await
        .unwrap();
    let begun = tokio::time::Instant::now();
    let run = engine.start_workflow(LATER, false).run_timeout(Duration::from_secs(60));
    run.await.unwrap().result().await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 3_600);
    assert_eq!(stored(engine, &disk).await.len(), 2);
}

/// What is pending in a run that continues as new ends with it.
#[tokio::test(start_paused = true)]
async fn what_is_pending_ends_with_its_run() {
    const BUSY: Workflow<bool, ()> = Workflow::new("busy");
    const HANG: Activity<(), ()> =
        Activity::new("hang").start_to_close_timeout(Duration::from_secs(60));
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let engine = TestEngine::on_store(disk.reopen())
        .workflow(BUSY, async |ctx: WorkflowContext, is_second: bool| {
            if is_second {
                return Ok(());
            }
            let hang = ctx.activity(HANG, ()).start();
            let local = ctx.local_activity(HANG, ());
            let nap = ctx.sleep(Duration::from_secs(1));
            select! {
                _ = hang => {}
                _ = local => {}
                () = nap => {}
            }
            std::mem::forget(ctx.sleep(Duration::from_secs(1_000)));
            ctx.continue_as_new(BUSY, true).await
        })
        .activity(HANG, async |ctx: ActivityContext, ()| {
            ctx.cancelled().await;
            Ok(())
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(BUSY, false).await.unwrap();
    run.result().await.unwrap();
    assert_eq!(stored(engine, &disk).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_chain_outlives_engines_and_killed_actors() {
    for moment in 0..40 {
        let (engine, disk) = engine().await;
        let run = engine.start_workflow(COUNT, 3).workflow_id("c").await.unwrap();
        for round in 0..moment {
            tokio::task::yield_now().await;
            if round % 9 == 0 {
                for (_, actor) in engine.run_actors().await.unwrap() {
                    actor.kill();
                }
            }
        }
        let result = tokio::time::timeout(Duration::from_secs(60), run.result()).await;
        assert_eq!(result.expect("the chain does not go on").unwrap(), "done in c", "{moment}");
        assert_eq!(stored(engine, &disk).await.len(), 4, "{moment}");
    }
}

#[test]
fn cnt_1_continuing_survives_a_crash_at_every_commit() {
    for replay in [true, false] {
        let set_up = |engine| workflows(engine).replay_every_event(replay);
        let report = CrashTest::new(set_up, async |engine: Engine| {
            let start = engine.start_workflow(UNEVEN, 1).workflow_id("u").request_id("u");
            let policy = RetryPolicy::exponential(Duration::from_secs(1));
            let uneven = start.retry_policy(policy).await?;
            let run = engine.start_workflow(COUNT, 2).workflow_id("c").request_id("c").await?;
            let _ = run.result().await;
            let _ = uneven.result().await;
            Ok(())
        });
        let report = report.run().unwrap_or_else(|failure| panic!("replay {replay}: {failure}"));
        println!("{} plays, {} faults", report.plays, report.faults);
        let runs: usize = report.outcomes.values().map(Vec::len).sum();
        assert_eq!(runs, 4 + 3);
    }
}

/// Unread signals, and those that come meanwhile, over crashes: each is counted once.
#[test]
fn sig_8_signals_that_move_along_survive_a_crash_at_every_commit() {
    for replay in [true, false] {
        let set_up = |engine| workflows(engine).replay_every_event(replay);
        let report = CrashTest::new(set_up, async |engine: Engine| {
            let start = engine.start_workflow(COLLECT, (0, 4)).workflow_id("c").request_id("c");
            // The same request gives the first run again: a signal that a run of the chain has
            // since is not taken a second time.
            let run = start.await?;
            let send = |number: u64| {
                run.signal(ADD, number).request_id(format!("n{number}")).into_future()
            };
            let _ = tokio::join!(send(1), send(2), send(3), send(4));
            let _ = run.result().await;
            Ok(())
        });
        let report = report.run().unwrap_or_else(|failure| panic!("replay {replay}: {failure}"));
        println!("{} plays, {} faults", report.plays, report.faults);
        let outcomes = report.outcomes.values().next().unwrap();
        let sum = Payload::encode(&10_u64).unwrap();
        let next = || Outcome::ContinuedAsNew;
        assert_eq!(*outcomes, [next(), next(), next(), Outcome::Completed(sum)]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_row_of_the_workflow_id_names_the_open_run() {
    let (engine, disk) = engine().await;
    let run = engine.start_workflow(PATIENT, 1).workflow_id("p").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let open = engine.workflow_handle(PATIENT, "p").await.unwrap();
    assert_ne!(open.run_id(), run.run_id());
    assert_eq!(open.run_id(), run.describe().await.unwrap().run_id);
    engine.shutdown().await.unwrap();
    let row = disk.reopen().get_workflow_id(open.workflow_id()).unwrap().unwrap();
    assert_eq!((row.run_id, row.first_execution_run_id), (open.run_id(), run.run_id()));
}
