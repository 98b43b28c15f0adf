//! What happens between two runs of a chain: what a closed run has had is not given to the next
//! one again, what is on its way finds the run that goes on, and a chain of short runs is ended
//! like any other.

use std::future::IntoFuture;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entracte::prelude::*;
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine};
use tokio::time::{sleep, timeout};

const NUMBER: Signal<u64> = Signal::new("number");
/// Tells itself a number, reads it, and continues as new with it in the same turn.
const SELFISH: Workflow<u64, Vec<u64>> = Workflow::new("selfish");
/// Continues as new with the first number that it is told.
const ENTITY: Workflow<u64, Vec<u64>> = Workflow::new("entity");
/// Tells an entity a number, and never learns that it has arrived.
const SENDER: Workflow<String, u64> = Workflow::new("sender");
/// Is over in its second run.
const CHILD: Workflow<u64, u64> = Workflow::new("child");
const PARENT: Workflow<u64, u64> = Workflow::new("parent");
/// Continues as new with each number that it is told.
const ROUND: Workflow<u64, u64> = Workflow::new("round");
const ROUND_NOW: Query<u64> = Query::new("round");
/// Starts children of the same ids in each of its runs.
const NAMED: Workflow<u64, u64> = Workflow::new("named");
const SLEEPER: Workflow<(), ()> = Workflow::new("sleeper");
/// Continues as new in each first turn, for ever.
const SPIN: Workflow<u64, u64> = Workflow::new("spin");
/// Reads one number in each run, until it is 0.
const ONE: Workflow<u64, u64> = Workflow::new("one");

/// All numbers that a run is told until a while has passed without one.
async fn numbers(ctx: &WorkflowContext, mut numbers: Vec<u64>) -> Vec<u64> {
    let mut signals = ctx.signals(NUMBER);
    loop {
        select! {
            number = signals.recv() => numbers.push(number),
            () = ctx.sleep(Duration::from_secs(1000)) => return numbers,
        }
    }
}

async fn selfish(ctx: WorkflowContext, number: u64) -> WorkflowResult<Vec<u64>> {
    if number > 0 {
        return Ok(numbers(&ctx, vec![number]).await);
    }
    let mut signals = ctx.signals(NUMBER);
    let me = ctx.external_workflow(ctx.workflow_id().to_string());
    let mut sending = pin!(me.signal(NUMBER, 7).into_future());
    let number = select! {
        number = signals.recv() => number,
        _sent = &mut sending => 1,
    };
    ctx.continue_as_new(SELFISH, number).await
}

async fn entity(ctx: WorkflowContext, number: u64) -> WorkflowResult<Vec<u64>> {
    if number > 0 {
        return Ok(numbers(&ctx, vec![number]).await);
    }
    let number = ctx.signals(NUMBER).recv().await;
    ctx.continue_as_new(ENTITY, number).await
}

async fn spin(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    ctx.continue_as_new(SPIN, number + 1).await
}

async fn one(ctx: WorkflowContext, run: u64) -> WorkflowResult<u64> {
    if run == 0 {
        ctx.sleep(Duration::from_secs(2)).await;
    }
    match ctx.signals(NUMBER).recv().await {
        0 => Ok(run),
        _ => ctx.continue_as_new(ONE, run + 1).await,
    }
}

async fn round(ctx: WorkflowContext, round: u64) -> WorkflowResult<u64> {
    ctx.publish(ROUND_NOW, round);
    ctx.signals(NUMBER).recv().await;
    ctx.continue_as_new(ROUND, round + 1).await
}

/// Waits for a future; after the first turn a workflow that does so is broken, as long as it is
/// said to be.
async fn wait<F: Future>(mut waiting: Pin<&mut F>, is_broken: &AtomicBool) -> F::Output {
    let mut turns = 0;
    std::future::poll_fn(|cx| {
        turns += 1;
        if turns > 1 && is_broken.load(Ordering::Relaxed) {
            std::panic::resume_unwind(Box::new("broken"));
        }
        waiting.as_mut().poll(cx)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn sig_3_a_signal_to_itself_is_not_read_again_by_the_next_run() {
    let engine = TestEngine::builder().workflow(SELFISH, selfish).start().await.unwrap();
    let run = engine.start_workflow(SELFISH, 0).workflow_id("s").await.unwrap();
    assert_eq!(run.result().await.unwrap(), [7]);
}

#[tokio::test(start_paused = true)]
async fn sig_3_what_a_closed_sender_leaves_behind_is_not_read_again_by_the_next_run() {
    let engine = TestEngine::builder()
        .workflow(ENTITY, entity)
        .workflow(SENDER, async |ctx: WorkflowContext, to: String| {
            let other = ctx.external_workflow(to);
            let sending = pin!(other.signal(NUMBER, 7).into_future());
            wait(sending, &AtomicBool::new(true)).await?;
            Ok(1)
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(ENTITY, 0).workflow_id("e").await.unwrap();
    let sender = engine.start_workflow(SENDER, "e".to_owned()).await.unwrap();
    // The entity has gone on, and its sender cannot take the turn that says so.
    assert!(run.run_result().await.is_err());
    while sender.describe().await.unwrap().parked.is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    sender.terminate("enough").await.unwrap();
    assert_eq!(run.result().await.unwrap(), [7]);
}

/// The start of a child is told by its first run and its end by its last one, both in the same
/// millisecond: the rows of what was told have no order of their own.
#[tokio::test(start_paused = true)]
async fn chd_9_a_parent_that_comes_back_hears_of_a_childs_start_before_its_end() {
    let options = SimulatedOptions { delay_max: Duration::ZERO, ..SimulatedOptions::default() };
    let disk = SimulatedDisk::new(options);
    let is_broken = Arc::new(AtomicBool::new(true));
    let build = || {
        let is_broken = Arc::clone(&is_broken);
        TestEngine::on_store(disk.reopen())
            .workflow(PARENT, move |ctx: WorkflowContext, children: u64| {
                let is_broken = Arc::clone(&is_broken);
                async move {
                    let calls = (0..children).map(|_| ctx.child(CHILD, 0).into_future());
                    let results = wait(pin!(join_all(calls)), &is_broken).await;
                    results.into_iter().sum()
                }
            })
            .workflow(CHILD, async |ctx: WorkflowContext, run: u64| match run {
                0 => ctx.continue_as_new(CHILD, 1).await,
                _ => Ok(run),
            })
    };
    let engine = build().start().await.unwrap();
    engine.start_workflow(PARENT, 20).workflow_id("p").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    engine.shutdown().await.unwrap();
    is_broken.store(false, Ordering::Relaxed);
    let engine = build().start().await.unwrap();
    let run = engine.workflow_handle(PARENT, "p").await.unwrap();
    let result = timeout(Duration::from_secs(100_000), run.result()).await;
    assert_eq!(result.expect("the parent hears of all of its children").unwrap(), 20);
}

#[tokio::test(start_paused = true)]
async fn can_6_a_chain_of_runs_that_are_over_at_once_is_terminated_and_replaced() {
    let engine = TestEngine::builder().workflow(SPIN, spin).start().await.unwrap();
    let run = engine.start_workflow(SPIN, 0).workflow_id("spin").await.unwrap();
    sleep(Duration::from_millis(500)).await;
    timeout(Duration::from_secs(1), run.cancel("enough")).await.unwrap().unwrap();
    // It takes no notice of that, and the chain is not faster for it.
    sleep(Duration::from_millis(500)).await;
    let next = engine
        .start_workflow(SPIN, 0)
        .workflow_id("spin")
        .id_conflict_policy(WorkflowIdConflictPolicy::TerminateExisting);
    let next = timeout(Duration::from_secs(1), next.into_future()).await.unwrap().unwrap();
    assert!(matches!(run.result().await, Err(WorkflowError::Terminated { .. })));
    sleep(Duration::from_millis(500)).await;
    timeout(Duration::from_secs(1), next.terminate("enough")).await.unwrap().unwrap();
    assert!(matches!(next.result().await, Err(WorkflowError::Terminated { .. })));
}

#[tokio::test(start_paused = true)]
async fn wto_1_a_chain_of_runs_that_are_over_at_once_ends_with_its_time() {
    let engine = TestEngine::builder().workflow(SPIN, spin).start().await.unwrap();
    let run = engine.start_workflow(SPIN, 0).execution_timeout(Duration::from_secs(1));
    let run = run.await.unwrap();
    let result = timeout(Duration::from_secs(2), run.result()).await.expect("its time is over");
    assert!(matches!(result, Err(WorkflowError::TimedOut { .. })));
}

#[tokio::test(start_paused = true)]
async fn chd_7_a_chain_of_runs_that_are_over_at_once_falls_with_its_parent() {
    let engine = TestEngine::builder()
        .workflow(SPIN, spin)
        .workflow(PARENT, async |ctx: WorkflowContext, number: u64| {
            let child = ctx.child(SPIN, 0).workflow_id("spin").start().await?;
            ctx.sleep(Duration::from_secs(1)).await;
            drop(child);
            Ok(number)
        })
        .start()
        .await
        .unwrap();
    let parent = engine.start_workflow(PARENT, 1).await.unwrap();
    parent.result().await.unwrap();
    let child = engine.workflow_handle(SPIN, "spin").await.unwrap();
    let result = timeout(Duration::from_secs(2), child.result()).await.expect("it falls");
    assert!(matches!(result, Err(WorkflowError::Terminated { .. })));
}

/// Terminated in the middle of its chain, on a clock that does not wait for anybody.
#[tokio::test(flavor = "multi_thread")]
async fn can_6_a_workflow_that_reads_one_signal_in_each_run_is_terminated_at_once() {
    let engine = Engine::in_memory().workflow(ONE, one).start().await.unwrap();
    let run = engine.start_workflow(ONE, 0).await.unwrap();
    for number in (0..600).rev() {
        run.signal(NUMBER, number).await.unwrap();
    }
    assert!(run.run_result().await.is_err());
    timeout(Duration::from_secs(4), run.terminate("enough")).await.unwrap().unwrap();
    assert!(matches!(run.result().await, Err(WorkflowError::Terminated { .. })));
}

/// The same without an end: all signals are read, each by one run.
#[tokio::test(start_paused = true)]
async fn cnt_3_a_chain_that_reads_one_signal_in_each_run_reads_them_all() {
    let engine = TestEngine::builder().workflow(ONE, one).start().await.unwrap();
    let run = engine.start_workflow(ONE, 0).await.unwrap();
    for number in (0..50).rev() {
        run.signal(NUMBER, number).await.unwrap();
    }
    assert_eq!(run.result().await.unwrap(), 49);
}

/// A query reaches the next run before that has begun, on a clock that waits for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn qry_2_a_query_behind_a_signal_sees_what_the_next_run_publishes() {
    let engine = Engine::in_memory().workflow(ROUND, round).start().await.unwrap();
    let run = engine.start_workflow(ROUND, 0).await.unwrap();
    for round in 1..=200 {
        run.signal(NUMBER, 1).await.unwrap();
        assert_eq!(run.query(ROUND_NOW).await.unwrap(), round);
    }
}

/// The children of a run fall with it, and are told after its close: the next run does not wait
/// for that.
#[tokio::test(flavor = "multi_thread")]
async fn chd_7_the_next_run_starts_children_under_the_ids_of_those_that_fall() {
    let engine = Engine::in_memory()
        .workflow(NAMED, async |ctx: WorkflowContext, round: u64| {
            let starts = (0..20).map(|number| {
                ctx.child(SLEEPER, ()).workflow_id(format!("child-{number}")).start().into_future()
            });
            for started in join_all(starts).await {
                started?;
            }
            match round {
                20 => Ok(round),
                _ => ctx.continue_as_new(NAMED, round + 1).await,
            }
        })
        .workflow(SLEEPER, async |ctx: WorkflowContext, (): ()| {
            ctx.sleep(Duration::from_secs(1000)).await;
            Ok(())
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(NAMED, 0).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 20);
}
