//! Plays a scenario on an engine, with its faults, and reads how it ended.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use entracte::model::RunId;
use entracte::prelude::*;
use entracte::store::{Store, StoreExt};
use entracte::{RunError, Timestamp};
use entracte_testing::crash::one_life;
use entracte_testing::{
    SimulatedDisk, SimulatedOptions, TEST_EPOCH, TestEngine, Witness, check_store,
};
use tokio::time::Instant;

use super::check;
use super::model::Ending;
use super::node::{self, GO, Mended, NODE};
use super::scenario::{Action, BY_HAND, FaultKind, PARTS, Scenario, TICK_MINUTES};

/// What came of a play, and what was done to the machine.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) ending: Ending,
    /// The ending when another engine has been at it.
    pub(super) afterwards: Ending,
    pub(super) crashes: u32,
    pub(super) failures: u32,
    pub(super) kills: u32,
}

/// Plays a scenario to its end.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn play(scenario: &Arc<Scenario>) -> Result<Played, String> {
    let options = SimulatedOptions {
        seed: scenario.machine.seed,
        delay_max: Duration::from_millis(scenario.machine.commit_ms),
        ..SimulatedOptions::default()
    };
    let play = Play {
        scenario: Arc::clone(scenario),
        disk: SimulatedDisk::new(options),
        witness: Witness::new(),
        mended: Mended::default(),
        at: Cell::new((0, 0)),
        targets: RefCell::default(),
        strikes: RefCell::default(),
        fails_at: Cell::default(),
        counts: Cell::new((0, 0, 0)),
    };
    play.plan_strikes(0);
    loop {
        play.plan_next();
        let life = one_life(&play.disk, async |store| play.live(store).await);
        let (crashes, failures, kills) = play.counts.get();
        match life.map_err(|error| error.to_string())? {
            None => play.counts.set((crashes + 1, failures, kills)),
            Some(Ok(End::Struck)) => play.counts.set((crashes, failures + 1, kills)),
            Some(Ok(End::Finished)) => break,
            Some(Err(problem)) => return Err(problem),
        }
    }
    let (ending, afterwards) = play.look_back()?;
    let (crashes, failures, kills) = play.counts.get();
    Ok(Played { ending, afterwards, crashes, failures, kills })
}

enum End {
    Finished,
    /// A commit failed.
    Struck,
}

pub(super) struct Play {
    pub(super) scenario: Arc<Scenario>,
    pub(super) disk: SimulatedDisk,
    witness: Witness,
    mended: Mended,
    /// The step and its part that run.
    at: Cell<(usize, usize)>,
    /// The runs at which the actions of the steps are aimed.
    pub(super) targets: RefCell<BTreeMap<usize, Option<RunId>>>,
    /// The crashes and failures that are still to come in this step.
    pub(super) strikes: RefCell<VecDeque<FaultKind>>,
    /// Which commit is to fail, if one is.
    pub(super) fails_at: Cell<Option<u64>>,
    pub(super) counts: Cell<(u32, u32, u32)>,
}

/// When a part of a step begins.
fn beginning(step: usize, part: usize) -> Duration {
    let minutes = [0, 50, 110, 240][part];
    Duration::from_secs(60 * (240 * step as u64 + minutes))
}

impl Play {
    /// One engine, from where the one before it has ended.
    async fn live(&self, store: Arc<dyn Store>) -> Result<End, String> {
        let runs = check_store(&*store).map_err(|error| error.to_string())?;
        let (step, part) = self.at.get();
        let begun = TEST_EPOCH.saturating_add(beginning(step, part));
        let stored = store.clock().map_err(|error| error.to_string())?;
        let up = stored.map_or(begun, |stored: Timestamp| stored.max(begun));
        drop(runs);
        let store = self.witness.watch(store).map_err(|error| error.to_string())?;
        self.check_witness()?;
        let engine = match self.builder(Arc::clone(&store) as _, up).start().await {
            Ok(engine) => engine,
            Err(_) if self.is_struck() => return Ok(End::Struck),
            Err(error) => return Err(format!("the engine does not start: {error}")),
        };
        let life = Life { engine, store, up, origin: Instant::now() };
        self.go_on(&life).await
    }

    fn builder(&self, store: Arc<dyn Store>, up: Timestamp) -> entracte::EngineBuilder {
        let machine = &self.scenario.machine;
        let engine = TestEngine::on_store(store)
            .virtual_time(up)
            .replay_every_event(machine.replay_every_event)
            .commit_appends_max(if machine.one_append_per_commit { 1 } else { 4_096 });
        node::register(engine, &self.scenario, &self.mended)
    }

    /// Goes through the parts of the steps that are left.
    async fn go_on(&self, life: &Life) -> Result<End, String> {
        while self.at.get().0 < self.scenario.actions.len() {
            let (step, part) = self.at.get();
            let acting = async { if part == 0 { self.act(life, step).await } else { Ok(()) } };
            let (acted, ()) = tokio::join!(acting, self.kill(life, step, part));
            life.sleep_until(beginning(step, part + 1)).await;
            if self.is_struck() {
                return Ok(End::Struck);
            }
            acted.map_err(|error| format!("the action of step {step} failed: {error}"))?;
            if part + 1 < PARTS {
                self.at.set((step, part + 1));
            } else {
                self.check_at_rest(life).await.map_err(|error| format!("step {step}: {error}"))?;
                self.at.set((step + 1, 0));
                self.plan_strikes(step + 1);
                self.plan_next();
            }
        }
        let engine = &life.engine;
        engine
            .shutdown()
            .await
            .map_err(|error| format!("the engine does not shut down: {error}"))?;
        Ok(End::Finished)
    }

    async fn check_at_rest(&self, life: &Life) -> Result<(), String> {
        check::at_rest(&life.engine, &*life.store, &self.scenario).await?;
        self.check_witness()
    }

    fn check_witness(&self) -> Result<(), String> {
        self.witness.violations().first().map_or(Ok(()), |violation| Err(violation.to_string()))
    }

    /// Does what is done from outside; again after a crash, with the same aim.
    async fn act(&self, life: &Life, step: usize) -> Result<(), String> {
        let action = &self.scenario.actions[step];
        let (Action::Signal(id) | Action::Cancel(id) | Action::Terminate(id)) = action else {
            return self.start_or_mend(life, step, action).await;
        };
        let Some(target) = self.target(life, step, id)? else { return Ok(()) };
        let run = life.engine.workflow_handle(NODE, id).await.map_err(|error| error.to_string())?;
        if run.run_id() != target {
            // It has closed since, and another run has its id.
            return Ok(());
        }
        match action {
            Action::Signal(_) => {
                match run.signal(GO, ()).request_id(format!("signal-{step}")).await {
                    Ok(()) | Err(entracte::SignalError::AlreadyClosed { .. }) => Ok(()),
                    Err(error) => Err(error.to_string()),
                }
            }
            Action::Cancel(_) => run.cancel("enough").await.map_err(|error| error.to_string()),
            _ => match run.terminate(BY_HAND).await {
                Ok(()) | Err(RunError::AlreadyClosed { .. }) => Ok(()),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    /// The open run of a workflow id when the step's action was done for the first time.
    fn target(&self, life: &Life, step: usize, id: &str) -> Result<Option<RunId>, String> {
        if let Some(target) = self.targets.borrow().get(&step) {
            return Ok(*target);
        }
        let id = WorkflowId::new(id).map_err(|error| error.to_string())?;
        let row = life.store.get_workflow_id(&id).map_err(|error| error.to_string())?;
        let target = row.filter(|row| row.status.is_open()).map(|row| row.run_id);
        self.targets.borrow_mut().insert(step, target);
        Ok(target)
    }

    async fn start_or_mend(&self, life: &Life, step: usize, action: &Action) -> Result<(), String> {
        match action {
            Action::Start(node) => {
                let request_id = format!("start-{step}");
                let runs =
                    life.store.list_runs(None, usize::MAX).map_err(|error| error.to_string())?;
                if runs.iter().any(|(_, row)| *row.request_id == *request_id) {
                    return Ok(());
                }
                let id = &self.scenario.nodes[*node].workflow_id;
                let start = life.engine.start_workflow(NODE, (*node, 1)).workflow_id(id);
                match start.request_id(request_id).await {
                    Ok(_) | Err(entracte::StartWorkflowError::AlreadyStarted { .. }) => Ok(()),
                    Err(error) => Err(error.to_string()),
                }
            }
            Action::Mend(node) => {
                self.mended.lock().unwrap().push(*node);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Reads the ending, opens what is left once more, and reads it again.
    fn look_back(&self) -> Result<(Ending, Ending), String> {
        self.disk.clear_faults();
        let (step, _) = self.at.get();
        let up = TEST_EPOCH.saturating_add(beginning(step, 0));
        let looked = one_life(&self.disk, async |store| {
            check_store(&*store).map_err(|error| error.to_string())?;
            let before = check::ending(&*store, &self.scenario)?;
            let store = self.witness.watch(store).map_err(|error| error.to_string())?;
            let engine = self.builder(Arc::clone(&store) as _, up).start().await;
            let engine = engine.map_err(|error| error.to_string())?;
            // Not up to the next tick.
            tokio::time::sleep(Duration::from_secs(30 * TICK_MINUTES)).await;
            check::at_rest(&engine, &*store, &self.scenario).await?;
            engine.shutdown().await.map_err(|error| error.to_string())?;
            self.check_witness()?;
            Ok::<_, String>(before)
        });
        let looked = looked.map_err(|error| error.to_string())?;
        let before = looked.ok_or("the machine died without a reason")??;
        let after = check::ending(&*self.disk.reopen(), &self.scenario)?;
        Ok((before, after))
    }
}

pub(super) struct Life {
    pub(super) engine: Engine,
    store: Arc<entracte_testing::WitnessStore>,
    up: Timestamp,
    origin: Instant,
}

impl Life {
    /// Sleeps until so long after the beginning of everything.
    pub(super) async fn sleep_until(&self, after: Duration) {
        let deadline = TEST_EPOCH.saturating_add(after);
        tokio::time::sleep_until(self.origin + deadline.saturating_since(self.up)).await;
    }
}
