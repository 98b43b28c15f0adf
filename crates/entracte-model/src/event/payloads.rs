//! Where the payloads of an event are.

use super::{Event, EventAttributes};
use crate::payload::{HasPayloads, Payload};

impl HasPayloads for Event {
    fn replace_payloads<E>(
        &mut self,
        replace: &mut impl FnMut(&Payload) -> Result<Payload, E>,
    ) -> Result<(), E> {
        self.attributes.replace_payloads(replace)
    }
}

impl HasPayloads for EventAttributes {
    fn replace_payloads<E>(
        &mut self,
        replace: &mut impl FnMut(&Payload) -> Result<Payload, E>,
    ) -> Result<(), E> {
        match self {
            EventAttributes::WorkflowExecutionStarted(it) => {
                it.input.replace_payloads(replace)?;
                it.headers.replace_payloads(replace)?;
                it.continued_failure.replace_payloads(replace)
            }
            EventAttributes::WorkflowExecutionContinuedAsNew(it) => {
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
            EventAttributes::StartChildWorkflowExecutionInitiated(it) => {
                it.input.replace_payloads(replace)?;
                it.headers.replace_payloads(replace)
            }
            EventAttributes::ChildWorkflowExecutionCompleted(it) => {
                it.result.replace_payloads(replace)
            }
            EventAttributes::ChildWorkflowExecutionFailed(it) => {
                it.failure.replace_payloads(replace)
            }
            EventAttributes::ChildWorkflowExecutionCanceled(it) => {
                it.failure.replace_payloads(replace)
            }
            EventAttributes::StartChildWorkflowExecutionFailed(_)
            | EventAttributes::ChildWorkflowExecutionStarted(_)
            | EventAttributes::ChildWorkflowExecutionTimedOut(_)
            | EventAttributes::ChildWorkflowExecutionTerminated(_)
            | EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(_)
            | EventAttributes::RequestCancelExternalWorkflowExecutionFailed(_)
            | EventAttributes::ExternalWorkflowExecutionCancelRequested(_)
            | EventAttributes::WorkflowExecutionTimedOut(_)
            | EventAttributes::SignalExternalWorkflowExecutionFailed(_)
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
