//! Workflows that are asked to cancel, and an engine with all of them.

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

pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// Fails when it is asked to cancel, and is tried again.
pub(super) const UPSET: Workflow<(), ()> = Workflow::new("upset")
    .retry_policy(RetryPolicy::exponential(Duration::from_millis(1)).maximum_attempts(4));
/// Continues as new when it is asked to cancel.
pub(super) const RESTLESS: Workflow<u32, ()> = Workflow::new("restless");
/// Fails at once, and after that when it is asked to cancel; sleeps for an hour in between.
pub(super) const SLEEPY: Workflow<(), ()> =
    Workflow::new("sleepy").retry_policy(RetryPolicy::exponential(HOUR).maximum_attempts(4));
/// As the first one, if its code is not broken.
pub(super) const BROKEN: Workflow<(), ()> = Workflow::new("broken")
    .retry_policy(RetryPolicy::exponential(Duration::from_millis(1)).maximum_attempts(4));
/// Cleans up for ten seconds when it is asked to cancel, and fails then, if its code is not broken.
pub(super) const CLEANING: Workflow<(), ()> = Workflow::new("cleaning")
    .retry_policy(RetryPolicy::exponential(Duration::from_millis(1)).maximum_attempts(4))
    .run_timeout(Duration::from_secs(60));
/// Asks another workflow to cancel.
pub(super) const ASKING: Workflow<String, ()> = Workflow::new("asking");

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

/// Code that is broken for a while.
#[derive(Clone, Default)]
pub(super) struct Code {
    is_broken: Arc<AtomicBool>,
}

impl Code {
    pub(super) fn set_broken(&self, is_broken: bool) {
        self.is_broken.store(is_broken, Ordering::Relaxed);
    }

    pub(super) fn run(&self) {
        if self.is_broken.load(Ordering::Relaxed) {
            // A panic of which the hook is not told, to keep the output short.
            std::panic::resume_unwind(Box::new("broken"));
        }
    }
}

async fn cleaning(ctx: WorkflowContext, code: Code) -> WorkflowResult<()> {
    ctx.cancelled().await;
    code.run();
    ctx.shield(ctx.sleep(Duration::from_secs(10))).await;
    code.run();
    Err(Failure::application("Upset", "it was cancelled"))
}

/// An engine with all of them.
pub(super) struct Stage {
    pub(super) disk: SimulatedDisk,
    pub(super) store: Arc<dyn Store>,
    pub(super) engine: Engine,
    pub(super) code: Code,
}

impl Stage {
    pub(super) async fn new(set_up: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Self {
        // No time passes while rounds do.
        let options = SimulatedOptions { delay_max: Duration::ZERO, ..Default::default() };
        Self::on(SimulatedDisk::new(options), set_up).await
    }

    /// The next engine on the same disk.
    pub(super) async fn restart(self) -> Self {
        let Self { disk, engine, .. } = self;
        // Of one that has failed already, there is nothing to wait for.
        let _ = engine.shutdown().await;
        drop(engine);
        Self::on(disk, |engine| engine).await
    }

    async fn on(disk: SimulatedDisk, set_up: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Self {
        let code = Code::default();
        let store: Arc<dyn Store> = disk.reopen();
        let builder = TestEngine::on_store(Arc::clone(&store))
            .workflow(UPSET, upset)
            .workflow(RESTLESS, restless)
            .workflow(SLEEPY, sleepy)
            .workflow(ASKING, asking)
            .workflow(CLEANING, {
                let code = code.clone();
                move |ctx, ()| cleaning(ctx, code.clone())
            })
            .workflow(BROKEN, {
                let code = code.clone();
                move |ctx, ()| {
                    code.run();
                    upset(ctx, ())
                }
            });
        let engine = set_up(builder).start().await.unwrap();
        Self { disk, store, engine, code }
    }

    /// Asks a run to cancel, and kills all runs' actors when some rounds have passed.
    pub(super) async fn cancel_and_kill<O>(&self, run: &WorkflowHandle<O>, moment: u32)
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

    pub(super) async fn kill_all(&self, moment: u32) {
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

    /// Starts a run, asks it to cancel, and breaks its code: it is parked while it cleans up.
    pub(super) async fn park_cleaning(&self) -> WorkflowHandle<()> {
        let start = self.engine.start_workflow(CLEANING, ());
        let run = start.workflow_id("cleaning").await.unwrap();
        sleep(Duration::from_millis(10)).await;
        run.cancel("enough").await.unwrap();
        self.park_asked(&run).await;
        run
    }

    pub(super) async fn park_asked(&self, run: &WorkflowHandle<()>) {
        self.code.set_broken(true);
        sleep(Duration::from_secs(20)).await;
        assert!(run.describe().await.unwrap().parked.is_some());
        assert_eq!(self.requests(run.run_id()), [1]);
    }

    /// Lets the time of a parked run go by, and gives the code back to the run behind it.
    pub(super) async fn time_out(&self, run: &WorkflowHandle<()>) {
        sleep(Duration::from_secs(37)).await;
        assert!(run.describe().await.unwrap().parked.is_some());
        sleep(Duration::from_secs(3)).await;
        self.code.set_broken(false);
        sleep(Duration::from_secs(20)).await;
    }

    /// How often each run of a chain was asked to cancel.
    pub(super) fn requests(&self, first: RunId) -> Vec<usize> {
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
