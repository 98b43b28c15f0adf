//! What the tests of local activities over interruptions share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entracte::EngineBuilder;
use entracte::prelude::*;
use entracte::store::{MemoryStore, Store};
use entracte::verify::verify;
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine};
use tokio::sync::{Notify, Semaphore};

pub(crate) const LOOK: Activity<u64, u64> =
    Activity::new("look-up").start_to_close_timeout(Duration::from_secs(3_600));
pub(crate) const CALL: Workflow<u64, u64> = Workflow::new("call");

async fn call(ctx: WorkflowContext, number: u64) -> WorkflowResult<u64> {
    ctx.local_activity(LOOK, number).await
}

pub(crate) fn flaky() -> Failure {
    Failure::application("Flaky", "not now")
}

pub(crate) fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

/// Counts how often the activity is begun, and lets it end when told.
#[derive(Clone)]
pub(crate) struct Gate {
    begun: Arc<AtomicU32>,
    pub(crate) begins: Arc<Notify>,
    pub(crate) open: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let open = Arc::new(Semaphore::new(0));
        Self { begun: Arc::default(), begins: Arc::default(), open }
    }

    pub(crate) fn set_up(&self, builder: EngineBuilder) -> EngineBuilder {
        let gate = self.clone();
        builder.workflow(CALL, call).activity(LOOK, move |_: ActivityContext, number| {
            let gate = gate.clone();
            async move {
                gate.begun.fetch_add(1, Ordering::Relaxed);
                gate.begins.notify_one();
                gate.open.acquire().await.unwrap().forget();
                Ok(number)
            }
        })
    }

    pub(crate) async fn engine(&self, store: &Arc<dyn Store>) -> Engine {
        self.set_up(TestEngine::on_store(Arc::clone(store))).start().await.unwrap()
    }

    pub(crate) fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    pub(crate) fn let_end(&self) {
        self.open.add_permits(1);
    }
}

/// A disk on which a store can be opened again after its engine was shut down.
pub(crate) fn disk() -> SimulatedDisk {
    SimulatedDisk::new(SimulatedOptions::default())
}

pub(crate) fn assert_nothing_left(store: &dyn Store) {
    let report = verify(store).unwrap();
    assert!(report.is_sound(), "{report}");
    let counts = &report.counts;
    assert_eq!((counts.local_activities, counts.due, counts.inbox), (0, 0, 0), "{report}");
}
