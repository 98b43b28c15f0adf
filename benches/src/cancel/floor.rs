//! The floor of a cancellation: one message, one commit.

use std::path::Path;
use std::time::Instant;

use entracte::Durability;
use entracte::store::{FjallOptions, FjallStore, Persist, Store};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

use super::{CancelLoad, Latencies};
use crate::commits::Batches;
use crate::load::LoadError;

/// The rows of the commit, about: what a run writes when it is asked to cancel.
const ROWS: usize = 5;
/// The bytes of each value, about.
const ROW_BYTES: usize = 150;

/// Tells when it handles a message.
struct Ear;

impl Actor for Ear {
    type Msg = oneshot::Sender<Instant>;
    type State = ();
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        (): (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let _ = message.send(Instant::now());
        Ok(())
    }
}

pub(super) async fn messages(latencies: &mut Latencies<'_>) -> Result<(), LoadError> {
    let (ear, handle) = Actor::spawn(None, Ear, ()).await?;
    while latencies.wants_more() {
        let (heard, hears) = oneshot::channel();
        let begin = Instant::now();
        ear.cast(heard).map_err(|error| LoadError::Stop(error.to_string()))?;
        let at = hears.await.map_err(|_| LoadError::Lost { run: 0 })?;
        latencies.record(at.saturating_duration_since(begin))?;
    }
    ear.stop(None);
    Ok(handle.await?)
}

pub(super) async fn commits(
    directory: &Path,
    load: &CancelLoad,
    latencies: &mut Latencies<'_>,
) -> Result<(), LoadError> {
    let store = FjallStore::open(directory, FjallOptions::default()).await?;
    let persist = match load.durability {
        Durability::Sync => Persist::Sync,
        _ => Persist::Buffer,
    };
    let mut batches = Batches::new(ROWS, ROW_BYTES);
    while latencies.wants_more() {
        let batches: Vec<_> = (0..load.depth).map(|_| batches.next_batch()).collect();
        let begin = Instant::now();
        for batch in batches {
            store.commit(batch, persist).await?;
        }
        latencies.record(begin.elapsed())?;
    }
    Ok(())
}
