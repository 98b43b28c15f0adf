//! One play of a scenario: one engine after the other, until all runs are closed.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use entracte_engine::{Engine, EngineBuilder, WorkflowHandle};
use entracte_model::{RunId, WorkflowStatus};
use entracte_store::{SimulatedDisk, Store, StoreExt};
use entracte_workflow::Workflow;
use serde::de::IgnoredAny;

use super::{CrashTest, Fault, FaultKind, Outcomes, Problem, ScriptResult, one_life};
use crate::{BrokenStore, Outcome, StoredRun, TestEngine, Witness, check_store};

/// Stands for a workflow of any name and type: only whether it is closed matters.
const ANY: Workflow<(), IgnoredAny> = Workflow::new("any");

/// What came of a play.
pub(super) struct Play {
    pub(super) commits: u64,
    /// How many faults struck.
    pub(super) strikes: u32,
    pub(super) outcomes: Outcomes,
}

/// How the life of one engine ended.
enum End {
    /// All runs are closed, and the engine is shut down.
    Finished,
    /// The machine died.
    Died,
    /// Something failed: what was planned, or something else.
    Failed(Problem),
}

impl<S, P> CrashTest<S, P>
where
    S: Fn(EngineBuilder) -> EngineBuilder,
    P: AsyncFn(Engine) -> ScriptResult,
{
    /// Plays the scenario from an empty disk until all runs are closed.
    pub(super) fn play(&self, fault: Option<Fault>) -> Result<Play, Problem> {
        let disk = SimulatedDisk::new(self.disk);
        let witness = Witness::new();
        let mut strikes = 0;
        loop {
            let next = fault.filter(|fault| strikes < fault.strikes);
            let at = next.map(|fault| fault.plan(&disk, strikes));
            let end = self.live(&disk, &witness)?;
            disk.clear_faults();
            let struck = at.is_some_and(|at| disk.commits() >= at);
            match end {
                End::Finished if !struck => break,
                // A dead machine answers nothing, so this was a commit that failed.
                End::Finished => return Err(Problem::FailureUnnoticed),
                End::Died => strikes += 1,
                End::Failed(_) if struck && is_failure(next) => strikes += 1,
                End::Failed(problem) => return Err(problem),
            }
        }
        let outcomes = closing_checks(&disk, &witness)?;
        Ok(Play { commits: disk.commits(), strikes, outcomes })
    }

    /// One engine, from its start to its end.
    fn live(&self, disk: &SimulatedDisk, witness: &Witness) -> Result<End, Problem> {
        let ended = one_life(disk, async |store| {
            check_store(&*store)?;
            let store = witness.watch(store).map_err(BrokenStore::from)?;
            check_witness(witness)?;
            self.run_engine(store).await
        })
        .map_err(|error| Problem::Runtime { reason: error.to_string() })?;
        Ok(match ended {
            None => End::Died,
            Some(Ok(())) => End::Finished,
            Some(Err(problem)) => End::Failed(problem),
        })
    }

    async fn run_engine(&self, store: Arc<dyn Store>) -> Result<(), Problem> {
        let builder = (self.set_up)(TestEngine::on_store(Arc::clone(&store)));
        let engine = builder.start().await.map_err(Problem::Start)?;
        let work = async {
            (self.script)(engine.clone()).await?;
            wait_for_all(&engine, &*store).await
        };
        match tokio::time::timeout(self.time_limit, work).await {
            Ok(worked) => {
                worked.map_err(|error| Problem::Script { reason: chain(&*error) })?;
            }
            Err(_elapsed) => {
                let open = describe_open(&engine, &*store).await.unwrap_or_default();
                return Err(Problem::TimeLimit { open });
            }
        }
        engine.shutdown().await.map_err(Problem::Shutdown)
    }
}

/// Whether the engine outlives the fault, and has to say that it was struck.
fn is_failure(fault: Option<Fault>) -> bool {
    fault.is_some_and(|fault| fault.kind == FaultKind::CommitFails)
}

/// Waits until all runs are closed, however they end.
async fn wait_for_all(engine: &Engine, store: &dyn Store) -> ScriptResult {
    for (_, row) in store.list_runs(None, usize::MAX)? {
        let run = engine.workflow_handle(ANY, row.workflow_id.as_str()).await?;
        let _ = run.result().await;
        let status = run.describe().await?.status;
        if status == WorkflowStatus::Running {
            return Err(format!("there is no result of workflow `{}`", run.workflow_id()).into());
        }
    }
    Ok(())
}

/// Tells of all open runs what they wait for.
async fn describe_open(engine: &Engine, store: &dyn Store) -> Result<Vec<String>, Box<dyn Error>> {
    let mut open = Vec::new();
    for (_, row) in store.list_runs(None, usize::MAX)? {
        if row.status.is_open() {
            let run: WorkflowHandle<IgnoredAny> =
                engine.workflow_handle(ANY, row.workflow_id.as_str()).await?;
            open.push(format!("{:?}", run.describe().await?));
        }
    }
    Ok(open)
}

/// Checks what is on the disk when all is over, and reads how the runs ended.
fn closing_checks(disk: &SimulatedDisk, witness: &Witness) -> Result<Outcomes, Problem> {
    let store = disk.reopen();
    let runs = check_store(&*store)?;
    witness.watch(store).map_err(BrokenStore::from)?;
    check_witness(witness)?;
    let mut outcomes = Outcomes::new();
    for run in in_chains(runs) {
        let outcome = run.history.last().and_then(|last| Outcome::of(&last.attributes));
        outcomes.entry(run.row.workflow_id).or_default().extend(outcome);
    }
    Ok(outcomes)
}

/// The runs in the order of their starts, each behind the one that it follows: run ids tell only
/// the milliseconds, and a chain can be faster than that.
fn in_chains(mut runs: Vec<StoredRun>) -> Vec<StoredRun> {
    runs.sort_by_key(|run| run.row.start_time);
    let mut following: BTreeMap<RunId, StoredRun> = BTreeMap::new();
    let mut firsts = Vec::new();
    for run in runs {
        match run.row.continued_execution_run_id {
            Some(before) => drop(following.insert(before, run)),
            None => firsts.push(run),
        }
    }
    let mut ordered = Vec::new();
    for first in firsts {
        let mut next = Some(first);
        while let Some(run) = next {
            next = following.remove(&run.run_id);
            ordered.push(run);
        }
    }
    ordered
}

fn check_witness(witness: &Witness) -> Result<(), Problem> {
    witness.violations().into_iter().next().map_or(Ok(()), |violation| Err(violation.into()))
}

/// An error with its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
