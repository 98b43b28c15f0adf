//! The load on the engine itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use entracte::prelude::*;

use crate::drive::Target;
use crate::figures::JournalFigures;
use crate::load::{Load, LoadError};

const STEP: Activity<String, String> =
    Activity::new("step").start_to_close_timeout(Duration::from_secs(30));
const SEQUENCE: Workflow<String, String> = Workflow::new("sequence");

async fn sequence(ctx: WorkflowContext, payload: String) -> WorkflowResult<String> {
    let payload = ctx.activity(STEP, payload).await?;
    let payload = ctx.activity(STEP, payload).await?;
    ctx.activity(STEP, payload).await
}

async fn step(_ctx: ActivityContext, payload: String) -> ActivityResult<String> {
    Ok(payload)
}

/// An engine that knows the sequence; cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineTarget {
    engine: Engine,
    payload: Arc<str>,
}

impl EngineTarget {
    /// Starts an engine in a directory.
    ///
    /// # Errors
    /// [`LoadError::EngineStart`].
    pub async fn start(directory: &Path, load: &Load) -> Result<Self, LoadError> {
        let engine = Engine::builder(directory)
            .workflow(SEQUENCE, sequence)
            .activity(STEP, step)
            .durability(load.durability)
            .start()
            .await?;
        Ok(Self { engine, payload: Arc::clone(&load.payload) })
    }

    /// Shuts the engine down and closes its store.
    ///
    /// # Errors
    /// [`LoadError::EngineShutdown`].
    pub async fn stop(self) -> Result<(), LoadError> {
        Ok(self.engine.shutdown().await?)
    }
}

impl Target for EngineTarget {
    async fn run(&self, run: u64) -> Result<(), LoadError> {
        let handle = self
            .engine
            .start_workflow(SEQUENCE, self.payload.as_ref().to_owned())
            .workflow_id(format!("sequence-{run}"))
            .await?;
        let result = handle.result().await?;
        if result == *self.payload { Ok(()) } else { Err(LoadError::WrongResult { run, result }) }
    }

    fn journal(&self) -> JournalFigures {
        let stats = self.engine.journal_stats();
        JournalFigures {
            appends: stats.appends,
            commits: stats.commits,
            syncs: stats.syncs,
            events: stats.events,
        }
    }
}

#[cfg(test)]
mod tests {
    use entracte::store::{FjallOptions, FjallStore, Space, Store};
    use indicatif::ProgressBar;

    use super::*;
    use crate::drive;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_run_of_the_engine_is_as_many_appends_and_events_as_one_of_the_floor() {
        let directory = tempfile::tempdir().unwrap();
        let payload = Load::payload_of(100);
        let load = Load { runs: 20, in_flight: 5, durability: Durability::Sync, payload };
        let target = EngineTarget::start(directory.path(), &load).await.unwrap();
        let round = drive::round(&target, &load, &ProgressBar::hidden()).await.unwrap();
        target.stop().await.unwrap();
        assert_eq!(round.journal.appends, 20 * 4);
        assert_eq!(round.journal.events, 20 * 11);
        assert_eq!(round.journal.syncs, round.journal.commits);

        // All of it lies on the disk; the warm-up is as many runs as are in flight.
        let store = FjallStore::open(directory.path(), FjallOptions::default()).await.unwrap();
        let events = store.scan(Space::History, &[], None, usize::MAX).unwrap();
        assert_eq!(events.len(), (20 + 5) * 11);
    }
}
