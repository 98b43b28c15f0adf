//! Turns: one input at a time, live exactly as on replay.

use std::time::{Duration, Instant};

use entracte_model::event::WorkflowExecutionTerminated;
use entracte_model::{Event, EventAttributes, Failure, Headers, Seq};
use entracte_workflow::{Machine, ReplayError, replay, turn};
use futures_util::FutureExt;
use ractor::ActorProcessingErr;

use super::effect::Effect;
use super::input::{Input, QueuedInput};
use super::local_activities::{LocalChanges, take_changes};
use super::publishing::Published;
use super::signals::signals_of;
use super::state::{Mode, RunState};
use crate::errors::ParkCause;
use crate::messages::RunMessage;
use crate::shared::JournalCounters;

/// A turn that takes longer than this is reported (rule TIM-10).
const TURN_REPORTED: Duration = Duration::from_secs(1);

/// Runs workflow code outside of tokio's budget for cooperative scheduling: a channel inside the
/// workflow that ran out of it would put its wake off until after the turn.
fn without_budget<T>(work: impl FnOnce() -> T) -> T {
    let result = tokio::task::coop::unconstrained(async { work() }).now_or_never();
    #[expect(clippy::expect_used, reason = "the future has no point at which it could wait")]
    result.expect("work without an await is done at the first poll")
}

/// Why a turn's commands cannot be journaled, if one of them carries too large a payload.
fn too_large(events: &[Event], limit: usize) -> Option<String> {
    events.iter().find_map(|event| {
        let (what, payloads, headers) = match &event.attributes {
            EventAttributes::ActivityTaskScheduled(scheduled) => {
                let what = format!("the argument of activity {}", scheduled.activity_type);
                (what, scheduled.input.as_slice(), Some(&scheduled.headers))
            }
            EventAttributes::StartChildWorkflowExecutionInitiated(child) => {
                let what = format!("the argument of child workflow {}", child.workflow_type);
                (what, child.input.as_slice(), Some(&child.headers))
            }
            EventAttributes::WorkflowExecutionContinuedAsNew(next) => {
                let what = format!("the argument of the next run, of {}", next.workflow_type);
                (what, next.input.as_slice(), Some(&next.headers))
            }
            EventAttributes::SignalExternalWorkflowExecutionInitiated(sent) => {
                let what = format!("the signal {}", sent.signal_name);
                (what, sent.input.as_slice(), Some(&sent.headers))
            }
            EventAttributes::WorkflowExecutionCompleted(completed) => {
                let what = "the result of the workflow".to_owned();
                (what, std::slice::from_ref(&completed.result), None)
            }
            EventAttributes::WorkflowExecutionFailed(failed) => {
                return failure_too_large(&failed.failure, limit);
            }
            EventAttributes::WorkflowExecutionCanceled(canceled) => {
                return failure_too_large(&canceled.failure, limit);
            }
            _ => return None,
        };
        let bytes: usize = payloads.iter().map(|payload| payload.data().len()).sum();
        if bytes > limit {
            return Some(format!(
                "{what} of {bytes} bytes is larger than the {limit} bytes allowed"
            ));
        }
        let bytes = headers.map_or(0, Headers::size);
        (bytes > limit).then(|| {
            format!(
                "headers of {bytes} bytes with {what} are larger than the {limit} bytes allowed"
            )
        })
    })
}

fn failure_too_large(failure: &Failure, limit: usize) -> Option<String> {
    let bytes = failure.size();
    (bytes > limit).then(|| {
        format!(
            "the failure of the workflow of {bytes} bytes is larger than the {limit} bytes allowed"
        )
    })
}

impl RunState {
    /// Takes something up that happened to the run: at once, or when the run can.
    pub(super) fn submit(&mut self, input: Input) -> Result<(), ActorProcessingErr> {
        if self.is_closed() || !matches!(self.mode, Mode::Running | Mode::Draining) {
            return Ok(());
        }
        let queued = QueuedInput { input, inbox_sequence: None };
        if self.parked.is_some() {
            self.keep([queued]);
            return Ok(());
        }
        self.take_turn(queued)
    }

    pub(super) fn take_turn(&mut self, queued: QueuedInput) -> Result<(), ActorProcessingErr> {
        self.inputs.push_back(queued);
        self.pump()
    }

    /// Whether an input that comes now gets its turn at once.
    pub(super) fn can_take_turns(&self) -> bool {
        self.parked.is_none()
            && (self.machine.is_some() || self.appends.is_empty())
            && !self.is_asleep()
    }

    /// Takes turns for the inputs that wait, as far as that is possible now.
    pub(super) fn pump(&mut self) -> Result<(), ActorProcessingErr> {
        if self.parent_terminates && !self.is_closed() {
            self.obey_parent()?;
        }
        while !self.inputs.is_empty() && !self.is_closed() && self.parked.is_none() {
            if self.is_asleep() {
                return Ok(());
            }
            if !self.has_begun() && self.is_out_of_time() {
                return self.run_timeout_due();
            }
            if self.machine.is_none() {
                if !self.appends.is_empty() {
                    // The store does not hold everything yet that a replay needs.
                    return Ok(());
                }
                let new = self.new_run.is_some();
                if let Err(cause) = if new { self.rebuild(&[]) } else { self.restore() } {
                    self.park(cause, None);
                    return Ok(());
                }
            }
            let inputs = self.inputs.next(self.history.started.is_some());
            self.turn(inputs)?;
        }
        Ok(())
    }

    /// Takes the turn of inputs that are taken up together.
    fn turn(&mut self, inputs: Vec<QueuedInput>) -> Result<(), ActorProcessingErr> {
        let external = self.external_events(&inputs);
        if external.is_empty() {
            self.discard(&inputs);
            return Ok(());
        }
        let now = self.now();
        let Some(machine) = self.machine.as_mut() else { return Ok(()) };
        let begun = Instant::now();
        let turned = without_budget(|| turn(machine, &self.history, self.run_id, now, external));
        let taken = begun.elapsed();
        if taken > TURN_REPORTED {
            tracing::warn!(
                workflow.run_id = %self.run_id,
                duration_ms = taken.as_millis(),
                "workflow code did not yield for over a second: it blocks a worker thread"
            );
        }
        let published = machine.take_published();
        let local = take_changes(machine);
        let turned = turned.and_then(|events| match self.refuse_published(&published) {
            Some(failure) => Err(failure),
            None => Ok(events),
        });
        match turned {
            Ok(mut events) => {
                if let Err(error) = self.find_targets(&mut events) {
                    self.park(ParkCause::RowUnreadable { error }, inputs);
                    return Ok(());
                }
                self.turned(&events, inputs, published, local)
            }
            Err(failure) => {
                self.park(ParkCause::Turn { failure }, inputs);
                Ok(())
            }
        }
    }

    /// Takes over what a turn has come to.
    fn turned(
        &mut self,
        events: &[Event],
        inputs: Vec<QueuedInput>,
        published: Published,
        local: LocalChanges,
    ) -> Result<(), ActorProcessingErr> {
        self.turn_succeeded();
        if let Some(machine) = &mut self.machine {
            self.carried_signals = machine.take_carried_signals();
        }
        if let Some(reason) = too_large(events, self.shared.options.payload_bytes_max) {
            // What the turn decided is dropped with it (rule LIM-4).
            inputs.into_iter().rev().for_each(|queued| self.inputs.push_front(queued));
            return self.terminate(reason);
        }
        self.record(events, &inputs, published, local)?;
        if self.is_closed() {
            self.report_unread();
        }
        if self.shared.options.replay_every_event
            && let Some(machine) = self.machine.take()
        {
            self.signals_seen = signals_of(&machine);
        }
        self.check_history_length()
    }

    /// Inputs that came too late are only struck off the inbox.
    pub(super) fn discard(&mut self, inputs: &[QueuedInput]) {
        let mut change = self.change();
        for queued in inputs {
            self.strike(queued, &mut change);
        }
        if !change.rows.is_empty() {
            self.append(change);
        }
    }

    /// A history that passes a limit ends the run (rules LIM-1 and LIM-2).
    pub(super) fn check_history_length(&mut self) -> Result<(), ActorProcessingErr> {
        if self.is_closed() {
            return Ok(());
        }
        let (events, bytes) = (self.history.next_event_id.get() - 1, self.history.history_size);
        let options = &self.shared.options;
        if events > options.history_events_max {
            return self.terminate("Workflow history count exceeds limit.".to_owned());
        }
        if bytes > options.history_bytes_max {
            return self.terminate("Workflow history size exceeds limit.".to_owned());
        }
        let is_long = events > options.history_events_warn || bytes > options.history_bytes_warn;
        if is_long && !std::mem::replace(&mut self.is_warned, true) {
            tracing::warn!(
                workflow.run_id = %self.run_id,
                events,
                bytes,
                "the history of a run becomes long: it is terminated when it passes its limit"
            );
        }
        Ok(())
    }

    /// Ends the run from outside: needs no turn, and so no code of the user's (rule CAN-6).
    pub(super) fn terminate(&mut self, reason: String) -> Result<(), ActorProcessingErr> {
        let terminated = WorkflowExecutionTerminated { reason };
        self.end_from_outside(EventAttributes::WorkflowExecutionTerminated(terminated))
    }

    /// Ends the run with an event that needs no turn.
    pub(super) fn end_from_outside(
        &mut self,
        end: EventAttributes,
    ) -> Result<(), ActorProcessingErr> {
        let mut external = Vec::with_capacity(2);
        if self.history.started.is_none() {
            // The run's first turn has failed so far: its start is still in the inbox.
            external.extend(self.waiting_start().map(EventAttributes::WorkflowExecutionStarted));
        }
        external.push(end);
        let (mut id, time) = (self.history.next_event_id, self.now());
        let mut events = Vec::with_capacity(external.len());
        for attributes in external {
            events.push(Event { id, time, attributes });
            id = id.next();
        }
        self.parked = None;
        self.machine = None;
        self.record(&events, &[], Published::new(), LocalChanges::new())?;
        Ok(())
    }

    /// Makes a machine from the run's history; the history itself has been read already.
    pub(super) fn rebuild(&mut self, events: &[Event]) -> Result<(), ParkCause> {
        self.machine_count += 1;
        let machine = if let Some(started) = &self.history.started {
            let workflow = self.find_workflow(&started.workflow_type)?;
            JournalCounters::add(&self.shared.counters.replays, 1);
            let replayed =
                without_budget(|| replay(workflow, self.run_id, events)).map_err(|error| {
                    match error {
                        ReplayError::Turn(failure) => ParkCause::Turn { failure },
                        ReplayError::History(error) => ParkCause::HistoryInvalid { error },
                    }
                })?;
            replayed.machine
        } else {
            let Some(workflow_type) = self.workflow_type() else { return Ok(()) };
            Machine::new(self.find_workflow(&workflow_type)?)
        };
        machine.on_foreign_wake(self.foreign_wake_hook());
        self.machine = Some(machine);
        Ok(())
    }

    fn foreign_wake_hook(&self) -> std::sync::Arc<dyn Fn() + Send + Sync> {
        let (myself, machine) = (self.myself.clone(), self.machine_count);
        std::sync::Arc::new(move || {
            // A wake of a run that is gone means nothing any more.
            let _ = myself.cast(RunMessage::ForeignWake { machine });
        })
    }

    /// A timer says that its time has come: fire all that are due, in order (rule TIM-5).
    pub(super) fn timer_due(&mut self, seq: Seq) -> Result<(), ActorProcessingErr> {
        self.timers.remove(&seq);
        let now = self.now();
        if let Some(timer) = self.history.timers.get(&seq).filter(|timer| timer.due > now) {
            self.ready.push_back(Effect::StartTimer { seq, due: timer.due });
        }
        let due: Vec<_> = self.history.due_timers(now).collect();
        for seq in due {
            if !self.inputs.has_timer(seq) {
                self.submit(Input::TimerFired { seq })?;
            }
        }
        Ok(())
    }
}
