//! A parked parent takes up what its many children tell, with work in proportion to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::{MemoryStore, Row, Space, StoreError};
use entracte_testing::{HookedStore, StoreHook, TestEngine};
use tokio::time::sleep;

const PARENT: Workflow<u64, u64> = Workflow::new("parent");
const CHILD: Workflow<u64, u64> = Workflow::new("child");

/// Counts what is read: each row, and each time that something is asked for.
#[derive(Debug, Default)]
struct Reads(AtomicU64);

impl StoreHook for Reads {
    fn get(&self, _space: Space, _key: &[u8]) -> Result<(), StoreError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn scan(&self, _space: Space, _start: &[u8], rows: &[Row]) -> Result<(), StoreError> {
        self.0.fetch_add(1 + rows.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// Starts children and adds up what they return. While its code is broken, every turn fails but
/// the one that starts them.
async fn parent(
    ctx: WorkflowContext,
    children: u64,
    is_broken: &AtomicBool,
) -> WorkflowResult<u64> {
    let calls = (0..children).map(|number| ctx.child(CHILD, number).into_future());
    let mut results = std::pin::pin!(join_all(calls));
    let mut turns = 0;
    let results = std::future::poll_fn(|cx| {
        turns += 1;
        if turns > 1 && is_broken.load(Ordering::Relaxed) {
            // A panic of which the hook is not told, to keep the output short.
            std::panic::resume_unwind(Box::new("broken"));
        }
        results.as_mut().poll(cx)
    });
    results.await.into_iter().sum()
}

/// Lets so many children start and close while their parent is parked, and mends it; tells how
/// much was read meanwhile, and from when the parent was mended.
async fn reads(children: u64) -> (u64, u64) {
    let store = Arc::new(HookedStore::new(Arc::new(MemoryStore::new()), Reads::default()));
    let is_broken = Arc::new(AtomicBool::new(true));
    let in_parent = Arc::clone(&is_broken);
    let engine = TestEngine::on_store(store.clone())
        .replay_every_event(false)
        .workflow(PARENT, move |ctx, children| {
            let is_broken = Arc::clone(&in_parent);
            async move { parent(ctx, children, &is_broken).await }
        })
        .workflow(CHILD, async |ctx: WorkflowContext, number| {
            ctx.sleep(Duration::from_secs(1)).await;
            Ok(number)
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(PARENT, children).await.unwrap();
    // All children have started and closed, and the parent has seen nothing of it.
    sleep(Duration::from_secs(100)).await;
    let described = run.describe().await.unwrap();
    assert!(described.parked.is_some(), "{described:?}");
    assert_eq!(engine.run_actors().await.unwrap().len(), 1);
    let parked = store.hook().0.load(Ordering::Relaxed);
    is_broken.store(false, Ordering::Relaxed);
    assert_eq!(run.result().await.unwrap(), children * (children - 1) / 2);
    let mended = store.hook().0.load(Ordering::Relaxed) - parked;
    engine.shutdown().await.unwrap();
    (parked, mended)
}

#[tokio::test(start_paused = true)]
async fn a_parked_parent_of_many_children_reads_each_of_what_they_tell_a_few_times() {
    let (few, many) = (reads(200).await, reads(2_000).await);
    println!("reads while parked and when mended: {few:?} for 200 children, {many:?} for 2,000");
    assert!(many.0 < 11 * few.0 && many.1 < 11 * few.1, "{few:?}, {many:?}");
    // Two deliveries of each child were read when they came, and are not read again.
    assert!(many.1 < 3 * 2_000, "{many:?}");
}
