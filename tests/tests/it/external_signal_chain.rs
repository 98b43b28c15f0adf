//! A signal of one workflow to another whose receiver goes on in another run meanwhile.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entracte::RunId;
use entracte::prelude::*;
use entracte::store::keys::{Key, RunKey};
use entracte::store::{Batch, MemoryStore, Space, Store, StoreError, StoreFuture};
use entracte_testing::{HookedStore, StoreHook, TestEngine};
use tokio::time::{sleep, timeout};

const NUMBER: Signal<u64> = Signal::new("number");
/// The first run is over after two seconds; the second one gives what it is sent.
const RECEIVE: Workflow<bool, u64> = Workflow::new("receive");
/// Sends a number after a second.
const SEND: Workflow<(), ()> = Workflow::new("send");

/// Holds a commit up, and can hide the row of a run.
#[derive(Debug, Default)]
struct Trouble {
    commit_takes: Mutex<Option<Duration>>,
    hidden: Mutex<Option<RunId>>,
}

impl StoreHook for Trouble {
    fn get(&self, space: Space, key: &[u8]) -> Result<(), StoreError> {
        let hidden = self.hidden.lock().unwrap().map(|run_id| RunKey { run_id }.encode());
        if space == Space::State && hidden.is_some_and(|hidden| hidden == key) {
            return Err(StoreError::corrupt(space, key, "not now"));
        }
        Ok(())
    }

    fn commit(&self, _batch: &Batch) -> Option<StoreFuture<'_>> {
        let takes = self.commit_takes.lock().unwrap().take()?;
        Some(Box::pin(async move {
            sleep(takes).await;
            Ok(())
        }))
    }
}

async fn receive(ctx: WorkflowContext, is_first: bool) -> WorkflowResult<u64> {
    if is_first {
        ctx.sleep(Duration::from_secs(2)).await;
        return ctx.continue_as_new(RECEIVE, false).await;
    }
    Ok(ctx.signals(NUMBER).recv().await)
}

async fn send(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
    ctx.sleep(Duration::from_secs(1)).await;
    ctx.external_workflow("receiver").signal(NUMBER, 7).await
}

#[tokio::test(start_paused = true)]
async fn sig_9_a_signal_waits_until_the_run_behind_a_closed_receiver_can_be_found() {
    let store = Arc::new(HookedStore::new(Arc::new(MemoryStore::new()), Trouble::default()));
    let engine = TestEngine::on_store(Arc::clone(&store) as Arc<dyn Store>)
        .workflow(RECEIVE, receive)
        .workflow(SEND, send)
        .start()
        .await
        .unwrap();
    let receiver = engine.start_workflow(RECEIVE, true).workflow_id("receiver").await.unwrap();
    let first = receiver.run_id();
    let sender = engine.start_workflow(SEND, ()).await.unwrap();
    sleep(Duration::from_millis(500)).await;
    // The signal goes to the first run, and leaves only when that is closed and not yet gone.
    *store.hook().commit_takes.lock().unwrap() = Some(Duration::from_secs(5));
    sleep(Duration::from_secs(3)).await;
    *store.hook().hidden.lock().unwrap() = Some(first);
    sleep(Duration::from_secs(60)).await;
    assert!(sender.describe().await.unwrap().status.is_open());
    *store.hook().hidden.lock().unwrap() = None;
    timeout(Duration::from_secs(3_600), sender.result()).await.unwrap().unwrap();
    assert_eq!(receiver.result().await.unwrap(), 7);
    engine.shutdown().await.unwrap();
}
