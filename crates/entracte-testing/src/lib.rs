//! Test engines for Entracte workflows.
//!
//! A [`TestEngine`] is the real engine, set up for tests: its store is in memory, its clock is
//! virtual when the runtime's is paused, every run is put out of memory and replayed after
//! every event, and a later registration of a name replaces an earlier one, so that a test
//! can replace single activities.
//!
//! A [`CrashTest`] plays a scenario with a crash at every commit. Its parts can be used alone:
//! the [`SimulatedDisk`], which dies and fails on request; the [`Witness`], who keeps the books
//! of what the journal writes; a [`HookedStore`], at whose calls a test counts, waits or fails;
//! and [`check_store`], for what must hold at any moment.
//!
//! ```
//! use std::time::Duration;
//!
//! use entracte_testing::TestEngine;
//! use entracte_workflow::{Workflow, WorkflowContext, WorkflowResult};
//!
//! const NAP: Workflow<(), u64> = Workflow::new("nap");
//!
//! async fn nap(ctx: WorkflowContext, (): ()) -> WorkflowResult<u64> {
//!     let before = ctx.now();
//!     ctx.sleep(Duration::from_secs(86_400)).await;
//!     Ok(ctx.now().saturating_since(before).as_secs())
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = TestEngine::builder().workflow(NAP, nap).start().await?;
//! let run = engine.start_workflow(NAP, ()).await?;
//! // A day passes in no time: the runtime's clock is paused.
//! assert_eq!(run.result().await?, 86_400);
//! # Ok(())
//! # }
//! ```

mod check;
pub mod crash;
mod outcome;
pub mod witness;

use std::sync::Arc;

use entracte_engine::{Engine, EngineBuilder};
use entracte_model::Timestamp;
use entracte_store::Store;
pub use entracte_store::{
    CrashPoint, HookedStore, SimulatedDisk, SimulatedOptions, SimulatedStore, StoreHook,
};

pub use self::check::{BrokenStore, StoredRun, check_store};
pub use self::crash::CrashTest;
pub use self::outcome::Outcome;
pub use self::witness::{Violation, Witness, WitnessStore};

/// When the clock of a test engine starts: 2026-01-01T00:00:00Z.
pub const TEST_EPOCH: Timestamp = Timestamp::from_unix_millis(1_767_225_600_000);

/// Makes builders of engines for tests.
#[derive(Debug, Clone, Copy)]
pub struct TestEngine;

impl TestEngine {
    /// Builds a test engine that keeps its runs in memory.
    pub fn builder() -> EngineBuilder {
        Self::set_up(Engine::in_memory())
    }

    /// Builds a test engine on any store: a simulated one, or one on a real disk.
    pub fn on_store(store: Arc<dyn Store>) -> EngineBuilder {
        Self::set_up(Engine::on_store(store))
    }

    fn set_up(builder: EngineBuilder) -> EngineBuilder {
        builder.virtual_time(TEST_EPOCH).replay_every_event(true).allow_override(true)
    }
}
