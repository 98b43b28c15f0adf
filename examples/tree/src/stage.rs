//! The engine, which is opened, restarted and crashed while one looks on.

use std::time::Duration;

use entracte::prelude::*;
use entracte::store::StoreError;
use entracte::{RunError, ShutdownError, StartEngineError, StartWorkflowError};

use crate::args::Args;
use crate::season::{self, SEASON, Season};

/// How long attempts have to end when the engine is restarted. Those of this example do not
/// listen.
const GRACE: Duration = Duration::from_millis(200);
/// How long the lock of a crashed engine's store is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Says why there is no stage to look at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    #[error("the engine cannot be started")]
    StartEngine(#[from] StartEngineError),
    #[error("the season cannot be started")]
    StartWorkflow(#[from] StartWorkflowError),
    #[error("the season cannot be looked at")]
    Run(#[from] RunError),
    #[error("the engine cannot be shut down")]
    Shutdown(#[from] ShutdownError),
}

/// An engine, and the season that it runs.
pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) season: WorkflowHandle<u32>,
    args: Args,
}

impl Stage {
    /// Opens the engine; goes on with a season that was cut off, or starts one.
    pub(crate) async fn open(args: &Args) -> Result<Self, StageError> {
        let engine = start(args).await?;
        let season = match engine.workflow_handle(SEASON, "season").await {
            Ok(run) if run.describe().await?.status.is_open() => run,
            Ok(_) | Err(RunError::NotFound(_)) => {
                let Args { plays, acts, pace, .. } = *args;
                let season = Season { plays, acts, pace };
                engine.start_workflow(SEASON, season).workflow_id("season").await?
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self { engine, season, args: args.clone() })
    }

    /// Shuts the engine down in order, and opens it again.
    pub(crate) async fn restart(&mut self) -> Result<(), StageError> {
        self.engine.shutdown().await?;
        self.reopen().await
    }

    /// Kills the whole engine, and opens it again.
    pub(crate) async fn crash(&mut self) -> Result<(), StageError> {
        self.engine.actor().kill();
        self.reopen().await
    }

    async fn reopen(&mut self) -> Result<(), StageError> {
        // The engine that is gone has no other owner: it lets go of the store when this one does.
        self.engine = replace(&mut self.engine, &self.args).await?;
        self.season = self.engine.workflow_handle(SEASON, "season").await?;
        Ok(())
    }
}

/// Lets go of an engine before another one is started in its place.
async fn replace(engine: &mut Engine, args: &Args) -> Result<Engine, StartEngineError> {
    let nothing = Engine::in_memory().start().await?;
    drop(std::mem::replace(engine, nothing));
    start(args).await
}

async fn start(args: &Args) -> Result<Engine, StartEngineError> {
    let deadline = tokio::time::Instant::now() + LOCK_WAIT;
    loop {
        let engine = season::register(Engine::builder(&args.data)).shutdown_grace(GRACE);
        match engine.start().await {
            // A crashed engine lets go of its store when its last actor is gone.
            Err(StartEngineError::Store(StoreError::Locked { .. }))
                if tokio::time::Instant::now() < deadline =>
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            started => return started,
        }
    }
}
