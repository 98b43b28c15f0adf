//! Headers travel along with calls: journaled, limited, and readable where they arrive (rules
//! WRK-3 and LIM-4).

use std::time::Duration;

use entracte::prelude::*;
use entracte::{
    ClientCall, ClientCallKind, EventAttributes, Headers, Interceptor, Payload, PropagateHeaders,
    StartWorkflowError, WorkflowCall, WorkflowCallKind, WorkflowInfo,
};
use entracte_testing::{CrashTest, Outcome, TestEngine};

const TELL: Activity<String, String> =
    Activity::new("tell").start_to_close_timeout(Duration::from_secs(10));
const ASK: Workflow<(), String> = Workflow::new("ask");
const GO: Signal<String> = Signal::new("go");

fn headers(name: &str, value: &str) -> Headers {
    let mut headers = Headers::new();
    headers.insert(name, value).unwrap();
    headers
}

fn text(headers: &Headers, name: &str) -> String {
    headers.get(name).map_or_else(|| "none".to_owned(), Result::unwrap)
}

/// Gives the header that it got.
async fn tell(ctx: ActivityContext, name: String) -> ActivityResult<String> {
    Ok(text(ctx.headers(), &name))
}

/// Calls with what it was started and signalled with.
async fn ask(ctx: WorkflowContext, (): ()) -> WorkflowResult<String> {
    let started = text(ctx.headers(), "user");
    let mut signals = ctx.signals(GO);
    assert!(signals.headers().is_empty());
    let value = signals.recv().await;
    let signaled = text(signals.headers(), "user");
    let called = headers("user", &format!("{started}+{signaled}"));
    let told = ctx.activity(TELL, "user".to_owned()).headers(called).await?;
    Ok(format!("{value} {told}"))
}

#[tokio::test(start_paused = true)]
async fn wrk_3_headers_reach_workflow_signal_and_activity_and_are_in_the_history() {
    let engine =
        TestEngine::builder().workflow(ASK, ask).activity(TELL, tell).start().await.unwrap();
    let run = engine.start_workflow(ASK, ()).headers(headers("user", "ada")).await.unwrap();
    run.signal(GO, "go".to_owned()).headers(headers("user", "bob")).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "go ada+bob");
    let history = run.history().await.unwrap();
    let journaled: Vec<_> = history
        .iter()
        .filter_map(|event| match &event.attributes {
            EventAttributes::WorkflowExecutionStarted(it) => Some(text(&it.headers, "user")),
            EventAttributes::WorkflowExecutionSignaled(it) => Some(text(&it.headers, "user")),
            EventAttributes::ActivityTaskScheduled(it) => Some(text(&it.headers, "user")),
            _ => None,
        })
        .collect();
    assert_eq!(journaled, ["ada", "bob", "ada+bob"]);
}

#[tokio::test(start_paused = true)]
async fn wrk_3_headers_go_along_with_a_signal_to_another_workflow() {
    const SEND: Workflow<String, ()> = Workflow::new("send");
    let engine = TestEngine::builder()
        .interceptor(PropagateHeaders::named(["user"]))
        .workflow(ASK, |ctx: WorkflowContext, ()| async move {
            let mut signals = ctx.signals(GO);
            signals.recv().await;
            Ok(["user", "way", "other"].map(|name| text(signals.headers(), name)).join(" "))
        })
        .workflow(SEND, |ctx: WorkflowContext, target| async move {
            let other = ctx.external_workflow(target);
            other.signal(GO, String::new()).headers(headers("way", "long")).await
        })
        .start()
        .await
        .unwrap();
    let receiver = engine.start_workflow(ASK, ()).workflow_id("receiver").await.unwrap();
    let mut own = headers("user", "ada");
    own.insert("other", "stays").unwrap();
    let sender = engine.start_workflow(SEND, "receiver".to_owned()).headers(own).await.unwrap();
    sender.result().await.unwrap();
    assert_eq!(receiver.result().await.unwrap(), "ada long none");
}

#[test]
fn wrk_3_headers_survive_a_crash_at_every_commit() {
    let report = CrashTest::new(
        |engine| {
            // The first attempt fails, so that the second one is read from the store.
            let tell_later = |ctx: ActivityContext, name| async move {
                if ctx.attempt() == 1 {
                    return Err(Failure::application("NotYet", "not yet"));
                }
                tell(ctx, name).await
            };
            engine.workflow(ASK, ask).activity(TELL, tell_later)
        },
        async |engine| {
            let start = engine.start_workflow(ASK, ()).workflow_id("one").request_id("one");
            let run = start.headers(headers("user", "ada")).await?;
            let signal = run.signal(GO, "go".to_owned()).request_id("go");
            signal.headers(headers("user", "bob")).await?;
            Ok(())
        },
    )
    .run()
    .unwrap();
    let outcomes: Vec<_> = report.outcomes.values().flatten().cloned().collect();
    assert_eq!(outcomes, [Outcome::Completed(Payload::encode("go ada+bob").unwrap())]);
}

#[tokio::test(start_paused = true)]
async fn lim_4_headers_are_limited_as_arguments_are() {
    let engine = TestEngine::builder()
        .payload_bytes_max(100)
        .workflow(ASK, |ctx: WorkflowContext, ()| async move {
            ctx.signals(GO).recv().await;
            let large = headers("large", &"x".repeat(100));
            ctx.activity(TELL, String::new()).headers(large).await
        })
        .activity(TELL, tell)
        .start()
        .await
        .unwrap();
    let large = || headers("large", &"x".repeat(100));
    let error = engine.start_workflow(ASK, ()).headers(large()).await.unwrap_err();
    let StartWorkflowError::HeadersTooLarge { bytes: 107, limit: 100 } = error else {
        panic!("{error:?}")
    };
    let run = engine.start_workflow(ASK, ()).headers(headers("a", "small")).await.unwrap();
    let error = run.signal(GO, String::new()).headers(large()).await.unwrap_err();
    assert_eq!(error.to_string(), "the headers of 107 bytes are larger than the 100 bytes allowed");
    run.signal(GO, String::new()).await.unwrap();
    let error = run.result().await.unwrap_err();
    let WorkflowError::Terminated { reason, .. } = error else { panic!("{error:?}") };
    assert_eq!(
        reason,
        "headers of 107 bytes with the argument of activity tell are larger than the 100 bytes \
         allowed"
    );
}

/// Says who calls, counts what it sees, and refuses what has no reason.
struct Sender;

impl Interceptor for Sender {
    fn client_call(&self, call: &mut ClientCall) -> Result<(), Failure> {
        let kind = match &call.kind {
            ClientCallKind::StartWorkflow { workflow_type, .. } => format!("start {workflow_type}"),
            ClientCallKind::SignalWorkflow { signal_name, workflow_id, .. } => {
                call.input = vec![Payload::encode("changed")?];
                format!("signal {signal_name} {workflow_id}")
            }
            ClientCallKind::QueryWorkflow { query, .. } => {
                return Err(Failure::application("Closed", format!("nobody may ask for {query}")));
            }
            other => panic!("{other:?}"),
        };
        call.headers.insert("kind", &kind)?;
        if call.headers.get_payload("refused").is_some() {
            return Err(Failure::application("Refused", "no"));
        }
        Ok(())
    }

    fn workflow_call(&self, workflow: &WorkflowInfo<'_>, call: &mut WorkflowCall) {
        if let WorkflowCallKind::ScheduleActivity { activity_type } = &call.kind {
            let way = format!("{} calls {activity_type}", workflow.workflow_type);
            call.headers.insert("way", &way).unwrap();
            call.headers.add_missing(workflow.headers);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn wrk_3_a_client_s_interceptor_changes_and_refuses_calls() {
    const STATUS: Query<u32> = Query::new("status");
    let engine = TestEngine::builder()
        .interceptor(Sender)
        .workflow(ASK, |ctx: WorkflowContext, ()| async move {
            ctx.publish(STATUS, 1);
            let mut signals = ctx.signals(GO);
            let value = signals.recv().await;
            let signaled = text(signals.headers(), "kind");
            let kind = ctx.activity(TELL, "kind".to_owned()).await?;
            let way = ctx.activity(TELL, "way".to_owned()).await?;
            Ok(format!("{value}; {signaled}; {kind}; {way}"))
        })
        .activity(TELL, tell)
        .start()
        .await
        .unwrap();
    let refused = engine.start_workflow(ASK, ()).headers(headers("refused", "")).await;
    let error = refused.unwrap_err();
    assert_eq!(error.to_string(), "an interceptor refused it: no");
    let run = engine.start_workflow(ASK, ()).workflow_id("w").await.unwrap();
    let error = run.query(STATUS).await.unwrap_err();
    assert!(matches!(error, QueryError::Refused { .. }), "{error:?}");
    let refused = run.signal(GO, "original".to_owned()).headers(headers("refused", "")).await;
    assert!(matches!(refused, Err(SignalError::Refused { .. })), "{refused:?}");
    run.signal(GO, "original".to_owned()).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "changed; signal go w; start ask; ask calls tell");
}
