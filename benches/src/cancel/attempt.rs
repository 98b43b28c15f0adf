//! The engine's side: an attempt that waits to be told.

use std::path::Path;
use std::time::{Duration, Instant};

use entracte::prelude::*;
use tokio::sync::mpsc;

use super::{Latencies, Measured};
use crate::load::LoadError;

const WAIT: Activity<(), ()> =
    Activity::new("wait").start_to_close_timeout(Duration::from_secs(3_600));
const HOLD: Workflow<(), ()> = Workflow::new("hold");
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

/// What an attempt says.
enum Heard {
    Started,
    Told(Instant),
}

pub(super) async fn told(
    measured: Measured,
    directory: &Path,
    durability: Durability,
    latencies: &mut Latencies<'_>,
) -> Result<(), LoadError> {
    let (says, mut hears) = mpsc::unbounded_channel();
    let engine = Engine::builder(directory)
        .durability(durability)
        .workflow(HOLD, hold)
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
        let run = engine.start_workflow(HOLD, ()).workflow_id(id).await?;
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
        run.signal(END, ()).await?;
        run.result().await?;
    }
    Ok(engine.shutdown().await?)
}
