//! How loudly failures are logged. Alone in its program: what is logged on one thread depends on
//! who listens on the others.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entracte::model::RetryPolicy as OwnedPolicy;
use entracte::prelude::*;
use entracte::{FailureKind, RetryState};
use entracte_testing::TestEngine;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const WORK: Activity<(), u32> =
    Activity::new("work").start_to_close_timeout(Duration::from_secs(10));
const CALL: Workflow<(), u32> = Workflow::new("call");

async fn call(ctx: WorkflowContext, (): ()) -> WorkflowResult<u32> {
    let twice = OwnedPolicy { maximum_attempts: 2, ..OwnedPolicy::default() };
    ctx.activity(WORK, ()).retry_policy(twice).await
}

/// What is logged of failures, as level and message.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Logged {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        if message.0.contains("failed") {
            let level = event.metadata().level();
            self.0.lock().unwrap().push(format!("{level} {}", message.0));
        }
    }
}

/// Lets every attempt end in the failure; gives what the client gets, and what is logged.
async fn play(failure: Failure, logged: &Logged) -> (Failure, Vec<String>) {
    let engine = TestEngine::builder()
        .workflow(CALL, call)
        .activity(WORK, move |_: ActivityContext, ()| std::future::ready(Err(failure.clone())))
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, ()).await.unwrap();
    let failure = run.result().await.unwrap_err().failure().unwrap().clone();
    (failure, std::mem::take(&mut *logged.0.lock().unwrap()))
}

#[tokio::test(start_paused = true)]
async fn fail_8_benign_failures_are_logged_at_debug_level_and_are_failures_in_all_else() {
    let logged = Logged::default();
    tracing_subscriber::registry().with(logged.clone()).init();
    let failure = Failure::application("NotYet", "not yet");
    let (_, lines) = play(failure.clone(), &logged).await;
    let loud = ["WARN an attempt failed", "WARN an attempt failed", "WARN a run failed"];
    assert_eq!(lines, loud);
    let (failure, lines) = play(failure.benign(), &logged).await;
    assert!(failure.is_benign());
    let FailureKind::Activity(activity) = failure.kind() else { panic!("{failure:?}") };
    assert_eq!(activity.retry_state, RetryState::MaximumAttemptsReached);
    let expected = "failed, as may be expected";
    let [attempt, run] = ["an attempt", "a run"].map(|what| format!("DEBUG {what} {expected}"));
    assert_eq!(lines, [attempt.clone(), attempt, run]);
}
