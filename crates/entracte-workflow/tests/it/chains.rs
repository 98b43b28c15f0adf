//! Chains of runs, as their turns decide them: continue-as-new and retries.

use std::time::Duration;

use entracte_model::event::*;
use entracte_model::{
    EventAttributes, EventId, Failure, Payload, RetryPolicy, RetryState, RunId, id::RunPurpose,
};
use entracte_workflow::{Activity, Interceptor, Signal, Workflow, WorkflowContext};

use crate::rig::*;

const TEST: Workflow<u64, u64> = Workflow::new("test");
const OTHER: Workflow<String, u64> = Workflow::new("other");
const STEP: Activity<(), ()> = Activity::new("step").start_to_close_timeout(SECOND);
const ADD: Signal<u64> = Signal::new("add");

fn with_options(input: u64, set: impl FnOnce(&mut WorkflowExecutionStarted)) -> EventAttributes {
    let EventAttributes::WorkflowExecutionStarted(mut started) = started(&input) else { panic!() };
    set(&mut started);
    EventAttributes::WorkflowExecutionStarted(started)
}

fn continued(rig: &Rig) -> &WorkflowExecutionContinuedAsNew {
    match &rig.events.last().unwrap().attributes {
        EventAttributes::WorkflowExecutionContinuedAsNew(next) => next,
        other => panic!("{other:?}"),
    }
}

#[test]
fn cnt_1_a_run_ends_with_what_the_next_one_begins_with() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, number: u64| {
        ctx.activity(STEP, ()).await?;
        ctx.continue_as_new(TEST, number + 1).await
    });
    assert_eq!(rig.start(7_u64), ["schedule 1 step"]);
    assert_eq!(rig.complete(1, ()), ["continue as new: test 8"]);
    let next = continued(&rig);
    let last = rig.events.last().unwrap();
    let derived = RunId::derive(run_id(), last.id, last.time, RunPurpose::ContinueAsNew);
    assert_eq!(next.new_execution_run_id, derived);
    assert_eq!(rig.state.new_execution_run_id, Some(derived));
    assert!(rig.machine.is_closed());
    assert!(rig.turn(vec![]).is_empty());
}

#[test]
fn cnt_2_what_is_carried_and_what_begins_anew() {
    let policy = RetryPolicy { maximum_attempts: 3, ..RetryPolicy::default() };
    let deadline = entracte_model::Timestamp::from_unix_millis(99_000);
    let start = with_options(7, |started| {
        started.retry_policy = Some(policy.clone());
        started.run_timeout = Some(SECOND);
        started.execution_timeout = Some(9 * SECOND);
        started.execution_expiration = Some(deadline);
        started.attempt = 2;
        started.continued_failure = Some(declined());
        started.headers.insert("tenant", &"t").unwrap();
    });
    let mut rig = Rig::new(async |ctx: WorkflowContext, number: u64| {
        ctx.continue_as_new(TEST, number + 1).await
    });
    assert_eq!(rig.turn(vec![start.clone()]), ["continue as new: test 8"]);
    let EventAttributes::WorkflowExecutionStarted(before) = start else { panic!() };
    let next = continued(&rig).clone();
    let started = before.continued(run_id(), &next);
    assert_eq!(started.input, [Payload::encode(&8_u64).unwrap()]);
    assert_eq!(started.retry_policy, Some(policy));
    assert_eq!(started.run_timeout, Some(SECOND));
    assert_eq!(started.execution_expiration, Some(deadline));
    assert_eq!(started.headers, before.headers);
    assert_eq!(started.first_execution_run_id, run_id());
    assert_eq!(started.continued_execution_run_id, Some(run_id()));
    assert_eq!(started.initiator, Some(ContinueAsNewInitiator::Workflow));
    assert_eq!((started.attempt, started.continued_failure), (1, None));
    assert_eq!(started.randomness_seed, next.new_execution_run_id.randomness_seed());
}

#[test]
fn cnt_2_workflow_and_options_can_be_changed() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, _: u64| {
        ctx.continue_as_new(OTHER, "on".to_owned())
            .run_timeout(5 * SECOND)
            .retry_policy(entracte_workflow::RetryPolicy::none())
            .backoff_start_interval(2 * SECOND)
            .await
    });
    assert_eq!(rig.start(1_u64), ["continue as new: other ()"]);
    let next = continued(&rig);
    assert_eq!(next.run_timeout, Some(5 * SECOND));
    assert_eq!(next.retry_policy.as_ref().unwrap().maximum_attempts, 1);
    assert_eq!(next.backoff_start_interval, Some(2 * SECOND));
    assert!(next.source.as_str().contains("chains.rs:"), "{}", next.source);
}

#[test]
fn what_a_run_has_issued_stands_before_its_end_and_what_it_holds_is_dropped_without_effects() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, _: u64| {
        let mut step = std::pin::pin!(ctx.activity(STEP, ()).start());
        let timer = ctx.sleep(60 * SECOND);
        ctx.saga(async |saga| {
            saga.undo(ctx.activity(REFUND, 1));
            entracte_workflow::select! {
                result = step.as_mut() => result.map(|()| 1),
                next = ctx.continue_as_new(TEST, 2) => next,
            }
        })
        .await?;
        timer.await;
        Ok(3)
    });
    assert_eq!(
        rig.start(1_u64),
        ["schedule 1 step", "start timer 2 60s", "continue as new: test 2"]
    );
}

#[test]
fn a_continuation_that_is_dropped_in_its_poll_continues_nothing() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, _: u64| {
        let next = ctx.continue_as_new(TEST, 2);
        entracte_workflow::select! {
            next = next => return next,
            () = std::future::ready(()) => {}
        }
        ctx.activity(STEP, ()).await?;
        Ok(3)
    });
    assert_eq!(rig.start(1_u64), ["schedule 1 step"]);
    assert_eq!(rig.complete(1, ()), ["complete 3"]);
}

#[test]
fn what_cannot_be_continued_is_a_failure_of_the_workflow() {
    struct Unencodable;
    impl serde::Serialize for Unencodable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("never"))
        }
    }
    const NONE: Workflow<Unencodable, u64> = Workflow::new("none");
    let mut rig = Rig::new(async |ctx: WorkflowContext, _: u64| {
        let failure = ctx.continue_as_new(NONE, Unencodable).await.unwrap_err();
        assert_eq!(failure.application_type(), Some("EncodeError"));
        let call = ctx.continue_as_new(TEST, 1).run_timeout(Duration::ZERO);
        let failure = call.await.unwrap_err();
        assert_eq!(failure.application_type(), Some("InvalidContinueAsNewOptions"));
        Ok(9)
    });
    assert_eq!(rig.start(1_u64), ["complete 9"]);
}

#[test]
fn sig_8_unread_signals_are_the_next_runs_in_the_order_in_which_they_came() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, _: u64| {
        ctx.signals(ADD).recv().await;
        ctx.activity(STEP, ()).await?;
        ctx.continue_as_new(TEST, 2).await
    });
    rig.start(1_u64);
    assert_eq!(rig.signal("add", 1_u64), ["schedule 1 step"]);
    rig.signal("name", "a");
    rig.signal("add", 2_u64);
    rig.signal("name", "b");
    assert_eq!(rig.complete(1, ()), ["continue as new: test 2"]);
    let carried = rig.machine.take_carried_signals();
    let brief: Vec<_> = carried.iter().map(|signal| &*signal.request_id).collect();
    assert_eq!(brief, ["name-\"a\"", "add-2", "name-\"b\""]);
    assert!(carried.iter().all(|signal| !signal.with_previous));
    assert!(rig.machine.unread_signals().is_empty(), "they are not lost");
}

#[test]
fn a_run_that_was_asked_to_cancel_can_continue_as_new() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, _: u64| {
        ctx.cancelled().await;
        ctx.continue_as_new(TEST, 2).await
    });
    rig.start(1_u64);
    assert_eq!(rig.cancel(), ["continue as new: test 2"]);
}

#[test]
fn det_1_another_workflow_to_go_on_with_is_a_mismatch() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, _: u64| {
        ctx.activity(STEP, ()).await?;
        ctx.continue_as_new(TEST, 2).await
    });
    rig.start(1_u64);
    rig.complete(1, ());
    let other = erase(async |ctx: WorkflowContext, _: u64| {
        ctx.activity(STEP, ()).await?;
        ctx.continue_as_new(OTHER, "on".to_owned()).await
    });
    let error = entracte_workflow::replay(other, run_id(), &rig.events).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("continues as new, as `other`"), "{text}");
    assert!(text.contains("WorkflowExecutionContinuedAsNew `test`"), "{text}");
}

#[test]
fn an_interceptor_sees_what_goes_on() {
    struct Counts;
    impl Interceptor for Counts {
        fn workflow_call(
            &self,
            _: &entracte_workflow::WorkflowInfo<'_>,
            call: &mut entracte_workflow::WorkflowCall,
        ) {
            if matches!(call.kind, entracte_workflow::WorkflowCallKind::ContinueAsNew { .. }) {
                call.headers.insert("seen", &true).unwrap();
            }
        }
    }
    let mut registry = entracte_workflow::Registry::new();
    registry.interceptor(Counts);
    registry.workflow(TEST, async |ctx: WorkflowContext, _| ctx.continue_as_new(TEST, 2).await);
    let workflow = registry.find_workflow("test").unwrap();
    let mut machine = entracte_workflow::Machine::new(workflow);
    let state = entracte_workflow::HistoryState::new();
    let now = entracte_model::Timestamp::from_unix_millis(1_000);
    let events =
        entracte_workflow::turn(&mut machine, &state, run_id(), now, vec![started(&1)]).unwrap();
    let EventAttributes::WorkflowExecutionContinuedAsNew(next) = &events[1].attributes else {
        panic!()
    };
    assert!(next.headers.get_payload("seen").is_some());
}

/// How a run fails that has begun like this.
fn fail_with(
    set: impl FnOnce(&mut WorkflowExecutionStarted),
    failure: fn() -> Failure,
) -> WorkflowExecutionFailed {
    let mut rig =
        Rig::new(move |_: WorkflowContext, _: u64| async move { Err::<u64, _>(failure()) });
    rig.turn(vec![with_options(1, set)]);
    match &rig.events[1].attributes {
        EventAttributes::WorkflowExecutionFailed(failed) => failed.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ret_11_the_close_of_a_run_says_whether_another_one_follows() {
    let policy = || Some(RetryPolicy { maximum_attempts: 2, ..RetryPolicy::default() });
    let failed = fail_with(|_| {}, declined);
    assert_eq!(failed.retry_state, RetryState::RetryPolicyNotSet);
    assert_eq!(failed.new_execution_run_id, None);
    let failed = fail_with(|it| it.retry_policy = policy(), declined);
    assert_eq!(failed.retry_state, RetryState::InProgress);
    let time = entracte_model::Timestamp::from_unix_millis(2_000);
    let derived = RunId::derive(run_id(), EventId::new(2), time, RunPurpose::Retry);
    assert_eq!(failed.new_execution_run_id, Some(derived));
    let second = |it: &mut WorkflowExecutionStarted| {
        it.retry_policy = policy();
        it.attempt = 2;
    };
    let failed = fail_with(second, declined);
    assert_eq!(failed.retry_state, RetryState::MaximumAttemptsReached);
    let failed =
        fail_with(|it| it.retry_policy = policy(), || Failure::non_retryable("Declined", "no"));
    assert_eq!(failed.retry_state, RetryState::NonRetryableFailure);
    let expiring = |millis| {
        move |it: &mut WorkflowExecutionStarted| {
            it.retry_policy = Some(RetryPolicy::default());
            let expiration = entracte_model::Timestamp::from_unix_millis(millis);
            it.execution_expiration = Some(expiration);
        }
    };
    // The turn is at second 2, the next run would begin at second 3 (rule RET-12).
    assert_eq!(fail_with(expiring(3_000), declined).retry_state, RetryState::InProgress);
    assert_eq!(fail_with(expiring(2_999), declined).retry_state, RetryState::Timeout);
}

/// Only the top of a failure decides (rule RET-10): what wraps one that is not retryable is.
#[test]
fn ret_10_a_wrapped_failure_is_retried() {
    let failed = fail_with(
        |it| it.retry_policy = Some(RetryPolicy::default()),
        || {
            let cause = Failure::non_retryable("Declined", "no");
            Failure::activity(entracte_model::failure::ActivityFailure::default(), cause)
        },
    );
    assert_eq!(failed.retry_state, RetryState::InProgress);
}
