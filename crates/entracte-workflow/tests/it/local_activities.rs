//! Local activities: no event before the marker of their end (rules LAC-1 to LAC-5).

use std::time::Duration;

use entracte_model::PendingLimits;
use entracte_model::event::*;
use entracte_model::failure::ActivityFailure;
use entracte_model::{
    ActivityCancellationType, EventAttributes, EventId, Failure, FailureKind, Headers,
    LocalActivityOptions, Payload, RetryState, Seq, SourceLocation, Timestamp, WorkflowId,
};
use entracte_workflow::{
    Activation, Activity, ActivityResolution, Command, HistoryError, HistoryState,
    InitializeWorkflow, Job, LocalActivity, Machine, OutstandingKind, PendingCounts, ReplayError,
    TurnFailure, WorkflowContext, join, replay, select,
};

use crate::rig::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn marker_of(local: &LocalActivity, outcome: LocalActivityOutcome) -> EventAttributes {
    EventAttributes::MarkerRecorded(MarkerRecorded {
        marker: Marker::LocalActivity(LocalActivityMarker {
            seq: local.seq,
            activity_id: local.activity_id.clone(),
            activity_type: local.activity_type.clone(),
            attempt: local.attempt,
            outcome,
            source: local.source.clone(),
        }),
    })
}

impl Rig {
    fn local(&self, seq: u32) -> LocalActivity {
        self.machine.local_activity(Seq::new(seq)).unwrap()
    }

    fn marker(&self, seq: u32, outcome: LocalActivityOutcome) -> Vec<EventAttributes> {
        vec![marker_of(&self.local(seq), outcome)]
    }

    fn complete_local(&mut self, seq: u32, output: u64) -> Vec<String> {
        self.turn(self.marker(seq, completed(output)))
    }

    fn back_off(&mut self, seq: u32) -> Vec<String> {
        let local = self.local(seq);
        let outcome = LocalActivityOutcome::Backoff {
            attempt: local.attempt + 1,
            backoff_duration: HOUR,
            original_schedule_time: local.original_schedule_time,
            last_failure: Some(declined()),
        };
        self.turn(self.marker(seq, outcome))
    }
}

fn completed(output: u64) -> LocalActivityOutcome {
    LocalActivityOutcome::Completed { result: Payload::encode(&output).unwrap() }
}

fn activation(time_ms: u64, job: Job) -> Activation {
    Activation {
        run_id: run_id(),
        time: Timestamp::from_unix_millis(time_ms),
        is_replaying: false,
        history_length: 1,
        history_size: 100,
        pending: PendingCounts::default(),
        jobs: vec![job],
    }
}

fn initialize() -> Job {
    Job::InitializeWorkflow(Box::new(InitializeWorkflow {
        workflow_id: WorkflowId::new("order-42").unwrap(),
        workflow_type: "test".into(),
        input: vec![Payload::encode(&5_u64).unwrap()],
        headers: Headers::new(),
        task_queue: "default".into(),
        attempt: 1,
        randomness_seed: 42,
        first_execution_run_id: run_id(),
        continued_execution_run_id: None,
        continued_failure: None,
        limits: PendingLimits::default(),
    }))
}

fn resolve(seq: u32, resolution: ActivityResolution) -> Job {
    Job::ResolveActivity { seq: Seq::new(seq), resolution, is_local: true }
}

#[test]
fn lac_3_the_exact_commands_of_a_call_over_a_durable_timer() {
    let line = line!() + 3;
    let workflow = erase(async |ctx: WorkflowContext, cents: u64| {
        let cancellation_type = ActivityCancellationType::TryCancel;
        ctx.local_activity(CHARGE, cents).cancellation_type(cancellation_type).await
    });
    let source = SourceLocation::new(format!("{}:{line}", file!()));
    let scheduled = |seq, attempt| Command::ScheduleLocalActivity {
        seq: Seq::new(seq),
        activity_id: "1".into(),
        activity_type: "charge".into(),
        input: vec![Payload::encode(&5_u64).unwrap()],
        headers: Headers::new(),
        options: LocalActivityOptions {
            start_to_close_timeout: Some(SECOND),
            cancellation_type: ActivityCancellationType::TryCancel,
            ..LocalActivityOptions::default()
        },
        attempt,
        original_schedule_time: Timestamp::from_unix_millis(1_000),
        source: source.clone(),
    };
    let mut machine = Machine::new(workflow);
    assert_eq!(machine.activate(activation(1_000, initialize())).unwrap(), [scheduled(1, 1)]);
    let resolution = ActivityResolution::Backoff {
        attempt: 3,
        backoff_duration: HOUR,
        original_schedule_time: Timestamp::from_unix_millis(1_000),
        last_failure: Some(declined()),
    };
    let timer = Command::StartTimer {
        seq: Seq::new(2),
        start_to_fire_timeout: HOUR,
        source: source.clone(),
    };
    assert_eq!(machine.activate(activation(2_000, resolve(1, resolution))).unwrap(), [timer]);
    let fired = Job::FireTimer { seq: Seq::new(2) };
    assert_eq!(machine.activate(activation(9_000, fired)).unwrap(), [scheduled(3, 3)]);
    let local = machine.local_activity(Seq::new(3)).unwrap();
    assert_eq!(local.scheduled_time, Timestamp::from_unix_millis(9_000));
    assert_eq!(local.last_failure, Some(declined()));
    let result = Payload::encode(&6_u64).unwrap();
    let end = resolve(3, ActivityResolution::Completed(result.clone()));
    let complete = Command::CompleteWorkflowExecution { result };
    assert_eq!(machine.activate(activation(9_500, end)).unwrap(), [complete]);
}

#[test]
fn lac_1_a_local_activity_leaves_one_event_its_end() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let sleep = ctx.sleep(SECOND);
        let charged = ctx.local_activity(CHARGE, cents).await?;
        sleep.await;
        Ok(charged + ctx.local_activity(SHIP, cents).await?)
    });
    assert_eq!(rig.start(1), ["start timer 1 1s"]);
    assert_eq!(rig.local, ["run 2 charge #1"]);
    let outstanding = rig.machine.outstanding();
    let kind = OutstandingKind::LocalActivity { attempt: 1, backs_off: false };
    assert_eq!((outstanding[1].kind, outstanding[1].seq), (kind, Seq::new(2)));
    assert!(rig.complete_local(2, 20).is_empty());
    assert_eq!(rig.local, ["2 is gone"]);
    assert!(rig.fire(1).is_empty());
    assert_eq!(rig.local, ["run 3 ship #1"]);
    assert_eq!(rig.complete_local(3, 5), ["complete 25"]);
    let numbers: Vec<_> =
        rig.events.iter().map(|event| event.attributes.event_type().number()).collect();
    assert_eq!(numbers, [1, 17, 25, 18, 25, 2]);
    assert_eq!(rig.state.local_activities, [Seq::new(2), Seq::new(3)].into());
}

#[test]
fn local_activity_concurrent_and_serial() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let (a, b) = join!(ctx.local_activity(CHARGE, cents), ctx.local_activity(SHIP, cents));
        let mut sum = a? + b?;
        for _ in 0..3 {
            sum += ctx.local_activity(CHARGE, cents).await?;
        }
        Ok(sum)
    });
    assert!(rig.start(1).is_empty());
    assert_eq!(rig.local, ["run 1 charge #1", "run 2 ship #1"]);
    assert!(rig.complete_local(2, 1).is_empty());
    assert_eq!(rig.local, ["2 is gone"]);
    assert!(rig.complete_local(1, 10).is_empty());
    assert_eq!(rig.local, ["1 is gone", "run 3 charge #1"]);
    assert!(rig.complete_local(3, 100).is_empty());
    assert!(rig.complete_local(4, 1_000).is_empty());
    assert_eq!(rig.complete_local(5, 10_000), ["complete 11111"]);
}

#[test]
fn fail_1_a_failure_of_a_local_activity_has_the_same_wrapper() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let failure = ctx.local_activity(CHARGE, cents).await.unwrap_err();
        let wrapper = ActivityFailure {
            scheduled_event_id: EventId::default(),
            started_event_id: EventId::default(),
            activity_type: "charge".to_owned(),
            activity_id: "1".to_owned(),
            retry_state: RetryState::NonRetryableFailure,
        };
        assert_eq!(failure.kind(), &FailureKind::Activity(wrapper));
        assert_eq!(failure.cause(), Some(&declined()));
        Ok(7)
    });
    rig.start(1);
    let retry_state = RetryState::NonRetryableFailure;
    let failed = LocalActivityOutcome::Failed { failure: declined(), retry_state };
    assert_eq!(rig.turn(rig.marker(1, failed)), ["complete 7"]);
}

#[test]
fn lac_2_a_call_without_a_timeout_fails_at_once_and_leaves_nothing() {
    const ENDLESS: Activity<u64, u64> = Activity::new("endless");
    let mut rig = Rig::new(async |ctx: WorkflowContext, (): ()| {
        let failure = ctx.local_activity(ENDLESS, 1).await.unwrap_err();
        Ok(failure.application_type().unwrap_or_default().to_owned())
    });
    assert_eq!(rig.start(()), ["complete InvalidActivityOptions"]);
    assert!(rig.local.is_empty());
}

#[test]
fn acx_2_what_is_dropped_before_it_left_its_turn_was_nothing() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        drop(ctx.local_activity(CHARGE, cents).start());
        ctx.sleep(SECOND).await;
        Ok(1)
    });
    assert_eq!(rig.start(1), ["start timer 2 1s"]);
    assert_eq!(rig.local, ["1 is gone"]);
    assert_eq!(rig.fire(2), ["complete 1"]);
}

#[test]
fn acx_1_a_dropped_local_activity_leaves_no_event_and_is_not_waited_for() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        select! {
            result = ctx.local_activity(CHARGE, cents) => return result,
            () = ctx.sleep(SECOND) => {}
        }
        ctx.activity(SHIP, cents).await
    });
    assert_eq!(rig.start(1), ["start timer 2 1s"]);
    assert_eq!(rig.fire(2), ["schedule 3 ship"]);
    assert_eq!(rig.local, ["1 is gone"]);
    assert_eq!(rig.complete(3, 4), ["complete 4"]);
}

/// A workflow that waits for a local activity of a cancellation type.
fn waiting(cancellation_type: ActivityCancellationType) -> Rig {
    Rig::new(move |ctx: WorkflowContext, cents: u64| async move {
        let call = ctx.local_activity(CHARGE, cents).cancellation_type(cancellation_type);
        let failure = call.await.unwrap_err();
        assert!(failure.is_canceled(), "{failure}");
        Ok(failure.cause().and_then(Failure::details::<u64>).map_or(0, Result::unwrap))
    })
}

#[test]
fn lac_5_try_cancel_and_abandon_resolve_at_once_within_the_turn() {
    for cancellation_type in
        [ActivityCancellationType::TryCancel, ActivityCancellationType::Abandon]
    {
        let mut rig = waiting(cancellation_type);
        rig.start(1);
        assert_eq!(rig.cancel(), ["complete 0"], "{cancellation_type:?}");
    }
}

#[test]
fn lac_5_wait_cancellation_completed_waits_for_the_outcome() {
    let mut rig = waiting(ActivityCancellationType::WaitCancellationCompleted);
    rig.start(1);
    assert!(rig.cancel().is_empty());
    assert_eq!(rig.local, ["cancel 1 charge"]);
    let details = Payload::encode(&9_u64).ok();
    let canceled = LocalActivityOutcome::Canceled { details };
    assert_eq!(rig.turn(rig.marker(1, canceled)), ["complete 9"]);
}

#[test]
fn can_3_a_shielded_local_activity_is_not_cancelled() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let first = ctx.shield(ctx.local_activity(CHARGE, cents)).await?;
        let unshielded = ctx.local_activity(SHIP, cents).await;
        assert!(unshielded.is_err_and(|failure| failure.is_canceled()));
        Ok(first)
    });
    rig.start(1);
    assert!(rig.cancel().is_empty());
    assert!(rig.local.is_empty());
    rig.back_off(1);
    rig.fire(2);
    assert_eq!(rig.complete_local(3, 4), ["complete 4"]);
}

#[test]
fn lac_3_a_durable_back_off_keeps_id_and_times_and_needs_no_poll() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let started = ctx.local_activity(CHARGE, cents).start();
        ctx.sleep(10 * HOUR).await;
        started.await
    });
    rig.start(1);
    let first = rig.local(1);
    // Nobody polls the call, and it goes on.
    assert_eq!(rig.back_off(1), ["start timer 3 3600s"]);
    assert_eq!(rig.local, ["1 is gone", "3 charge backs off"]);
    let kind = OutstandingKind::LocalActivity { attempt: 2, backs_off: true };
    assert_eq!(rig.machine.outstanding()[0].kind, kind);
    assert!(rig.fire(3).is_empty());
    assert_eq!(rig.local, ["3 is gone", "run 4 charge #2"]);
    let again = rig.local(4);
    assert_eq!((&*again.activity_id, again.attempt), ("1", 2));
    assert_eq!(again.original_schedule_time, first.original_schedule_time);
    assert!(again.scheduled_time > first.scheduled_time);
    assert_eq!(rig.back_off(4), ["start timer 5 3600s"]);
    rig.fire(5);
    assert!(rig.complete_local(6, 8).is_empty());
    assert_eq!(rig.fire(2), ["complete 8"]);
}

#[test]
fn local_activity_cancel_failing_a_durable_back_off_ends_with_its_timer() {
    let mut rig = waiting(ActivityCancellationType::WaitCancellationCompleted);
    rig.start(1);
    assert_eq!(rig.back_off(1), ["start timer 2 3600s"]);
    assert_eq!(rig.cancel(), ["cancel timer 2", "complete 0"]);
}

#[test]
fn lac_3_a_dropped_call_cancels_the_timer_of_its_back_off() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        select! {
            result = ctx.local_activity(CHARGE, cents) => return result,
            () = ctx.sleep(SECOND) => {}
        }
        ctx.sleep(SECOND).await;
        Ok(1)
    });
    rig.start(1);
    rig.back_off(1);
    assert_eq!(rig.fire(2), ["start timer 4 1s", "cancel timer 3"]);
    assert_eq!(rig.local, ["3 is gone"]);
    assert_eq!(rig.fire(4), ["complete 1"]);
}

#[test]
fn lac_3_a_back_off_that_comes_after_the_request_to_cancel_is_a_cancellation() {
    let mut rig = waiting(ActivityCancellationType::WaitCancellationCompleted);
    rig.start(1);
    rig.cancel();
    assert_eq!(rig.back_off(1), ["complete 0"]);
}

fn mismatch(result: Result<entracte_workflow::Replayed, ReplayError>) -> String {
    match result {
        Err(ReplayError::Turn(TurnFailure::Nondeterminism(mismatch))) => mismatch.to_string(),
        other => panic!("{other:?}"),
    }
}

/// A history whose second event is the end of a local activity `charge`.
fn charged() -> (Rig, SourceLocation) {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let number = ctx.local_activity(CHARGE, cents).await?;
        ctx.sleep(SECOND).await;
        Ok(number)
    });
    rig.start(1);
    let source = rig.local(1).source;
    rig.complete_local(1, 2);
    (rig, source)
}

#[test]
fn det_1_a_marker_of_another_local_activity_is_a_mismatch_with_both_sides() {
    let (rig, source) = charged();
    let line = line!() + 2;
    let other =
        erase(async |ctx: WorkflowContext, cents: u64| ctx.local_activity(SHIP, cents).await);
    let here = format!("{}:{line}", file!());
    assert_eq!(
        mismatch(replay(other, run_id(), &rig.events)),
        format!(
            "[TMPRL1100] history event 2 is MarkerRecorded of local activity `charge` (id 1, \
             {source}), but the code now schedules local activity `ship` (id 1, {here}) there; \
             restore the code that wrote this history and give the changed workflow a name of \
             its own, or terminate the run"
        )
    );
}

#[test]
fn det_1_a_marker_of_nothing_that_the_code_waits_for_is_a_mismatch() {
    const GO: entracte_workflow::Signal<()> = entracte_workflow::Signal::new("go");
    let (rig, source) = charged();
    let recorded = format!("MarkerRecorded of local activity `charge` (id 1, {source})");
    let waits = erase(async |ctx: WorkflowContext, _: u64| {
        ctx.signals(GO).recv().await;
        Ok(1)
    });
    let text = mismatch(replay(waits, run_id(), &rig.events));
    assert!(
        text.contains(&format!("{recorded}, but the code now does not wait for it;")),
        "{text}"
    );
    let other = erase(async |ctx: WorkflowContext, cents: u64| ctx.activity(CHARGE, cents).await);
    let text = mismatch(replay(other, run_id(), &rig.events));
    let begins = "history event 2 is MarkerRecorded, which begins the next turn, but the code now \
                  also schedules activity `charge`";
    assert!(text.contains(begins), "{text}");
}

#[test]
fn det_1_live_turns_refuse_a_marker_of_nothing_too() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let number = ctx.local_activity(CHARGE, cents).await?;
        ctx.sleep(SECOND).await;
        Ok(number)
    });
    rig.start(1);
    let again = rig.marker(1, completed(2));
    rig.turn(again.clone());
    assert!(matches!(rig.try_turn(again), Err(TurnFailure::Nondeterminism(_))));
}

#[test]
fn the_code_may_change_as_long_as_the_activity_has_not_ended() {
    let mut rig =
        Rig::new(async |ctx: WorkflowContext, cents: u64| ctx.local_activity(CHARGE, cents).await);
    rig.start(1);
    let other =
        erase(async |ctx: WorkflowContext, cents: u64| ctx.local_activity(SHIP, cents).await);
    let replayed = replay(other, run_id(), &rig.events).unwrap();
    assert_eq!(&*replayed.machine.local_activities()[0].activity_type, "ship");
}

#[test]
fn a_history_with_an_impossible_end_of_a_local_activity_is_refused() {
    let (mut rig, _) = charged();
    let again = rig.events[1].attributes.clone();
    let next = |rig: &Rig, attributes| entracte_model::Event {
        id: rig.state.next_event_id,
        time: rig.now,
        attributes,
    };
    let event_id = rig.state.next_event_id;
    let unknown = |seq| HistoryError::UnknownLocalActivity { event_id, seq: Seq::new(seq) };
    let event = next(&rig, again.clone());
    assert_eq!(rig.state.apply(&event), Err(unknown(1)));
    let EventAttributes::MarkerRecorded(MarkerRecorded { marker: Marker::LocalActivity(marker) }) =
        again
    else {
        panic!("a marker")
    };
    for seq in [0, 2] {
        // No operation, and a pending timer.
        let marker = LocalActivityMarker { seq: Seq::new(seq), ..marker.clone() };
        let marker = Marker::LocalActivity(marker);
        let event = next(&rig, EventAttributes::MarkerRecorded(MarkerRecorded { marker }));
        assert_eq!(rig.state.apply(&event), Err(unknown(seq)));
    }
    assert_eq!(HistoryState::from_events(&rig.events).unwrap(), rig.state);
}
