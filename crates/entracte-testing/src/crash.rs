//! Crashes at every commit.
//!
//! A [`CrashTest`] plays a scenario once undisturbed. Then it plays it again and again, and
//! each time the machine dies at another commit, before or after the commit has reached the
//! disk, or the commit fails; a new engine on what is left of the disk goes on, and may be
//! struck in the same way. In the end every run must have ended as in the undisturbed play.
//!
//! ```
//! use std::time::Duration;
//!
//! use entracte_testing::crash::CrashTest;
//! use entracte_workflow::{
//!     Activity, ActivityContext, ActivityResult, Workflow, WorkflowContext, WorkflowResult,
//! };
//!
//! const PACK: Activity<u32, u32> =
//!     Activity::new("pack").start_to_close_timeout(Duration::from_secs(30));
//! const SHIP: Workflow<u32, u32> = Workflow::new("ship");
//!
//! async fn pack(_ctx: ActivityContext, items: u32) -> ActivityResult<u32> {
//!     Ok(items.div_ceil(3))
//! }
//!
//! async fn ship(ctx: WorkflowContext, items: u32) -> WorkflowResult<u32> {
//!     let boxes = ctx.activity(PACK, items).await?;
//!     ctx.sleep(Duration::from_secs(86_400)).await;
//!     Ok(boxes)
//! }
//!
//! let report = CrashTest::new(
//!     |engine| engine.workflow(SHIP, ship).activity(PACK, pack),
//!     async |engine| {
//!         // After a crash the script runs again from its beginning: starts are repeated with
//!         // the same ids, as a host does that never got an answer.
//!         engine.start_workflow(SHIP, 7).workflow_id("ship-1").request_id("order-1").await?;
//!         Ok(())
//!     },
//! )
//! .run()
//! .unwrap();
//! assert_eq!(report.outcomes.len(), 1);
//! assert!(report.plays > 6 * report.commits);
//! ```

mod failure;
mod fault;
mod life;
mod play;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use entracte_engine::{Engine, EngineBuilder};
use entracte_model::WorkflowId;
use entracte_store::SimulatedOptions;

pub use self::failure::{CrashTestFailure, Problem};
pub use self::fault::{Fault, FaultKind};
pub use self::life::one_life;
use crate::Outcome;

/// What the script of a [`CrashTest`] returns. An error fails the test, unless the engine was
/// struck by a fault.
pub type ScriptResult = Result<(), Box<dyn Error>>;

/// How the runs of each workflow id ended, in the order of their starts.
pub type Outcomes = BTreeMap<WorkflowId, Vec<Outcome>>;

/// A scenario that is to end the same, whatever happens to its engine.
///
/// `set_up` registers workflows and activities, and may set options; it is called for every
/// engine of every play. `script` is what the host does: it starts workflows and whatever else
/// a client can do; after a crash it runs again from its beginning, so it sets the request ids
/// of its starts. When it returns, all runs are waited for.
///
/// Each engine has a runtime of its own, of one thread and with paused time, that ends with it:
/// nothing of it outlives the crash. So [`run`](Self::run) belongs into a plain `#[test]`, not
/// into an async one.
#[derive(Debug, Clone)]
#[must_use = "nothing is played before `run`"]
pub struct CrashTest<S, P> {
    set_up: S,
    script: P,
    disk: SimulatedOptions,
    time_limit: Duration,
}

/// What was played.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CrashReport {
    /// How many commits the undisturbed play made.
    pub commits: u64,
    /// How many times the scenario was played, the undisturbed play included.
    pub plays: u64,
    /// How many faults struck, in all the plays.
    pub faults: u64,
    /// How the runs ended, in each of the plays.
    pub outcomes: Outcomes,
}

impl<S, P> CrashTest<S, P>
where
    S: Fn(EngineBuilder) -> EngineBuilder,
    P: AsyncFn(Engine) -> ScriptResult,
{
    /// Prepares a test of a scenario.
    pub fn new(set_up: S, script: P) -> Self {
        let time_limit = Duration::from_secs(30 * 86_400);
        Self { set_up, script, disk: SimulatedOptions::default(), time_limit }
    }

    /// Sets what all random choices come from: how long commits take, what becomes of a commit
    /// that fails. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.disk.seed = seed;
        self
    }

    /// Sets the longest that a commit takes, in virtual time. Default 10 ms.
    pub fn delay_max(mut self, delay: Duration) -> Self {
        self.disk.delay_max = delay;
        self
    }

    /// Sets how much virtual time one engine has until all runs must be closed. Default 30 days.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Plays the scenario undisturbed, then with every fault at every commit.
    ///
    /// # Errors
    /// [`CrashTestFailure`] tells what went wrong, and under which fault.
    pub fn run(&self) -> Result<CrashReport, CrashTestFailure> {
        let undisturbed = self.play(None).map_err(|problem| self.failure(None, problem))?;
        let outcomes = undisturbed.outcomes;
        let mut report =
            CrashReport { commits: undisturbed.commits, plays: 1, faults: 0, outcomes };
        for (kind, strikes) in FaultKind::ALL.into_iter().flat_map(|kind| [(kind, 1), (kind, 2)]) {
            for commit in 1.. {
                let fault = Fault { kind, commit, strikes };
                let fail = |problem| self.failure(Some(fault), problem);
                let play = self.play(Some(fault)).map_err(fail)?;
                report.plays += 1;
                report.faults += u64::from(play.strikes);
                compare(&report.outcomes, &play.outcomes).map_err(fail)?;
                if play.strikes == 0 {
                    // The play was over before it came to this commit.
                    break;
                }
            }
        }
        Ok(report)
    }

    fn failure(&self, fault: Option<Fault>, problem: Problem) -> CrashTestFailure {
        CrashTestFailure { seed: self.disk.seed, fault, problem: Box::new(problem) }
    }
}

fn compare(undisturbed: &Outcomes, disturbed: &Outcomes) -> Result<(), Problem> {
    let ids = undisturbed.keys().chain(disturbed.keys());
    for workflow_id in ids {
        let of = |outcomes: &Outcomes| outcomes.get(workflow_id).cloned().unwrap_or_default();
        let (undisturbed, disturbed) = (of(undisturbed), of(disturbed));
        if undisturbed != disturbed {
            let workflow_id = workflow_id.clone();
            return Err(Problem::OutcomeDiffers { workflow_id, undisturbed, disturbed });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
