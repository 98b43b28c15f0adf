//! A signal that is sent through a handle is taken up by one run of a chain, whoever was killed
//! before the client had its answer.

use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::Store;
use entracte::{EventAttributes as A, RunId};
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine, check_store};
use entracte_tests::rounds;
use tokio::time::sleep;

/// Goes on as a new run for each signal; the input is how many it has read.
const READER: Workflow<u32, ()> = Workflow::new("reader");
const TEXT: Signal<String> = Signal::new("text");

struct Stage {
    disk: SimulatedDisk,
    store: Arc<dyn Store>,
    engine: Engine,
}

impl Stage {
    async fn new(replay_every_event: bool) -> Self {
        // No time passes while rounds do.
        let options = SimulatedOptions { delay_max: Duration::ZERO, ..Default::default() };
        let disk = SimulatedDisk::new(options);
        let store: Arc<dyn Store> = disk.reopen();
        let engine = TestEngine::on_store(Arc::clone(&store))
            .replay_every_event(replay_every_event)
            .workflow(READER, async |ctx: WorkflowContext, read: u32| {
                ctx.signals(TEXT).recv().await;
                ctx.continue_as_new(READER, read + 1).await
            })
            .start()
            .await
            .unwrap();
        Self { disk, store, engine }
    }

    /// Kills the actors of all runs when some rounds have passed.
    async fn kill_all(&self, moment: u64) {
        let engine = self.engine.clone();
        // In a task of its own, whose turn comes between those of the actors.
        let killing = tokio::spawn(async move {
            rounds(moment).await;
            for (_, actor) in engine.run_actors().await.unwrap() {
                actor.kill();
            }
        });
        killing.await.unwrap();
    }

    /// How many signals each run of a chain has taken up.
    fn signals(&self, first: RunId) -> Vec<usize> {
        let runs = check_store(&*self.store).unwrap();
        let (mut signals, mut next) = (Vec::new(), Some(first));
        while let Some(run) = next.and_then(|next| runs.iter().find(|run| run.run_id == next)) {
            let is_signal = |event: &&entracte::Event| {
                matches!(event.attributes, A::WorkflowExecutionSignaled(_))
            };
            signals.push(run.history.iter().filter(is_signal).count());
            next = run.row.new_execution_run_id();
        }
        signals
    }
}

#[tokio::test(start_paused = true)]
async fn sig_3_a_signal_whose_answer_is_lost_is_not_taken_by_the_next_run() {
    let stage = Stage::new(true).await;
    let run = stage.engine.start_workflow(READER, 0).await.unwrap();
    // The signal is on its way to the disk when the run is killed, and the answer with it.
    stage.disk.hold();
    let happen = async {
        sleep(Duration::from_millis(50)).await;
        stage.kill_all(0).await;
        sleep(Duration::from_millis(50)).await;
        stage.disk.release();
    };
    let (sent, ()) = tokio::join!(run.signal(TEXT, "hello".to_owned()).into_future(), happen);
    sent.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.signals(run.run_id()), [1, 0]);
    // A signal of its own is another one.
    run.signal(TEXT, "hello".to_owned()).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.signals(run.run_id()), [1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn sig_3_a_chain_that_is_killed_at_any_moment_takes_a_signal_once() {
    // How many rounds a signal, its turn and its answer take, and some more.
    for moment in 0..90 {
        let stage = Stage::new(moment % 2 == 0).await;
        let run = stage.engine.start_workflow(READER, 0).await.unwrap();
        let sending = tokio::spawn({
            let run = run.clone();
            async move { run.signal(TEXT, "hello".to_owned()).await }
        });
        stage.kill_all(moment).await;
        sending.await.unwrap().unwrap();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(stage.signals(run.run_id()), [1, 0], "moment {moment}");
    }
}
