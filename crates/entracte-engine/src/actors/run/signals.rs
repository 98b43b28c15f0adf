//! Signals: how they are acknowledged, and how they get their turns.
//!
//! A signal is acknowledged when it is durable: as an event, if its run can take a turn at once,
//! and else as a row in the inbox. Signals that wait are taken up before everything else that
//! waits, and all together: an input in front of them may close the run, and an acknowledged
//! signal is seen before that.

use std::collections::BTreeSet;

use entracte_model::EventAttributes;
use entracte_model::event::WorkflowExecutionSignaled;
use entracte_workflow::Machine;
use ractor::ActorProcessingErr;

use super::effect::Answer;
use super::input::{Input, QueuedInput, signal_of};
use super::state::RunState;
use crate::description::SignalsDescription;
use crate::errors::{RunError, SignalError};
use crate::messages::SignalReply;

impl RunState {
    /// A client sends a signal.
    pub(super) fn signal(
        &mut self,
        signaled: WorkflowExecutionSignaled,
        reply: SignalReply,
    ) -> Result<(), ActorProcessingErr> {
        let answer = self.admit_signal(&signaled);
        if let Ok(Admission::New) = answer {
            let queued = QueuedInput { input: Input::Signaled(signaled), inbox_sequence: None };
            if self.can_take_turns() {
                self.take_turn(queued)?;
            } else {
                self.keep([queued]);
            }
        }
        self.answer(Answer::Signal(reply, answer.map(drop)));
        Ok(())
    }

    fn admit_signal(&self, signaled: &WorkflowExecutionSignaled) -> Result<Admission, SignalError> {
        let run_id = self.run_id;
        // Also of a closed run: whoever asks again wants to know what became of the signal.
        if self.knows_signal(&signaled.request_id) {
            return Ok(Admission::Known);
        }
        match self.refusal_of_inputs() {
            None => {}
            Some(RunError::HistoryUnusable { run_id, cause }) => {
                return Err(SignalError::HistoryUnusable { run_id, cause });
            }
            Some(_) => return Err(SignalError::AlreadyClosed { run_id }),
        }
        if self.has_signals_max() {
            let limit = self.shared.options.signals_max;
            return Err(SignalError::TooManySignals { run_id, limit });
        }
        Ok(Admission::New)
    }

    /// Whether the run has all the signals that it may have (rule SIG-5).
    pub(super) fn has_signals_max(&self) -> bool {
        (self.history.signals.len() + self.inputs.signals()) as u64
            >= self.shared.options.signals_max
    }

    /// Whether the run has taken a signal up: then the runs after it do not (rule SIG-3).
    pub(super) fn has_taken(&self, signaled: &WorkflowExecutionSignaled) -> bool {
        self.history.signals.contains(&signaled.request_id)
    }

    /// Whether a signal of this request has been taken up, or waits for that (rule SIG-3).
    fn knows_signal(&self, request_id: &str) -> bool {
        self.history.signals.contains(request_id) || self.inputs.has_signal(request_id)
    }

    /// The external events of inputs that are taken up together; none if all of them come too
    /// late to matter.
    pub(super) fn external_events(&self, inputs: &[QueuedInput]) -> Vec<EventAttributes> {
        let mut external = Vec::with_capacity(inputs.len());
        let mut request_ids = BTreeSet::new();
        for QueuedInput { input, .. } in inputs {
            if let Some(signaled) = signal_of(input) {
                let request_id = &signaled.request_id;
                if !self.history.signals.contains(request_id) && request_ids.insert(request_id) {
                    let with_previous = !external.is_empty();
                    let signaled = signaled.clone();
                    external.push(EventAttributes::WorkflowExecutionSignaled(
                        WorkflowExecutionSignaled { with_previous, ..signaled },
                    ));
                }
                continue;
            }
            match input {
                // The history does not tell what the workflow waits for.
                Input::LocalActivityEnded(marker) if !self.awaits_local(marker) => {}
                other => external.extend(other.events(&self.history)),
            }
        }
        external
    }

    /// What is known of the run's signals.
    pub(super) fn describe_signals(&self) -> SignalsDescription {
        let mut signals =
            self.machine.as_ref().map_or_else(|| self.signals_seen.clone(), signals_of);
        signals.received = self.history.signals.len() as u64;
        signals.waiting = self.inputs.signals() as u64;
        signals
    }

    /// Reports the signals that the workflow has not read before it returned: they are lost
    /// (rule SIG-8).
    pub(super) fn report_unread(&self) {
        let unread = self.machine.as_ref().map(Machine::unread_signals).unwrap_or_default();
        for signals in unread {
            tracing::warn!(
                workflow.run_id = %self.run_id,
                signal = %signals.signal_name,
                count = signals.count,
                "a workflow returned without having read all of its signals"
            );
        }
    }
}

/// What a machine knows of the signals of its run.
pub(super) fn signals_of(machine: &Machine) -> SignalsDescription {
    SignalsDescription {
        unread: machine.unread_signals(),
        awaited: machine.awaited_signals(),
        ..SignalsDescription::default()
    }
}

/// What becomes of a signal that is not refused.
enum Admission {
    New,
    /// It has been acknowledged before, or will be together with its first copy.
    Known,
}
