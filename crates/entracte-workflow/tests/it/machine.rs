//! The machine's basics: exact commands for jobs, the end of a run, failed turns.

use std::sync::Arc;
use std::time::Duration;

use crate::rig::*;
use entracte_model::PendingLimits;
use entracte_model::failure::ActivityFailure;
use entracte_model::{
    EventId, Failure, FailureKind, Headers, Payload, RetryState, Seq, Timestamp, WorkflowId,
};
use entracte_workflow::{
    Activation, Activity, ActivityResolution, Command, ErasedWorkflow, InitializeWorkflow, Job,
    Machine, PendingCounts, RetryPolicy, TurnFailure, WorkflowContext, WorkflowResult,
};

fn activation(jobs: Vec<Job>) -> Activation {
    let time = Timestamp::from_unix_millis(5_000);
    Activation {
        run_id: run_id(),
        time,
        is_replaying: false,
        history_length: 1,
        history_size: 100,
        pending: PendingCounts::default(),
        jobs,
    }
}

fn initialize(input: Vec<Payload>) -> Job {
    Job::InitializeWorkflow(Box::new(InitializeWorkflow {
        workflow_id: WorkflowId::new("order-42").unwrap(),
        workflow_type: "test".into(),
        input,
        headers: Headers::new(),
        task_queue: "default".into(),
        attempt: 3,
        randomness_seed: 42,
        first_execution_run_id: run_id(),
        continued_execution_run_id: None,
        continued_failure: None,
        limits: PendingLimits::default(),
    }))
}

fn number(number: u64) -> Payload {
    Payload::encode(&number).unwrap()
}

fn begin(workflow: Arc<dyn ErasedWorkflow>) -> Result<Vec<Command>, TurnFailure> {
    Machine::new(workflow).activate(activation(vec![initialize(vec![number(5)])]))
}

#[test]
fn jobs_in_commands_out() {
    let line = line!() + 2;
    let workflow =
        erase(async |ctx: WorkflowContext, cents: u64| ctx.activity(CHARGE, cents).await);
    let mut machine = Machine::new(workflow);
    let commands = machine.activate(activation(vec![initialize(vec![number(5)])])).unwrap();
    let scheduled = Command::ScheduleActivity {
        seq: Seq::new(1),
        activity_id: "1".into(),
        activity_type: "charge".into(),
        input: vec![number(5)],
        headers: Headers::new(),
        options: CHARGE.options(),
        source: entracte_model::SourceLocation::new(format!("{}:{line}", file!())),
    };
    assert_eq!(commands, [scheduled]);
    assert!(!machine.is_closed());
    let resolution = ActivityResolution::Completed(number(6));
    let job = Job::ResolveActivity { seq: Seq::new(1), resolution, is_local: false };
    let commands = machine.activate(activation(vec![job.clone()])).unwrap();
    assert_eq!(commands, [Command::CompleteWorkflowExecution { result: number(6) }]);
    assert!(machine.is_closed());
    // Nothing comes after the terminal command.
    assert_eq!(machine.activate(activation(vec![job])), Ok(vec![]));
}

#[test]
fn numbers_are_shared_by_all_kinds_and_calls_do_nothing_until_awaited() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let call = ctx.activity(CHARGE, cents);
        let sleep = ctx.sleep(SECOND);
        let charge = call.start();
        let ship = ctx.activity(SHIP, cents).start();
        sleep.await;
        Ok(charge.await? + ship.await?)
    });
    assert_eq!(rig.start(1), ["start timer 1 1s", "schedule 2 charge", "schedule 3 ship"]);
    assert!(rig.complete(3, 30).is_empty());
    assert!(rig.complete(2, 20).is_empty());
    assert_eq!(rig.fire(1), ["complete 50"]);
}

#[test]
fn options_of_a_call_win_over_those_of_the_constant() {
    let workflow = erase(async |ctx: WorkflowContext, cents: u64| {
        ctx.activity(CHARGE, cents)
            .start_to_close_timeout(Duration::from_secs(9))
            .retry_policy(RetryPolicy::none())
            .task_queue("slow")
            .await
    });
    let [Command::ScheduleActivity { options, .. }] = &begin(workflow).unwrap()[..] else {
        panic!("one command")
    };
    assert_eq!(options.start_to_close_timeout, Some(Duration::from_secs(9)));
    assert_eq!(options.retry_policy.maximum_attempts, 1);
    assert_eq!(options.task_queue, "slow");
}

#[test]
fn fail_1_an_activity_failure_wraps_what_went_wrong() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let failure = ctx.activity(CHARGE, cents).await.unwrap_err();
        let wrapper = ActivityFailure {
            scheduled_event_id: EventId::new(2),
            started_event_id: EventId::new(3),
            activity_type: "charge".to_owned(),
            activity_id: "1".to_owned(),
            retry_state: RetryState::MaximumAttemptsReached,
        };
        assert_eq!(failure.kind(), &FailureKind::Activity(wrapper));
        assert_eq!(failure.cause(), Some(&declined()));
        Err::<(), _>(failure.context("charge the card"))
    });
    rig.start(1);
    assert_eq!(rig.fail(1, declined()), ["fail: charge the card: card declined"]);
}

#[test]
fn fail_6_a_failure_with_a_cancellation_in_its_chain_closes_as_cancelled() {
    let workflow = erase(async |_: WorkflowContext, _: u64| {
        Err::<(), _>(Failure::application("Outer", "outer").with_cause(Failure::canceled()))
    });
    assert!(matches!(&begin(workflow).unwrap()[..], [Command::CancelWorkflowExecution { .. }]));
}

#[test]
fn tmo_2_and_ret_7_bad_options_fail_the_call_at_once_without_an_event() {
    const BARE: Activity<u64, u64> = Activity::new("bare");
    const ODD: Activity<u64, u64> = Activity::new("odd")
        .start_to_close_timeout(SECOND)
        .retry_policy(RetryPolicy::DEFAULT.backoff_coefficient(0.5));
    const NAMELESS: Activity<u64, u64> = Activity::new("").start_to_close_timeout(SECOND);
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        for activity in [BARE, ODD, NAMELESS] {
            let failure = ctx.activity(activity, cents).await.unwrap_err();
            assert_eq!(failure.application_type(), Some("InvalidActivityOptions"));
            assert!(!failure.is_retryable(&[]));
        }
        let bare = ctx.activity(BARE, cents).await.unwrap_err().to_string();
        let odd = ctx.activity(ODD, cents).await.unwrap_err().to_string();
        Ok(format!("{bare}\n{odd}"))
    });
    assert_eq!(
        rig.start(1),
        [
            "complete activity `bare`: a valid StartToCloseTimeout or ScheduleToCloseTimeout must be \
          set on the activity\nactivity `odd`: BackoffCoefficient cannot be less than 1 on retry \
          policy."
        ]
    );
}

/// A value that cannot be written.
struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no ink"))
    }
}

#[test]
fn values_that_cannot_be_written_or_read_are_named() {
    const WRITE: Activity<Unwritable, u64> = Activity::new("write").start_to_close_timeout(SECOND);
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let failure = ctx.activity(WRITE, Unwritable).await.unwrap_err();
        assert_eq!(failure.application_type(), Some("EncodeError"));
        ctx.activity(CHARGE, cents).await
    });
    assert_eq!(rig.start(1), ["schedule 1 charge"]);
    let [end] = &rig.complete(1, "text")[..] else { panic!("one command") };
    assert!(end.starts_with("fail: result of activity `charge`: a payload of"), "{end}");

    let workflow = erase(async |_: WorkflowContext, _: u64| Ok(Unwritable));
    let failure = begin(workflow).unwrap_err();
    assert!(matches!(failure, TurnFailure::ResultUnencodable { .. }), "{failure}");

    let mut machine = Machine::new(erase(async |_: WorkflowContext, _: u64| Ok(())));
    let text = Payload::encode("text").unwrap();
    let failure = machine.activate(activation(vec![initialize(vec![text])])).unwrap_err();
    let TurnFailure::InputUndecodable { workflow_type, .. } = failure else { panic!("{failure}") };
    assert_eq!(workflow_type, "test");
}

#[test]
fn fail_4_a_panic_fails_the_turn_and_the_machine_is_dead() {
    let mut machine = Machine::new(erase(async |_: WorkflowContext, number: u64| {
        assert_eq!(number, 4, "four was expected");
        Ok(())
    }));
    let failure = machine.activate(activation(vec![initialize(vec![number(5)])])).unwrap_err();
    let TurnFailure::Panic { message } = &failure else { panic!("{failure}") };
    assert!(message.contains("four was expected"), "{message}");
    let again = machine.activate(activation(vec![])).unwrap_err();
    assert_eq!(again, TurnFailure::Dead(Box::new(failure)));
    assert!(machine.outstanding().is_empty());
}

#[test]
fn jobs_that_cannot_be_are_refused() {
    let waiting = || {
        let mut machine = Machine::new(erase(async |ctx: WorkflowContext, _: u64| {
            ctx.sleep(SECOND).await;
            Ok(())
        }));
        machine.activate(activation(vec![initialize(vec![number(5)])])).unwrap();
        machine
    };
    let completed = ActivityResolution::Completed(number(1));
    for job in [
        Job::FireTimer { seq: Seq::new(0) },
        Job::FireTimer { seq: Seq::new(2) },
        Job::ResolveActivity { seq: Seq::new(1), resolution: completed.clone(), is_local: false },
        Job::ResolveActivity { seq: Seq::new(9), resolution: completed, is_local: false },
        initialize(vec![number(5)]),
    ] {
        let failure = waiting().activate(activation(vec![job])).unwrap_err();
        assert!(matches!(failure, TurnFailure::Internal { .. }), "{failure}");
    }
    let mut new = Machine::new(erase(async |_: WorkflowContext, _: u64| Ok(())));
    let failure = new.activate(activation(vec![Job::FireTimer { seq: Seq::new(1) }])).unwrap_err();
    assert!(matches!(failure, TurnFailure::Internal { .. }), "{failure}");
}

#[test]
fn late_resolutions_of_dropped_operations_are_ignored() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let charge = ctx.activity(CHARGE, cents).start();
        ctx.sleep(SECOND).await;
        drop(charge);
        ctx.sleep(SECOND).await;
        Ok(())
    });
    rig.start(1);
    assert_eq!(rig.fire(2), ["start timer 3 1s", "cancel activity of event 2"]);
    assert!(rig.complete(1, 5).is_empty());
    assert_eq!(rig.fire(3), ["complete ()"]);
}

#[test]
fn a_workflow_knows_its_run() {
    async fn inspect(ctx: WorkflowContext, _: u64) -> WorkflowResult<String> {
        assert_eq!(ctx.run_id(), run_id());
        assert_eq!(ctx.first_execution_run_id(), run_id());
        assert!(!ctx.is_replaying());
        Ok(format!(
            "{} {} {} {}",
            ctx.workflow_id(),
            ctx.workflow_type(),
            ctx.attempt(),
            ctx.history_length()
        ))
    }
    let result = Payload::encode("order-42 test 3 1").unwrap();
    assert_eq!(begin(erase(inspect)), Ok(vec![Command::CompleteWorkflowExecution { result }]));
}

#[test]
fn what_a_run_waits_for_is_told_with_its_source() {
    let line = line!() + 2;
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let timer = ctx.sleep(SECOND);
        let charge = ctx.activity(CHARGE, cents).start();
        timer.await;
        charge.await
    });
    rig.start(1);
    let told: Vec<_> = rig
        .machine
        .outstanding()
        .into_iter()
        .map(|waiting| format!("{} {} {}", waiting.seq, waiting.name, waiting.source))
        .collect();
    let (file, next) = (file!(), line + 1);
    assert_eq!(told, [format!("1 1 {file}:{line}"), format!("2 charge {file}:{next}")]);
}
