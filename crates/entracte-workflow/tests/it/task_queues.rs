//! Which task queue a run, its activities and its children have.

use std::sync::{Arc, Mutex};

use entracte_model::{Event, EventAttributes, Failure, Payload};
use entracte_workflow::{
    Activity, Interceptor, Registry, Workflow, WorkflowCall, WorkflowContext, WorkflowInfo, replay,
};

use crate::rig::*;

const TEST: Workflow<(), ()> = Workflow::new("test");
const RENDER: Workflow<u64, u64> = Workflow::new("render");
const ON_TAPE: Workflow<u64, u64> = Workflow::new("archive").task_queue("tape");
const MAIL: Activity<u64, u64> =
    Activity::new("mail").start_to_close_timeout(SECOND).task_queue("mail");

/// A start with another task queue.
fn on(task_queue: &str) -> EventAttributes {
    let EventAttributes::WorkflowExecutionStarted(mut started) = started(&()) else { panic!() };
    started.task_queue = task_queue.into();
    EventAttributes::WorkflowExecutionStarted(started)
}

/// The task queues that a run has journaled for what it has asked for, in that order.
fn queues(rig: &Rig) -> Vec<String> {
    let queue = |event: &Event| match &event.attributes {
        EventAttributes::ActivityTaskScheduled(it) => Some(it.options.task_queue.clone()),
        EventAttributes::StartChildWorkflowExecutionInitiated(it) => {
            Some(it.options.task_queue.clone())
        }
        EventAttributes::WorkflowExecutionContinuedAsNew(it) => Some(it.task_queue.to_string()),
        _ => None,
    };
    rig.events.iter().filter_map(queue).collect()
}

fn forget<F>(future: F) {
    // Dropping it in the turn that has started it would take it back.
    std::mem::forget(future);
}

#[test]
fn chd_1_activities_and_children_take_the_run_s_queue_unless_they_name_another() {
    async fn many(ctx: WorkflowContext, (): ()) -> Result<(), Failure> {
        let payload = || vec![Payload::encode(&1_u64).unwrap()];
        forget(ctx.activity(CHARGE, 1).start());
        forget(ctx.activity(MAIL, 1).start());
        forget(ctx.activity(MAIL, 1).task_queue("default").start());
        forget(ctx.activity(CHARGE, 1).task_queue("slow").start());
        let by_name = ctx.activity_by_name("charge", payload()).start_to_close_timeout(SECOND);
        forget(by_name.start());
        forget(ctx.child(RENDER, 1).start());
        forget(ctx.child(ON_TAPE, 1).start());
        forget(ctx.child(ON_TAPE, 1).task_queue("disk").start());
        forget(ctx.child(RENDER, 1).task_queue("default").start());
        ctx.sleep(SECOND).await;
        Ok(())
    }
    for (queue, start) in [("gpu", on("gpu")), ("default", started(&()))] {
        let mut rig = Rig::new(many);
        rig.turn(vec![start]);
        let expected = [queue, "mail", "default", "slow", queue, queue, "tape", "disk", "default"];
        assert_eq!(queues(&rig), expected);
        // What a rebuilt run would give the engine is what was journaled.
        let again = replay(Arc::clone(&rig.workflow), run_id(), &rig.events).unwrap();
        let children: Vec<_> =
            again.state.children.values().map(|child| &*child.options.task_queue).collect();
        assert_eq!(children, [queue, "tape", "disk", "default"]);
    }
}

#[test]
fn chd_1_a_run_knows_its_queue_and_so_do_the_interceptors_of_its_calls() {
    struct Look(Arc<Mutex<Vec<String>>>);
    impl Interceptor for Look {
        fn workflow_call(&self, workflow: &WorkflowInfo<'_>, _: &mut WorkflowCall) {
            self.0.lock().unwrap().push(workflow.task_queue.to_owned());
        }
    }
    let seen = Arc::new(Mutex::default());
    let mut registry = Registry::new();
    registry.interceptor(Look(Arc::clone(&seen))).workflow(
        Workflow::<(), String>::new("test"),
        async |ctx: WorkflowContext, ()| {
            ctx.activity(MAIL, 1).await?;
            Ok(ctx.task_queue().to_owned())
        },
    );
    let mut rig = Rig::of(registry.find_workflow("test").unwrap());
    assert_eq!(rig.turn(vec![on("gpu")]), ["schedule 1 mail"]);
    assert_eq!(rig.complete(1, 1_u64), ["complete gpu"]);
    let seen = seen.lock().unwrap();
    assert!(!seen.is_empty() && seen.iter().all(|queue| queue == "gpu"), "{seen:?}");
}

#[test]
fn cnt_2_the_next_run_keeps_the_queue_unless_it_is_given_another() {
    for (named, expected) in [(None, "gpu"), (Some("tape"), "tape"), (Some("default"), "default")] {
        let mut rig = Rig::new(move |ctx: WorkflowContext, ()| async move {
            let next = ctx.continue_as_new(TEST, ());
            match named {
                Some(queue) => next.task_queue(queue).await,
                None => next.await,
            }
        });
        rig.turn(vec![on("gpu")]);
        assert_eq!(queues(&rig), [expected]);
        let EventAttributes::WorkflowExecutionContinuedAsNew(next) =
            &rig.events.last().unwrap().attributes
        else {
            panic!()
        };
        let before = rig.state.started.as_ref().unwrap();
        assert_eq!(&*before.continued(run_id(), next).task_queue, expected);
    }
}

#[test]
fn cnt_2_the_next_run_takes_nothing_from_the_constant() {
    const NEXT: Workflow<(), ()> = Workflow::new("next").task_queue("tape");
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| ctx.continue_as_new(NEXT, ()).await);
    rig.turn(vec![on("gpu")]);
    assert_eq!(queues(&rig), ["gpu"]);
}

#[test]
fn chd_10_a_retry_keeps_the_queue() {
    let EventAttributes::WorkflowExecutionStarted(before) = on("gpu") else { panic!() };
    let retried = before.retried(run_id(), run_id(), declined());
    assert_eq!((retried.attempt, &*retried.task_queue), (2, "gpu"));
}

/// An empty name, and one that is too long.
fn bad_names() -> [String; 2] {
    [String::new(), "q".repeat(1_001)]
}

#[test]
fn wid_8_a_name_that_cannot_be_one_is_a_failure_at_the_call_and_nothing_is_issued() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        for name in bad_names() {
            let check = |failure: Failure, error_type: &str| {
                assert_eq!(failure.application_type(), Some(error_type));
                assert!(failure.to_string().contains("invalid task queue name"), "{failure}");
                assert!(!failure.is_retryable(&[]), "{failure}");
            };
            let failure = ctx.activity(CHARGE, 1).task_queue(&name).await.unwrap_err();
            check(failure, "InvalidActivityOptions");
            let start = ctx.child(RENDER, 1).task_queue(&name).start();
            check(start.await.map(drop).unwrap_err(), "InvalidChildWorkflowOptions");
            let next = ctx.continue_as_new(TEST, ()).task_queue(&name);
            check(next.await.unwrap_err(), "InvalidContinueAsNewOptions");
            // Nor would an undo that could never start be found out too late.
            let saga = ctx.saga(async |saga: &mut entracte_workflow::Saga| {
                saga.undo(ctx.child(RENDER, 1).task_queue(&name));
                Ok(())
            });
            assert!(saga.await.is_err());
        }
        ctx.activity(CHARGE, 7).await
    });
    assert_eq!(rig.turn(vec![on("gpu")]), ["schedule 1 charge"]);
    assert_eq!(queues(&rig), ["gpu"]);
}

#[test]
fn what_undoes_a_step_runs_in_the_run_s_queue() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.saga(async |saga| {
            saga.undo(ctx.activity(REFUND, 1));
            saga.undo(ctx.child(RENDER, 1).task_queue("tape"));
            Err::<(), _>(declined())
        })
        .await
    });
    assert_eq!(rig.turn(vec![on("gpu")]).len(), 1);
    assert_eq!(queues(&rig), ["tape"]);
    rig.cancel();
}

/// As other options, a queue may change under an open run: what is journaled counts.
#[test]
fn det_1_a_replay_keeps_the_queues_that_were_journaled() {
    fn code(queue: &'static str) -> Rig {
        Rig::new(move |ctx: WorkflowContext, ()| async move {
            let charge = ctx.activity(CHARGE, 1).task_queue(queue).start();
            let child = ctx.child(RENDER, 1).task_queue(queue).workflow_id("c").start();
            charge.await?;
            child.await?.result().await
        })
    }
    let mut rig = code("before");
    rig.turn(vec![started(&())]);
    let again = replay(code("after").workflow, run_id(), &rig.events).unwrap();
    assert_eq!(again.state, rig.state);
    let child = again.state.children.values().next().unwrap();
    let activity = again.state.activities.values().next().unwrap();
    assert_eq!((&*child.options.task_queue, &*activity.options.task_queue), ("before", "before"));
}

/// The history of a run from before runs had task queues: no event of it names one.
#[test]
fn an_old_history_goes_on_in_the_default_queue() {
    let mut rig = Rig::new(async |ctx: WorkflowContext, ()| {
        ctx.activity(CHARGE, 1).await?;
        forget(ctx.child(RENDER, 1).start());
        ctx.activity(SHIP, 1).await?;
        ctx.continue_as_new(TEST, ()).await
    });
    rig.start(());
    rig.complete(1, 1_u64);
    let read = |event: &Event| {
        let bytes = event.to_bytes();
        // As the name of a field; the path of this file has it too.
        let name = b"\xaatask_queue";
        assert!(!bytes.windows(name.len()).any(|it| it == name), "{event:?}");
        Event::from_bytes(event.id, &bytes).unwrap()
    };
    rig.events = rig.events.iter().map(read).collect();
    assert_eq!(rig.complete(3, 1_u64), ["continue as new: test ()"]);
    assert_eq!(queues(&rig), ["default"; 4]);
    assert!(rig.events.iter().map(read).eq(rig.events.iter().cloned()));
}
