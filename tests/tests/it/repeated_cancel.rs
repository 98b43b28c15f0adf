//! A request to cancel is taken up by one run of a chain at most, whoever was killed before the
//! client had its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entracte::model::RunId;
use entracte::prelude::*;
use entracte::store::Store;
use entracte::{EngineBuilder, EventAttributes as A};
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine, check_store};
use entracte_tests::rounds;
use tokio::time::sleep;

const HOUR: Duration = Duration::from_secs(3_600);

/// Fails when it is asked to cancel, and is tried again.
const UPSET: Workflow<(), ()> = Workflow::new("upset")
    .retry_policy(RetryPolicy::exponential(Duration::from_millis(1)).maximum_attempts(4));
/// Continues as new when it is asked to cancel.
const RESTLESS: Workflow<u32, ()> = Workflow::new("restless");
/// Fails at once, and after that when it is asked to cancel; sleeps for an hour in between.
const SLEEPY: Workflow<(), ()> =
    Workflow::new("sleepy").retry_policy(RetryPolicy::exponential(HOUR).maximum_attempts(4));
/// As the first one, if its code is not broken.
const BROKEN: Workflow<(), ()> = Workflow::new("broken")
    .retry_policy(RetryPolicy::exponential(Duration::from_millis(1)).maximum_attempts(4));
/// Asks another workflow to cancel.
const ASKING: Workflow<String, ()> = Workflow::new("asking");

async fn upset(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
    ctx.cancelled().await;
    Err(Failure::application("Upset", "it was cancelled"))
}

async fn restless(ctx: WorkflowContext, run: u32) -> WorkflowResult<()> {
    ctx.cancelled().await;
    ctx.continue_as_new(RESTLESS, run + 1).await
}

async fn sleepy(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
    if ctx.attempt() > 1 {
        ctx.cancelled().await;
    }
    Err(Failure::application("Tired", "not now"))
}

async fn asking(ctx: WorkflowContext, id: String) -> WorkflowResult<()> {
    ctx.external_workflow(id).cancel("enough").await
}

/// An engine with all of them.
struct Stage {
    disk: SimulatedDisk,
    store: Arc<dyn Store>,
    engine: Engine,
    is_broken: Arc<AtomicBool>,
}

impl Stage {
    async fn new(set_up: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Self {
        // No time passes while rounds do.
        let options = SimulatedOptions { delay_max: Duration::ZERO, ..Default::default() };
        let disk = SimulatedDisk::new(options);
        let is_broken = Arc::new(AtomicBool::new(false));
        let store: Arc<dyn Store> = disk.reopen();
        let builder = TestEngine::on_store(Arc::clone(&store))
            .workflow(UPSET, upset)
            .workflow(RESTLESS, restless)
            .workflow(SLEEPY, sleepy)
            .workflow(ASKING, asking)
            .workflow(BROKEN, {
                let is_broken = Arc::clone(&is_broken);
                move |ctx, ()| {
                    if is_broken.load(Ordering::Relaxed) {
                        // A panic of which the hook is not told, to keep the output short.
                        std::panic::resume_unwind(Box::new("broken"));
                    }
                    upset(ctx, ())
                }
            });
        let engine = set_up(builder).start().await.unwrap();
        Self { disk, store, engine, is_broken }
    }

    /// Asks a run to cancel, and kills all runs' actors when some rounds have passed.
    async fn cancel_and_kill<O>(&self, run: &WorkflowHandle<O>, moment: u32)
    where
        WorkflowHandle<O>: Clone + Send + 'static,
    {
        let cancelling = tokio::spawn({
            let run = run.clone();
            async move { run.cancel("enough").await }
        });
        self.kill_all(moment).await;
        cancelling.await.unwrap().unwrap();
    }

    async fn kill_all(&self, moment: u32) {
        let engine = self.engine.clone();
        // In a task of its own, whose turn comes between those of the actors.
        let killing = tokio::spawn(async move {
            rounds(u64::from(moment)).await;
            for (_, actor) in engine.run_actors().await.unwrap() {
                actor.kill();
            }
        });
        killing.await.unwrap();
    }

    /// How often each run of a chain was asked to cancel.
    fn requests(&self, first: RunId) -> Vec<usize> {
        let runs = check_store(&*self.store).unwrap();
        let (mut requests, mut next) = (Vec::new(), Some(first));
        while let Some(run) = next.and_then(|next| runs.iter().find(|run| run.run_id == next)) {
            let is_request = |event: &&entracte::Event| {
                matches!(event.attributes, A::WorkflowExecutionCancelRequested(_))
            };
            requests.push(run.history.iter().filter(is_request).count());
            next = run.row.new_execution_run_id();
        }
        requests
    }
}

/// How many rounds a request, its turn and its answer take, and some more.
const MOMENTS: u32 = 90;

#[tokio::test(start_paused = true)]
async fn can_1_a_request_whose_answer_is_lost_does_not_cancel_the_next_attempt() {
    let stage = Stage::new(|engine| engine).await;
    let run = stage.engine.start_workflow(UPSET, ()).await.unwrap();
    // The request is on its way to the disk when the run is killed, and the answer with it.
    stage.disk.hold();
    let happen = async {
        sleep(Duration::from_millis(50)).await;
        stage.kill_all(0).await;
        sleep(Duration::from_millis(50)).await;
        stage.disk.release();
    };
    let (cancelled, ()) = tokio::join!(run.cancel("enough"), happen);
    cancelled.unwrap();
    sleep(HOUR).await;
    assert_eq!(stage.requests(run.run_id()), [1, 0]);
    // A request of its own is another one.
    run.cancel("enough").await.unwrap();
    sleep(HOUR).await;
    assert_eq!(stage.requests(run.run_id()), [1, 1, 0]);
    // Of a run that is closed, it is a success that changes nothing.
    run.of_run(run.run_id()).cancel("enough").await.unwrap();
    sleep(HOUR).await;
    assert_eq!(stage.requests(run.run_id()), [1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn can_1_a_run_that_is_killed_at_any_moment_of_a_request_takes_it_up_once() {
    for moment in 0..MOMENTS {
        let stage = Stage::new(|engine| engine.replay_every_event(moment % 2 == 0)).await;
        let upset = stage.engine.start_workflow(UPSET, ()).await.unwrap();
        let restless = stage.engine.start_workflow(RESTLESS, 1).await.unwrap();
        tokio::join!(
            stage.cancel_and_kill(&upset, moment),
            stage.cancel_and_kill(&restless, moment)
        );
        sleep(HOUR).await;
        assert_eq!(stage.requests(upset.run_id()), [1, 0], "moment {moment}");
        assert_eq!(stage.requests(restless.run_id()), [1, 0], "moment {moment}");
    }
}

#[tokio::test(start_paused = true)]
async fn can_1_a_run_in_its_back_off_is_woken_once_by_a_request() {
    for moment in 0..MOMENTS {
        let stage = Stage::new(|engine| engine).await;
        let run = stage.engine.start_workflow(SLEEPY, ()).await.unwrap();
        sleep(Duration::from_secs(60)).await;
        stage.cancel_and_kill(&run, moment).await;
        sleep(Duration::from_secs(60)).await;
        // The second run was woken and asked, and the third one sleeps.
        assert_eq!(stage.requests(run.run_id()), [0, 1, 0], "moment {moment}");
        assert!(run.describe().await.unwrap().first_task_time.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn can_1_a_parked_run_keeps_one_request_and_takes_it_up_once() {
    for moment in 0..MOMENTS {
        let stage = Stage::new(|engine| engine).await;
        stage.is_broken.store(true, Ordering::Relaxed);
        let run = stage.engine.start_workflow(BROKEN, ()).await.unwrap();
        stage.cancel_and_kill(&run, moment).await;
        assert_eq!(stage.requests(run.run_id()), [0], "moment {moment}");
        stage.is_broken.store(false, Ordering::Relaxed);
        sleep(HOUR).await;
        assert_eq!(stage.requests(run.run_id()), [1, 0], "moment {moment}");
    }
}

#[tokio::test(start_paused = true)]
async fn can_1_a_request_that_moves_on_with_the_chain_is_taken_up_once() {
    for moment in 0..MOMENTS {
        let stage = Stage::new(|engine| engine).await;
        stage.is_broken.store(true, Ordering::Relaxed);
        let start = stage.engine.start_workflow(BROKEN, ());
        let run = start.run_timeout(Duration::from_secs(60)).await.unwrap();
        // It waits in the inbox of a run that ends without having taken it up, about now.
        sleep(Duration::from_millis(59_990 + u64::from(moment % 30))).await;
        stage.is_broken.store(false, Ordering::Relaxed);
        stage.cancel_and_kill(&run, moment).await;
        sleep(Duration::from_secs(30)).await;
        let requests = stage.requests(run.run_id());
        assert_eq!(requests.iter().sum::<usize>(), 1, "moment {moment}: {requests:?}");
        assert_eq!(requests.last(), Some(&0), "moment {moment}: {requests:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn can_8_another_workflows_request_is_taken_up_once_whoever_is_killed() {
    for moment in 0..2 * MOMENTS {
        let stage = Stage::new(|engine| engine.replay_every_event(moment % 2 == 0)).await;
        let start = stage.engine.start_workflow(UPSET, ());
        let run = start.workflow_id("upset").await.unwrap();
        let asking = stage.engine.start_workflow(ASKING, "upset".to_owned()).await.unwrap();
        stage.kill_all(moment).await;
        asking.result().await.unwrap();
        sleep(HOUR).await;
        assert_eq!(stage.requests(run.run_id()), [1, 0], "moment {moment}");
    }
}
