//! Where the payloads of an event are.

use super::{Event, EventAttributes};
use crate::payload::{HasPayloads, Payload};

impl HasPayloads for Event {
    fn replace_payloads<E>(
        &mut self,
        replace: &mut impl FnMut(&Payload) -> Result<Payload, E>,
    ) -> Result<(), E> {
        match &mut self.attributes {
            EventAttributes::WorkflowExecutionStarted(it) => {
                it.input.replace_payloads(replace)?;
                it.headers.replace_payloads(replace)
            }
            EventAttributes::WorkflowExecutionCompleted(it) => it.result.replace_payloads(replace),
            EventAttributes::WorkflowExecutionFailed(it) => it.failure.replace_payloads(replace),
            EventAttributes::WorkflowExecutionCanceled(it) => it.failure.replace_payloads(replace),
            EventAttributes::WorkflowExecutionSignaled(it) => {
                it.input.replace_payloads(replace)?;
                it.headers.replace_payloads(replace)
            }
            EventAttributes::ActivityTaskScheduled(it) => {
                it.input.replace_payloads(replace)?;
                it.headers.replace_payloads(replace)
            }
            EventAttributes::ActivityTaskStarted(it) => it.last_failure.replace_payloads(replace),
            EventAttributes::ActivityTaskCompleted(it) => it.result.replace_payloads(replace),
            EventAttributes::ActivityTaskFailed(it) => it.failure.replace_payloads(replace),
            EventAttributes::ActivityTaskTimedOut(it) => it.failure.replace_payloads(replace),
            EventAttributes::ActivityTaskCanceled(it) => it.details.replace_payloads(replace),
            EventAttributes::MarkerRecorded(it) => it.replace_payloads(replace),
            EventAttributes::SignalExternalWorkflowExecutionInitiated(it) => {
                it.input.replace_payloads(replace)?;
                it.headers.replace_payloads(replace)
            }
            EventAttributes::SignalExternalWorkflowExecutionFailed(_)
            | EventAttributes::ExternalWorkflowExecutionSignaled(_)
            | EventAttributes::WorkflowExecutionTerminated(_)
            | EventAttributes::WorkflowExecutionCancelRequested(_)
            | EventAttributes::ActivityTaskCancelRequested(_)
            | EventAttributes::TimerStarted(_)
            | EventAttributes::TimerFired(_)
            | EventAttributes::TimerCanceled(_) => Ok(()),
        }
    }
}
