//! Drives workflows as an engine would, and checks at every turn that a run rebuilt from its
//! history is the same run and goes on in the same way.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use entracte_model::event::*;
use entracte_model::{
    Event, EventAttributes, EventId, Failure, Headers, Payload, PendingLimits, RetryState, RunId,
    Seq, Timestamp, WorkflowId,
};
use entracte_workflow::{
    Activity, ErasedWorkflow, HistoryState, Machine, Registry, TurnFailure, Workflow,
    WorkflowContext, replay, turn,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const CHARGE: Activity<u64, u64> =
    Activity::new("charge").start_to_close_timeout(SECOND);
pub(crate) const SHIP: Activity<u64, u64> = Activity::new("ship").start_to_close_timeout(SECOND);
pub(crate) const REFUND: Activity<u64, String> =
    Activity::new("refund").start_to_close_timeout(SECOND);

/// A workflow without its types.
pub(crate) fn erase<I, O, F, Fut>(function: F) -> Arc<dyn ErasedWorkflow>
where
    I: DeserializeOwned + 'static,
    O: Serialize + 'static,
    F: Fn(WorkflowContext, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, Failure>> + Send + 'static,
{
    let mut registry = Registry::new();
    registry.workflow(Workflow::<I, O>::new("test"), function);
    registry.find_workflow("test").unwrap()
}

pub(crate) fn run_id() -> RunId {
    RunId::from_time_and_random(Timestamp::from_unix_millis(1_000), [7; 10])
}

pub(crate) fn started(input: &impl Serialize) -> EventAttributes {
    let (workflow_id, input) =
        (WorkflowId::new("order-42").unwrap(), Payload::encode(input).unwrap());
    EventAttributes::WorkflowExecutionStarted(WorkflowExecutionStarted {
        randomness_seed: 42,
        ..WorkflowExecutionStarted::new(run_id(), workflow_id, "test", vec![input], "request")
    })
}

/// A start with other limits.
pub(crate) fn limited(mut start: EventAttributes, limits: PendingLimits) -> EventAttributes {
    if let EventAttributes::WorkflowExecutionStarted(started) = &mut start {
        started.limits = limits;
    }
    start
}

pub(crate) struct Rig {
    pub(crate) workflow: Arc<dyn ErasedWorkflow>,
    pub(crate) machine: Machine,
    pub(crate) state: HistoryState,
    pub(crate) events: Vec<Event>,
    pub(crate) now: Timestamp,
    /// What the last turn published.
    pub(crate) published: Vec<(String, Payload)>,
    /// What the last turn changed of the local activities.
    pub(crate) local: Vec<String>,
}

impl Rig {
    /// A run that has not begun.
    pub(crate) fn new<I, O, F, Fut>(function: F) -> Self
    where
        I: DeserializeOwned + 'static,
        O: Serialize + 'static,
        F: Fn(WorkflowContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Failure>> + Send + 'static,
    {
        Self::of(erase(function))
    }

    /// A run of a registered workflow that has not begun.
    pub(crate) fn of(workflow: Arc<dyn ErasedWorkflow>) -> Self {
        Self {
            machine: Machine::new(Arc::clone(&workflow)),
            workflow,
            state: HistoryState::new(),
            events: Vec::new(),
            now: Timestamp::from_unix_millis(1_000),
            published: Vec::new(),
            local: Vec::new(),
        }
    }

    /// Takes one turn, on this machine and on one that is rebuilt for it.
    pub(crate) fn try_turn(
        &mut self,
        external: Vec<EventAttributes>,
    ) -> Result<Vec<String>, TurnFailure> {
        self.now = self.now.saturating_add(SECOND);
        let count = external.len();
        let twin = match self.events.is_empty() {
            true => None,
            false => Some(replay(Arc::clone(&self.workflow), run_id(), &self.events).unwrap()),
        };
        let produced = turn(&mut self.machine, &self.state, run_id(), self.now, external.clone())?;
        self.published = published(&mut self.machine);
        self.local = local_changes(&mut self.machine);
        if let Some(mut twin) = twin {
            assert_eq!(twin.state, self.state, "the rebuilt state");
            let again = turn(&mut twin.machine, &twin.state, run_id(), self.now, external)?;
            assert_eq!(again, produced, "the rebuilt run goes on in the same way");
            assert_eq!(twin.machine.outstanding(), self.machine.outstanding());
            assert_eq!(twin.machine.unread_signals(), self.machine.unread_signals());
            assert_eq!(twin.machine.awaited_signals(), self.machine.awaited_signals());
            assert_eq!(published(&mut twin.machine), self.published);
            assert_eq!(twin.machine.local_activities(), self.machine.local_activities());
            assert_eq!(local_changes(&mut twin.machine), self.local);
        }
        for event in &produced {
            self.state.apply(event).unwrap();
        }
        let commands = produced.iter().skip(count).map(|event| brief(&event.attributes)).collect();
        self.events.extend(produced);
        Ok(commands)
    }

    pub(crate) fn turn(&mut self, external: Vec<EventAttributes>) -> Vec<String> {
        self.try_turn(external).unwrap()
    }

    pub(crate) fn start(&mut self, input: impl Serialize) -> Vec<String> {
        self.turn(vec![started(&input)])
    }

    /// The events with which an activity ends.
    pub(crate) fn end_of(
        &self,
        seq: u32,
        end: impl FnOnce(EventId, EventId) -> EventAttributes,
    ) -> Vec<EventAttributes> {
        let scheduled_event_id = self.state.activities[&Seq::new(seq)].scheduled_event_id;
        let started_time = entracte_model::Timestamp::EPOCH;
        let start = ActivityTaskStarted {
            scheduled_event_id,
            attempt: 1,
            started_time,
            last_failure: None,
        };
        vec![
            EventAttributes::ActivityTaskStarted(start),
            end(scheduled_event_id, self.state.next_event_id),
        ]
    }

    pub(crate) fn completed(&self, seq: u32, output: impl Serialize) -> Vec<EventAttributes> {
        let result = Payload::encode(&output).unwrap();
        self.end_of(seq, |scheduled_event_id, started_event_id| {
            EventAttributes::ActivityTaskCompleted(ActivityTaskCompleted {
                scheduled_event_id,
                started_event_id,
                result,
            })
        })
    }

    pub(crate) fn complete(&mut self, seq: u32, output: impl Serialize) -> Vec<String> {
        self.turn(self.completed(seq, output))
    }

    pub(crate) fn fail(&mut self, seq: u32, failure: Failure) -> Vec<String> {
        let external = self.end_of(seq, |scheduled_event_id, started_event_id| {
            EventAttributes::ActivityTaskFailed(ActivityTaskFailed {
                scheduled_event_id,
                started_event_id,
                failure,
                retry_state: RetryState::MaximumAttemptsReached,
            })
        });
        self.turn(external)
    }

    /// The activity ends as cancelled, without ever having started.
    pub(crate) fn activity_cancelled(&mut self, seq: u32) -> Vec<String> {
        let scheduled_event_id = self.state.activities[&Seq::new(seq)].scheduled_event_id;
        self.turn(vec![EventAttributes::ActivityTaskCanceled(ActivityTaskCanceled {
            scheduled_event_id,
            started_event_id: EventId::default(),
            details: None,
        })])
    }

    pub(crate) fn fired(&self, seq: u32) -> Vec<EventAttributes> {
        let seq = Seq::new(seq);
        let started_event_id = self.state.timers[&seq].started_event_id;
        vec![EventAttributes::TimerFired(TimerFired { seq, started_event_id })]
    }

    pub(crate) fn fire(&mut self, seq: u32) -> Vec<String> {
        self.turn(self.fired(seq))
    }

    pub(crate) fn signal(
        &mut self,
        name: &str,
        value: impl Serialize + std::fmt::Debug,
    ) -> Vec<String> {
        self.turn(vec![signaled(name, value)])
    }

    pub(crate) fn cancel(&mut self) -> Vec<String> {
        let reason = "by hand".to_owned();
        let request = WorkflowExecutionCancelRequested { reason, request_id: None };
        self.turn(vec![EventAttributes::WorkflowExecutionCancelRequested(request)])
    }
}

fn published(machine: &mut Machine) -> Vec<(String, Payload)> {
    machine.take_published().into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// What has changed of the local activities, in a few words.
fn local_changes(machine: &mut Machine) -> Vec<String> {
    let changes = machine.take_local_activity_changes();
    let brief = |seq| match machine.local_activity(seq) {
        None => format!("{seq} is gone"),
        Some(local) if local.cancel_requested => format!("cancel {seq} {}", local.activity_type),
        Some(local) if local.backs_off => format!("{seq} {} backs off", local.activity_type),
        Some(local) => format!("run {seq} {} #{}", local.activity_type, local.attempt),
    };
    changes.into_iter().map(brief).collect()
}

/// A signal; its request id is what it carries.
pub(crate) fn signaled(name: &str, value: impl Serialize + std::fmt::Debug) -> EventAttributes {
    EventAttributes::WorkflowExecutionSignaled(WorkflowExecutionSignaled {
        signal_name: name.into(),
        input: vec![Payload::encode(&value).unwrap()],
        headers: Headers::new(),
        request_id: format!("{name}-{value:?}").into(),
        with_previous: false,
    })
}

/// A signal that is taken up together with the event before it.
pub(crate) fn with_previous(mut signal: EventAttributes) -> EventAttributes {
    if let EventAttributes::WorkflowExecutionSignaled(signaled) = &mut signal {
        signaled.with_previous = true;
    }
    signal
}

/// A command event in a few words.
pub(crate) fn brief(attributes: &EventAttributes) -> String {
    match attributes {
        EventAttributes::ActivityTaskScheduled(scheduled) => {
            assert_eq!(*scheduled.activity_id, scheduled.seq.to_string());
            format!("schedule {} {}", scheduled.seq, scheduled.activity_type)
        }
        EventAttributes::ActivityTaskCancelRequested(request) => {
            format!("cancel activity of event {}", request.scheduled_event_id)
        }
        EventAttributes::TimerStarted(timer) => {
            format!("start timer {} {:?}", timer.seq, timer.start_to_fire_timeout)
        }
        EventAttributes::TimerCanceled(timer) => format!("cancel timer {}", timer.seq),
        EventAttributes::SignalExternalWorkflowExecutionInitiated(sent) => {
            format!("signal {} {} to {}", sent.seq, sent.signal_name, sent.workflow_id)
        }
        EventAttributes::StartChildWorkflowExecutionInitiated(child) => {
            format!("start child {} {} as {}", child.seq, child.workflow_type, child.workflow_id)
        }
        EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(sent) => {
            match sent.child_workflow_only {
                true => format!("cancel child {}", sent.seq),
                false => format!("cancel {} {}", sent.seq, sent.workflow_id),
            }
        }
        EventAttributes::WorkflowExecutionCompleted(end) => {
            let number = end.result.decode::<u64>().map(|number| number.to_string());
            let text = || end.result.decode::<String>();
            format!("complete {}", number.or_else(|_| text()).unwrap_or_else(|_| "()".to_owned()))
        }
        EventAttributes::WorkflowExecutionFailed(end) => format!("fail: {}", end.failure),
        EventAttributes::WorkflowExecutionCanceled(end) => format!("cancelled: {}", end.failure),
        EventAttributes::WorkflowExecutionContinuedAsNew(next) => {
            let number = next.input[0].decode::<u64>();
            let input = number.map_or_else(|_| "()".to_owned(), |number| number.to_string());
            format!("continue as new: {} {input}", next.workflow_type)
        }
        external => panic!("{external:?} is not a command event"),
    }
}

pub(crate) fn declined() -> Failure {
    Failure::application("Declined", "card declined")
}
