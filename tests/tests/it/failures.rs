//! The failures of activities: what code can say with them, and what becomes of it.

use std::time::Duration;

use entracte::model::RetryPolicy as OwnedPolicy;
use entracte::prelude::*;
use entracte::{Event, EventAttributes, FailureKind, RetryState, TimeoutType};
use entracte_testing::TestEngine;
use serde::{Deserialize, Serialize};

const WORK: Activity<(), u32> =
    Activity::new("work").start_to_close_timeout(Duration::from_secs(10));
/// Calls the activity under the policy.
const CALL: Workflow<OwnedPolicy, u32> = Workflow::new("call");

async fn call(ctx: WorkflowContext, policy: OwnedPolicy) -> WorkflowResult<u32> {
    ctx.activity(WORK, ()).retry_policy(policy).await
}

/// Plays the activity under the policy; gives the result and the history.
async fn play<F, Fut>(policy: OwnedPolicy, work: F) -> (Result<u32, WorkflowError>, Vec<Event>)
where
    F: Fn(ActivityContext, ()) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ActivityResult<u32>> + Send + 'static,
{
    let engine =
        TestEngine::builder().workflow(CALL, call).activity(WORK, work).start().await.unwrap();
    let run = engine.start_workflow(CALL, policy).await.unwrap();
    (run.result().await, run.history().await.unwrap())
}

/// The failure of the attempt before the last one, and when the last one started after the
/// activity was scheduled.
fn before_last(history: &[Event]) -> (Failure, Duration) {
    let EventAttributes::ActivityTaskStarted(started) = &history[2].attributes else {
        panic!("{history:#?}")
    };
    let waited = started.started_time.saturating_since(history[1].time);
    (started.last_failure.clone().unwrap(), waited)
}

fn twice() -> OwnedPolicy {
    OwnedPolicy { maximum_attempts: 2, ..OwnedPolicy::default() }
}

#[tokio::test(start_paused = true)]
async fn ret_16_a_failure_s_own_delay_replaces_the_policy_s_and_its_cap() {
    let policy =
        OwnedPolicy { maximum_interval: Some(Duration::from_secs(2)), ..OwnedPolicy::default() };
    let (result, history) = play(policy, |ctx, ()| async move {
        match ctx.attempt() {
            1 => {
                let delay = Duration::from_secs(900);
                Err(Failure::application("Busy", "later").with_next_retry_delay(delay))
            }
            attempt => Ok(attempt),
        }
    })
    .await;
    assert_eq!(result.unwrap(), 2);
    let (failure, waited) = before_last(&history);
    assert_eq!(waited, Duration::from_secs(900));
    assert_eq!(failure.application_type(), Some("Busy"));
}

#[tokio::test(start_paused = true)]
async fn ret_16_a_failure_s_own_delay_does_not_add_attempts_or_time() {
    let busy = |_, ()| async {
        let hour = Duration::from_secs(3_600);
        Err(Failure::application("Busy", "later").with_next_retry_delay(hour))
    };
    let (result, history) = play(twice(), busy).await;
    assert_eq!(result.unwrap_err().failure().unwrap().application_type(), Some("Busy"));
    assert_eq!(before_last(&history).1, Duration::from_secs(3_600));

    const SHORT: Workflow<(), u32> = Workflow::new("short");
    let engine = TestEngine::builder()
        .workflow(SHORT, |ctx: WorkflowContext, ()| async move {
            ctx.activity(WORK, ()).schedule_to_close_timeout(Duration::from_secs(3_599)).await
        })
        .activity(WORK, busy)
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(SHORT, ()).await.unwrap();
    let error = run.result().await.unwrap_err();
    let FailureKind::Activity(activity) = error.failure().unwrap().kind() else {
        panic!("{error:?}")
    };
    assert_eq!(activity.retry_state, RetryState::Timeout);
}

#[tokio::test(start_paused = true)]
async fn ret_9_a_listed_timeout_is_final() {
    let listed = "TemporalTimeout:StartToClose".to_owned();
    let policy = OwnedPolicy { non_retryable_error_types: vec![listed], ..OwnedPolicy::default() };
    let (result, history) =
        play(policy, |_, ()| std::future::pending::<ActivityResult<u32>>()).await;
    assert_eq!(
        result.unwrap_err().failure().unwrap().timeout_type(),
        Some(TimeoutType::StartToClose)
    );
    let EventAttributes::ActivityTaskTimedOut(timed_out) = &history[3].attributes else {
        panic!("{history:#?}")
    };
    assert_eq!(timed_out.retry_state, RetryState::NonRetryableFailure);
}

#[tokio::test(start_paused = true)]
async fn ret_20_a_large_failure_is_kept_shortened_while_the_last_one_comes_back_whole() {
    let (result, history) = play(twice(), |ctx, ()| async move {
        let text = format!("attempt {}: {}", ctx.attempt(), "x".repeat(10_000));
        let cause = Failure::application("Inner", "the cause of it");
        Err(Failure::application("Outer", text).with_cause(cause))
    })
    .await;
    let (failure, _) = before_last(&history);
    assert_eq!(failure.message(), "Failure exceeds size limit.");
    assert!(matches!(failure.kind(), FailureKind::Server { non_retryable: false }));
    let original = failure.cause().unwrap();
    assert!(original.message().starts_with("attempt 1: xxx"), "{original}");
    assert_eq!(original.application_type(), Some("Outer"));
    assert!(original.size() <= 4_096);
    let error = result.unwrap_err();
    let last = error.failure().unwrap().cause().unwrap();
    assert_eq!(last.message().len(), "attempt 2: ".len() + 10_000);
    assert_eq!(last.cause().unwrap().message(), "the cause of it");
}

#[derive(Debug)]
struct GatewayClosed;

impl std::error::Error for GatewayClosed {}

impl std::fmt::Display for GatewayClosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the gateway is closed until nine")
    }
}

#[tokio::test(start_paused = true)]
async fn fail_2_a_plain_error_has_the_name_of_its_type_and_can_be_listed() {
    let policy = OwnedPolicy {
        non_retryable_error_types: vec!["GatewayClosed".to_owned()],
        ..OwnedPolicy::default()
    };
    let (result, _) = play(policy, |_, ()| async { Err(GatewayClosed)? }).await;
    let error = result.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.application_type(), Some("GatewayClosed"));
    assert_eq!(failure.to_string(), "the gateway is closed until nine");
    let FailureKind::Activity(activity) = failure.kind() else { panic!("{failure:?}") };
    assert_eq!(activity.retry_state, RetryState::NonRetryableFailure);
}

#[tokio::test(start_paused = true)]
async fn fail_3_a_panic_keeps_its_message_and_place_also_behind_an_await() {
    let place = format!("at {}:{}:", file!(), line!() + 5);
    let (result, history) = play(twice(), |ctx, ()| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let numbers: Vec<u32> = Vec::new();
        if ctx.attempt() == 1 {
            return Ok(numbers[ctx.attempt() as usize]);
        }
        Ok(2)
    })
    .await;
    assert_eq!(result.unwrap(), 2);
    let (failure, _) = before_last(&history);
    assert_eq!(failure.application_type(), Some("PanicError"));
    assert_eq!(failure.message(), "index out of bounds: the len is 0 but the index is 1");
    assert!(failure.stack_trace().starts_with(&place), "{} {place}", failure.stack_trace());
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Declined {
    code: u32,
    advice: String,
}

#[tokio::test(start_paused = true)]
async fn typed_details_go_from_the_activity_to_the_workflow_and_to_the_client() {
    const READS: Workflow<(), u32> = Workflow::new("reads");
    let declined = Declined { code: 51, advice: "ask the bank".to_owned() };
    let told = declined.clone();
    let engine = TestEngine::builder()
        .workflow(READS, |ctx: WorkflowContext, ()| async move {
            let failure = ctx.activity(WORK, ()).await.unwrap_err();
            let declined: Declined = failure.details().unwrap()?;
            let own = Declined { code: declined.code + 1, ..declined };
            Err(Failure::application("Refused", "no money").with_details(&own)?.with_cause(failure))
        })
        .activity(WORK, move |_, ()| {
            let told = told.clone();
            async move { Err(Failure::non_retryable("Declined", "no").with_details(&told)?) }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(READS, ()).await.unwrap();
    let error = run.result().await.unwrap_err();
    let failure = error.failure().unwrap();
    let own: Declined = failure.details().unwrap().unwrap();
    assert_eq!(own, Declined { code: 52, ..declined.clone() });
    assert_eq!(failure.root_cause().details(), Some(Ok(declined)));
    assert_eq!(failure.to_string(), "no money: no");
}

#[tokio::test(start_paused = true)]
async fn fail_2_details_and_contexts_of_a_nested_error_go_all_the_way() {
    let (result, _) = play(twice(), |_, ()| async {
        let declined = Declined { code: 51, advice: "ask the bank".to_owned() };
        let failure = Failure::non_retryable("Declined", "no").with_details(&declined)?;
        Err(failure.into_error()).context("charge the card").context("pay the order")
    })
    .await;
    let error = result.unwrap_err();
    let failure = error.failure().unwrap();
    assert_eq!(failure.to_string(), "pay the order: charge the card: no");
    let contexts: Vec<_> = failure.cause().unwrap().contexts().collect();
    assert_eq!(contexts, ["pay the order", "charge the card"]);
    assert_eq!(failure.application_type(), Some("Declined"));
    assert_eq!(failure.details::<Declined>().unwrap().unwrap().code, 51);
    // What it is not is told with its type.
    let wrong = failure.details::<u64>().unwrap().unwrap_err();
    assert!(wrong.to_string().contains("is not a `u64`"), "{wrong}");
}
