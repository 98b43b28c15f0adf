//! Durable timers.

use std::time::Duration;

use entracte::EventType;
use entracte::prelude::*;
use entracte_testing::TestEngine;
use entracte_tests::look::event_types;

#[tokio::test(start_paused = true)]
async fn tim_1_a_month_passes_in_virtual_time() {
    const MONTH: Workflow<(), u64> = Workflow::new("month");
    async fn month(ctx: WorkflowContext, (): ()) -> WorkflowResult<u64> {
        let before = ctx.now();
        ctx.sleep(Duration::from_secs(30 * 86_400)).await;
        Ok(ctx.now().saturating_since(before).as_secs())
    }
    let engine = TestEngine::builder().workflow(MONTH, month).start().await.unwrap();
    let run = engine.start_workflow(MONTH, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 30 * 86_400);
}

#[tokio::test(start_paused = true)]
async fn tim_2_a_timer_of_zero_leaves_no_event() {
    const NONE: Workflow<(), ()> = Workflow::new("none");
    async fn none(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
        ctx.sleep(Duration::ZERO).await;
        Ok(())
    }
    let engine = TestEngine::builder().workflow(NONE, none).start().await.unwrap();
    let run = engine.start_workflow(NONE, ()).await.unwrap();
    run.result().await.unwrap();
    let types = event_types(&run.history().await.unwrap());
    assert_eq!(types, [EventType::WorkflowExecutionStarted, EventType::WorkflowExecutionCompleted]);
}

#[tokio::test(start_paused = true)]
async fn tim_5_timers_that_are_due_together_fire_in_the_order_of_their_start() {
    const MANY: Workflow<(), Vec<u64>> = Workflow::new("many");
    async fn many(ctx: WorkflowContext, (): ()) -> WorkflowResult<Vec<u64>> {
        let timers = [3_u64, 1, 2, 1, 3].into_iter().enumerate().map(|(index, seconds)| {
            let timer = ctx.sleep(Duration::from_secs(seconds));
            async move {
                timer.await;
                index as u64
            }
        });
        let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        join_all(timers.map(|timer| {
            let order = order.clone();
            async move {
                let index = timer.await;
                order.lock().unwrap().push(index);
            }
        }))
        .await;
        let order = order.lock().unwrap().clone();
        Ok(order)
    }
    let engine = TestEngine::builder().workflow(MANY, many).start().await.unwrap();
    let run = engine.start_workflow(MANY, ()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), [1, 3, 2, 0, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_timer_keeps_its_time_over_a_crash() {
    const NAP: Workflow<(), u64> = Workflow::new("nap");
    async fn nap(ctx: WorkflowContext, (): ()) -> WorkflowResult<u64> {
        let before = ctx.now();
        ctx.sleep(Duration::from_secs(100)).await;
        Ok(ctx.now().saturating_since(before).as_secs())
    }
    let store: std::sync::Arc<dyn entracte::store::Store> =
        std::sync::Arc::new(entracte::store::MemoryStore::new());
    let engine = TestEngine::on_store(store.clone()).workflow(NAP, nap).start().await.unwrap();
    engine.start_workflow(NAP, ()).workflow_id("nap").await.unwrap();
    drop(engine);
    // The second engine's clock starts where the first one's had been: nothing was journaled
    // since, so that the whole nap is still to come.
    let engine = TestEngine::on_store(store).workflow(NAP, nap).start().await.unwrap();
    let run = engine.workflow_handle(NAP, "nap").await.unwrap();
    assert_eq!(run.result().await.unwrap(), 100);
}
