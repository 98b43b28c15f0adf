//! Dynamic workflows and activities, and calls by name (rule WRK-4).

use std::time::Duration;

use entracte::model::RetryPolicy as OwnedPolicy;
use entracte::prelude::*;
use entracte::{EventAttributes, Payload, StartEngineError, StartWorkflowError};
use entracte_testing::TestEngine;

const SQUARE: Activity<u64, u64> =
    Activity::new("square").start_to_close_timeout(Duration::from_secs(10));
const ADD: Signal<u64> = Signal::new("add");
const STATUS: Query<String> = Query::new("status");

fn number(number: u64) -> Payload {
    Payload::encode(&number).unwrap()
}

/// A workflow of any name: it calls the activities that its name lists, one after the other.
async fn steps(ctx: WorkflowContext, input: Vec<Payload>) -> WorkflowResult<Payload> {
    let names = ctx.workflow_type().to_owned();
    let mut values = input;
    for name in names.split('-') {
        let second = Duration::from_secs(1);
        let call = ctx.activity_by_name(name, values).start_to_close_timeout(second);
        values = vec![call.await?];
    }
    values.pop().ok_or_else(|| Failure::non_retryable("Empty", "no step gave a value"))
}

/// An activity of any name: it gives its name and its arguments.
async fn any(ctx: ActivityContext, input: Vec<Payload>) -> ActivityResult<Payload> {
    let numbers = input.iter().map(Payload::decode::<u64>).collect::<Result<Vec<_>, _>>()?;
    let total: u64 = numbers.iter().sum();
    match &*ctx.info().activity_type {
        "sum" => Ok(Payload::encode(&total)?),
        "fail" => Err(Failure::non_retryable("Failed", "as it is called")),
        name => Ok(Payload::encode(&(total + name.len() as u64))?),
    }
}

async fn engine() -> Engine {
    TestEngine::builder()
        .dynamic_workflow(steps)
        .dynamic_activity(any)
        .activity(SQUARE, |_: ActivityContext, number: u64| async move { Ok(number * number) })
        .start()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn wrk_4_dynamic_handlers_answer_names_that_are_not_registered() {
    let engine = engine().await;
    let run = engine.start_workflow_by_name("sum-abc-square", vec![number(3), number(4)]);
    let run = run.workflow_id("dynamic").await.unwrap();
    // A registered activity goes before the dynamic one.
    assert_eq!(run.result().await.unwrap(), number(100));
    let found = engine.workflow_handle_by_id("dynamic").await.unwrap();
    assert_eq!(found.result().await.unwrap().decode::<u64>(), Ok(100));
    let history = run.history().await.unwrap();
    let names: Vec<_> = history
        .iter()
        .filter_map(|event| match &event.attributes {
            EventAttributes::WorkflowExecutionStarted(it) => Some(it.workflow_type.to_string()),
            EventAttributes::ActivityTaskScheduled(it) => Some(it.activity_type.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["sum-abc-square", "sum", "abc", "square"]);
    // A constant of the same name and types reads the same result.
    const SAME: Workflow<u64, u64> = Workflow::new("sum-abc-square");
    let typed = engine.workflow_handle(SAME, "dynamic").await.unwrap();
    assert_eq!(typed.result().await.unwrap(), 100);
}

#[tokio::test(start_paused = true)]
async fn wrk_4_failures_go_through_dynamic_handlers_as_through_others() {
    let engine = engine().await;
    let run = engine.start_workflow_by_name("sum-fail", vec![number(3)]).await.unwrap();
    let error = run.result().await.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.application_type(), Some("Failed"));
    assert_eq!(failure.to_string(), "as it is called");
}

#[tokio::test(start_paused = true)]
async fn wrk_4_signals_and_queries_by_name_meet_constants() {
    const COUNT: Workflow<u64, u64> = Workflow::new("count");
    let engine = TestEngine::builder()
        .workflow(COUNT, |ctx: WorkflowContext, start: u64| async move {
            ctx.publish(STATUS, format!("from {start}"));
            Ok(start + ctx.signals(ADD).recv().await)
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow_by_name("count", vec![number(3)]).await.unwrap();
    let status = run.query_by_name("status").await.unwrap();
    assert_eq!(status.decode::<String>(), Ok("from 3".to_owned()));
    run.signal_by_name("add", vec![number(4)]).await.unwrap();
    assert_eq!(run.result().await.unwrap(), number(7));
}

#[tokio::test(start_paused = true)]
async fn wrk_4_without_a_dynamic_handler_unknown_names_are_refused() {
    const ONCE: Workflow<(), u64> = Workflow::new("once");
    let engine = TestEngine::builder()
        .workflow(ONCE, |ctx: WorkflowContext, ()| async move {
            let policy = OwnedPolicy { maximum_attempts: 1, ..OwnedPolicy::default() };
            let call = ctx.activity_by_name("unknown", Vec::new()).retry_policy(policy);
            Ok(call.start_to_close_timeout(Duration::from_secs(1)).await?.decode()?)
        })
        .activity(SQUARE, |_: ActivityContext, number: u64| async move { Ok(number * number) })
        .start()
        .await
        .unwrap();
    let error = engine.start_workflow_by_name("unknown", Vec::new()).await.unwrap_err();
    assert!(matches!(error, StartWorkflowError::NotRegistered { .. }), "{error:?}");
    let error = engine.start_workflow(ONCE, ()).await.unwrap().result().await.unwrap_err();
    // The text of rule FAIL-7.
    assert_eq!(error.to_string(), "unable to find activityType=unknown. Supported types: [square]");
}

#[tokio::test(start_paused = true)]
async fn wrk_4_a_name_that_cannot_be_one_and_options_that_are_missing_are_named() {
    const BARE: Workflow<String, ()> = Workflow::new("bare");
    let engine = TestEngine::builder()
        .workflow(BARE, |ctx: WorkflowContext, name: String| async move {
            let call = ctx.activity_by_name(name.clone(), Vec::new());
            // Only the empty name gets the timeout that it needs.
            let second = Duration::from_secs(1);
            let call = if name.is_empty() { call.start_to_close_timeout(second) } else { call };
            call.await.map(drop)
        })
        .dynamic_workflow(steps)
        .dynamic_activity(any)
        .start()
        .await
        .unwrap();
    for name in ["", "abc"] {
        let run = engine.start_workflow(BARE, name.to_owned()).await.unwrap();
        let error = run.result().await.unwrap_err();
        let failure = error.failure().unwrap();
        assert_eq!(failure.application_type(), Some("InvalidActivityOptions"), "{failure}");
    }
    let error = engine.start_workflow_by_name("", Vec::new()).await.unwrap_err();
    assert!(matches!(error, StartWorkflowError::InvalidId { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn wrk_4_there_is_one_dynamic_handler_of_a_kind() {
    for allow in [true, false] {
        let builder = TestEngine::builder().allow_override(allow);
        let activities = builder.dynamic_activity(any).dynamic_activity(any).start().await;
        let builder = TestEngine::builder().allow_override(allow);
        let workflows = builder.dynamic_workflow(steps).dynamic_workflow(steps).start().await;
        for started in [activities, workflows] {
            match started {
                Ok(_) => assert!(allow),
                Err(error) => assert!(!allow && matches!(error, StartEngineError::Registry(_))),
            }
        }
    }
}
