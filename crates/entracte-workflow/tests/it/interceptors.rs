//! Headers in and out of the machine, and interceptors of what a workflow calls.

use std::sync::{Arc, Mutex};

use entracte_model::{EventAttributes, Headers, Payload, Seq, Timestamp};
use entracte_workflow::{
    ErasedWorkflow, Interceptor, Machine, PropagateHeaders, Registry, Signal, TurnFailure,
    Workflow, WorkflowCall, WorkflowCallKind, WorkflowContext, WorkflowInfo, replay, turn,
};

use crate::rig::{CHARGE, Rig, run_id, signaled, started, with_previous};

fn headers(entries: &[(&str, u64)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in entries {
        headers.insert(*name, value).unwrap();
    }
    headers
}

/// The start of a run that has headers.
fn started_with(headers: Headers) -> EventAttributes {
    let mut start = started(&5_u64);
    if let EventAttributes::WorkflowExecutionStarted(started) = &mut start {
        started.headers = headers;
    }
    start
}

/// A workflow that calls, within an interceptor.
fn intercepted(interceptor: impl Interceptor) -> Arc<dyn ErasedWorkflow> {
    let mut registry = Registry::new();
    registry.interceptor(interceptor);
    registry.workflow(
        Workflow::<u64, u64>::new("test"),
        async |ctx: WorkflowContext, cents: u64| {
            let own = headers(&[("own", 1)]);
            ctx.activity(CHARGE, cents).headers(own).await
        },
    );
    registry.find_workflow("test").unwrap()
}

/// Takes the first turn; gives the events.
fn begin(
    workflow: &Arc<dyn ErasedWorkflow>,
    headers: Headers,
) -> Result<Vec<entracte_model::Event>, TurnFailure> {
    let mut machine = Machine::new(Arc::clone(workflow));
    let state = entracte_workflow::HistoryState::new();
    let now = Timestamp::from_unix_millis(1_000);
    turn(&mut machine, &state, run_id(), now, vec![started_with(headers)])
}

fn scheduled_headers(events: &[entracte_model::Event]) -> &Headers {
    let [_, event] = events else { panic!("{events:#?}") };
    let EventAttributes::ActivityTaskScheduled(scheduled) = &event.attributes else {
        panic!("{event:#?}")
    };
    &scheduled.headers
}

#[test]
fn wrk_3_headers_are_handed_on_all_or_by_name_and_a_call_s_own_are_kept() {
    let start = || headers(&[("own", 7), ("trace", 8), ("user", 9)]);
    let events = begin(&intercepted(PropagateHeaders::all()), start()).unwrap();
    assert_eq!(*scheduled_headers(&events), headers(&[("own", 1), ("trace", 8), ("user", 9)]));
    let named = intercepted(PropagateHeaders::named(["own", "trace", "missing"]));
    let events = begin(&named, start()).unwrap();
    assert_eq!(*scheduled_headers(&events), headers(&[("own", 1), ("trace", 8)]));
}

/// Notes what it sees, and changes input and headers by a number of its own.
struct Notes(Arc<Mutex<Vec<String>>>, u64);

impl Interceptor for Notes {
    fn workflow_call(&self, workflow: &WorkflowInfo<'_>, call: &mut WorkflowCall) {
        let what = match &call.kind {
            WorkflowCallKind::ScheduleActivity { activity_type } => activity_type.to_string(),
            other => format!("{other:?}"),
        };
        let WorkflowInfo { workflow_id, attempt, now, is_replaying, .. } = workflow;
        let seen = format!("{workflow_id} #{attempt} at {now}: {what}, replaying {is_replaying}");
        self.0.lock().unwrap().push(seen);
        call.input = vec![Payload::encode(&self.1).unwrap()];
        call.headers.insert("added", &self.1).unwrap();
    }
}

#[test]
fn wrk_3_a_replay_runs_interceptors_again_and_drops_what_they_decide() {
    let log = Arc::default();
    let workflow = intercepted(Notes(Arc::clone(&log), 3));
    let events = begin(&workflow, Headers::new()).unwrap();
    assert_eq!(*scheduled_headers(&events), headers(&[("added", 3), ("own", 1)]));
    replay(workflow, run_id(), &events).unwrap();
    // One that decides otherwise by now is no mismatch: inputs and headers may change.
    let replayed = replay(intercepted(Notes(Arc::clone(&log), 4)), run_id(), &events).unwrap();
    assert!(replayed.machine.awaits(Seq::new(1)));
    let seen = "order-42 #1 at 1970-01-01T00:00:01.000Z: charge, replaying";
    let expected = [format!("{seen} false"), format!("{seen} true"), format!("{seen} true")];
    assert_eq!(*log.lock().unwrap(), expected);
}

struct Broken;

impl Interceptor for Broken {
    fn workflow_call(&self, _: &WorkflowInfo<'_>, _: &mut WorkflowCall) {
        panic!("the interceptor is broken");
    }
}

#[test]
fn fail_4_a_panic_of_a_workflow_s_interceptor_fails_the_turn() {
    let failure = begin(&intercepted(Broken), Headers::new()).unwrap_err();
    assert_eq!(failure, TurnFailure::Panic { message: "the interceptor is broken".to_owned() });
}

#[test]
fn wrk_3_a_receiver_tells_the_headers_of_the_signal_that_it_gave_last() {
    const GO: Signal<u64> = Signal::new("go");
    let mut rig = Rig::new(async |ctx: WorkflowContext, _: u64| {
        let mut signals = ctx.signals(GO);
        let mut seen = Vec::new();
        for _ in 0..2 {
            let value = signals.recv().await;
            let user = signals.headers().get::<u64>("user").transpose()?;
            seen.push(format!("{value} {user:?}"));
        }
        let checked = signals.recv_checked().await?;
        seen.push(format!("{checked} {}", signals.headers().len()));
        Ok(seen.join(", "))
    });
    rig.start(5_u64);
    let mut first = signaled("go", 1_u64);
    if let EventAttributes::WorkflowExecutionSignaled(signaled) = &mut first {
        signaled.headers = headers(&[("user", 7)]);
    }
    let second = with_previous(signaled("go", 2_u64));
    assert_eq!(rig.turn(vec![first, second]), Vec::<String>::new());
    let mut third = signaled("go", 3_u64);
    if let EventAttributes::WorkflowExecutionSignaled(signaled) = &mut third {
        signaled.headers = headers(&[("user", 7), ("trace", 8)]);
    }
    assert_eq!(rig.turn(vec![third]), ["complete 1 Some(7), 2 None, 3 2"]);
}

#[test]
fn wrk_4_a_call_by_name_is_the_same_command_as_one_by_its_constant() {
    use crate::rig::SECOND;
    let mut rig = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        let input = vec![Payload::encode(&cents)?];
        let call = ctx.activity_by_name("charge", input).start_to_close_timeout(SECOND);
        let output = call.await?;
        Ok(output.decode::<u64>()? + 1)
    });
    assert_eq!(rig.start(5_u64), ["schedule 1 charge"]);
    let EventAttributes::ActivityTaskScheduled(scheduled) = &rig.events[1].attributes else {
        panic!("{:#?}", rig.events)
    };
    assert_eq!(scheduled.input, [Payload::encode(&5_u64).unwrap()]);
    assert_eq!(scheduled.options.start_to_close_timeout, Some(SECOND));
    assert_eq!(rig.complete(1, 6_u64), ["complete 7"]);
    // A history of either fits the other.
    let by_constant = Rig::new(async |ctx: WorkflowContext, cents: u64| {
        ctx.activity(CHARGE, cents).await.map(|output| output + 1)
    });
    replay(by_constant.workflow, run_id(), &rig.events).unwrap();
}

#[test]
fn wrk_4_a_dynamic_workflow_takes_and_gives_payloads() {
    let mut registry = Registry::new();
    registry.dynamic_workflow(async |ctx: WorkflowContext, input: Vec<Payload>| {
        let name = ctx.workflow_type().to_owned();
        Ok(Payload::encode(&format!("{name} of {}", input.len()))?)
    });
    let workflow = registry.find_workflow("whatever").unwrap();
    let events = begin(&workflow, Headers::new()).unwrap();
    let EventAttributes::WorkflowExecutionCompleted(completed) = &events[1].attributes else {
        panic!("{events:#?}")
    };
    assert_eq!(completed.result.decode::<String>(), Ok("test of 1".to_owned()));
}
