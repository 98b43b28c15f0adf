//! About how large an event is.

use super::{EventAttributes, LocalActivityOutcome, Marker};
use crate::failure::Failure;
use crate::headers::Headers;
use crate::payload::Payload;

/// What an event counts beside what users put into it.
const EVENT_BYTES: usize = 100;

impl EventAttributes {
    /// About how many bytes the event takes in its history: the payloads, headers and failures
    /// that it carries, and 100 for everything else.
    ///
    /// Workflows see the sum of these numbers, so what an event counts must never change.
    #[must_use]
    pub fn size(&self) -> u64 {
        let carried = match self {
            Self::WorkflowExecutionStarted(it) => {
                payloads(&it.input) + headers(&it.headers) + failure(it.continued_failure.as_ref())
            }
            Self::WorkflowExecutionCompleted(it) => payload(&it.result),
            Self::WorkflowExecutionFailed(it) => it.failure.size(),
            Self::WorkflowExecutionCanceled(it) => it.failure.size(),
            Self::WorkflowExecutionContinuedAsNew(it) => payloads(&it.input) + headers(&it.headers),
            Self::WorkflowExecutionSignaled(it) => payloads(&it.input) + headers(&it.headers),
            Self::ActivityTaskScheduled(it) => payloads(&it.input) + headers(&it.headers),
            Self::ActivityTaskStarted(it) => failure(it.last_failure.as_ref()),
            Self::ActivityTaskCompleted(it) => payload(&it.result),
            Self::ActivityTaskFailed(it) => it.failure.size(),
            Self::ActivityTaskTimedOut(it) => it.failure.size(),
            Self::ActivityTaskCanceled(it) => it.details.as_ref().map_or(0, payload),
            Self::MarkerRecorded(it) => marker(&it.marker),
            Self::SignalExternalWorkflowExecutionInitiated(it) => {
                payloads(&it.input) + headers(&it.headers)
            }
            Self::StartChildWorkflowExecutionInitiated(it) => {
                payloads(&it.input) + headers(&it.headers)
            }
            Self::ChildWorkflowExecutionCompleted(it) => payload(&it.result),
            Self::ChildWorkflowExecutionFailed(it) => it.failure.size(),
            Self::ChildWorkflowExecutionCanceled(it) => it.failure.size(),
            // The others carry nothing, or texts for people.
            _ => 0,
        };
        u64::try_from(EVENT_BYTES + carried).unwrap_or(u64::MAX)
    }
}

fn failure(failure: Option<&Failure>) -> usize {
    failure.map_or(0, Failure::size)
}

fn payload(payload: &Payload) -> usize {
    payload.data().len()
}

fn payloads(payloads: &[Payload]) -> usize {
    payloads.iter().map(payload).sum()
}

fn headers(headers: &Headers) -> usize {
    if headers.is_empty() { 0 } else { headers.size() }
}

fn marker(marker: &Marker) -> usize {
    let Marker::LocalActivity(marker) = marker;
    match &marker.outcome {
        LocalActivityOutcome::Completed { result } => payload(result),
        LocalActivityOutcome::Failed { failure, .. } => failure.size(),
        LocalActivityOutcome::Canceled { details } => details.as_ref().map_or(0, payload),
        LocalActivityOutcome::Backoff { last_failure, .. } => failure(last_failure.as_ref()),
    }
}
