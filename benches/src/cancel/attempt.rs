//! The engine's side: an attempt that waits to be told.

use std::path::Path;
use std::time::{Duration, Instant};

use entracte::ActivityCancellationType;
use entracte::prelude::*;
use tokio::sync::mpsc;

use super::{CancelLoad, Latencies, Measured};
use crate::load::LoadError;

const WAIT: Activity<(), ()> =
    Activity::new("wait").start_to_close_timeout(Duration::from_secs(3_600));
const HOLD: Workflow<(), ()> = Workflow::new("hold");
/// A chain of so many runs, the last of which holds the activity.
const CHAIN: Workflow<u32, ()> = Workflow::new("chain");
const LET_GO: Signal<()> = Signal::new("let-go");
const END: Signal<()> = Signal::new("end");

/// Holds an activity until it is told to let it go, or its own cancellation reaches the
/// activity; and stays open, so that nothing else is done in the same turn.
async fn hold(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
    let mut let_go = ctx.signals(LET_GO);
    select! {
        _ = ctx.activity(WAIT, ()) => {}
        () = let_go.recv() => {}
    }
    ctx.signals(END).recv().await;
    Ok(())
}

async fn chain(ctx: WorkflowContext, depth: u32) -> WorkflowResult<()> {
    match depth {
        // A run that closes at once would stop the attempt before it can say that it was told.
        0 | 1 => {
            let wait = ctx.activity(WAIT, ());
            wait.cancellation_type(ActivityCancellationType::WaitCancellationCompleted).await
        }
        _ => ctx.child(CHAIN, depth - 1).await,
    }
}

/// What an attempt says.
enum Heard {
    Started,
    Told(Instant),
}

pub(super) async fn told(
    measured: Measured,
    directory: &Path,
    load: &CancelLoad,
    latencies: &mut Latencies<'_>,
) -> Result<(), LoadError> {
    let (says, mut hears) = mpsc::unbounded_channel();
    let engine = Engine::builder(directory)
        .durability(load.durability)
        .workflow(HOLD, hold)
        .workflow(CHAIN, chain)
        .activity(WAIT, move |ctx: ActivityContext, ()| {
            let says = says.clone();
            async move {
                let _ = says.send(Heard::Started);
                ctx.cancelled().await;
                let _ = says.send(Heard::Told(Instant::now()));
                Err(Failure::canceled())
            }
        })
        .start()
        .await?;
    for number in 0.. {
        if !latencies.wants_more() {
            break;
        }
        let id = format!("hold-{number}");
        let run = match load.depth {
            0 | 1 => engine.start_workflow(HOLD, ()).workflow_id(id).await?,
            depth => engine.start_workflow(CHAIN, depth).workflow_id(id).await?,
        };
        while !matches!(hears.recv().await, Some(Heard::Started)) {}
        let begin = Instant::now();
        match measured {
            Measured::Workflow => run.signal(LET_GO, ()).await?,
            _ => run.cancel("measured").await?,
        }
        let at = loop {
            if let Heard::Told(at) = hears.recv().await.ok_or(LoadError::Lost { run: number })? {
                break at;
            }
        };
        latencies.record(at.saturating_duration_since(begin))?;
        if load.depth > 1 {
            // All runs of the chain end as cancelled.
            let _ = run.result().await;
            continue;
        }
        run.signal(END, ()).await?;
        run.result().await?;
    }
    Ok(engine.shutdown().await?)
}
