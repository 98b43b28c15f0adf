//! Events of children, and of requests to cancel other runs.

use std::time::Duration;

use super::failure;
use crate::event::*;
use crate::failure::{Failure, RetryState};
use crate::headers::Headers;
use crate::id::{EventId, RunId, Seq, WorkflowId};
use crate::options::{ChildWorkflowOptions, ParentClosePolicy};
use crate::payload::Payload;

pub(super) fn children(
    event_type: EventType,
    seq: Seq,
    initiated_event_id: EventId,
    text: &str,
    payload: Payload,
) -> EventAttributes {
    use EventAttributes as A;
    let run_id = RunId::from_bytes([7; RunId::LEN]);
    let workflow_id = WorkflowId::new(text).unwrap();
    let source = SourceLocation::new(text);
    let is_odd = seq.get() % 2 == 1;
    let retry_state = RetryState::Timeout;
    match event_type {
        EventType::StartChildWorkflowExecutionInitiated => {
            A::StartChildWorkflowExecutionInitiated(StartChildWorkflowExecutionInitiated {
                seq,
                workflow_id,
                workflow_type: text.into(),
                input: vec![payload],
                headers: Headers::new(),
                options: ChildWorkflowOptions {
                    task_queue: if is_odd { text } else { "default" }.to_owned(),
                    parent_close_policy: ParentClosePolicy::RequestCancel,
                    run_timeout: is_odd.then_some(Duration::from_millis(7)),
                    ..ChildWorkflowOptions::default()
                },
                source,
            })
        }
        EventType::StartChildWorkflowExecutionFailed => {
            let cause = StartChildFailedCause::WorkflowAlreadyExists;
            A::StartChildWorkflowExecutionFailed(StartChildWorkflowExecutionFailed {
                seq,
                initiated_event_id,
                cause,
            })
        }
        EventType::ChildWorkflowExecutionStarted => {
            A::ChildWorkflowExecutionStarted(ChildWorkflowExecutionStarted {
                seq,
                initiated_event_id,
                run_id,
            })
        }
        EventType::ChildWorkflowExecutionCompleted => {
            A::ChildWorkflowExecutionCompleted(ChildWorkflowExecutionCompleted {
                seq,
                initiated_event_id,
                run_id,
                result: payload,
            })
        }
        EventType::ChildWorkflowExecutionFailed => {
            A::ChildWorkflowExecutionFailed(ChildWorkflowExecutionFailed {
                seq,
                initiated_event_id,
                run_id,
                failure: failure(text),
                retry_state,
            })
        }
        EventType::ChildWorkflowExecutionCanceled => {
            A::ChildWorkflowExecutionCanceled(ChildWorkflowExecutionCanceled {
                seq,
                initiated_event_id,
                run_id,
                failure: Failure::canceled(),
            })
        }
        EventType::ChildWorkflowExecutionTimedOut => {
            A::ChildWorkflowExecutionTimedOut(ChildWorkflowExecutionTimedOut {
                seq,
                initiated_event_id,
                run_id,
                retry_state,
            })
        }
        EventType::ChildWorkflowExecutionTerminated => {
            A::ChildWorkflowExecutionTerminated(ChildWorkflowExecutionTerminated {
                seq,
                initiated_event_id,
                run_id,
                reason: if is_odd { text.to_owned() } else { String::new() },
            })
        }
        EventType::RequestCancelExternalWorkflowExecutionInitiated => {
            A::RequestCancelExternalWorkflowExecutionInitiated(
                RequestCancelExternalWorkflowExecutionInitiated {
                    seq,
                    workflow_id,
                    run_id: is_odd.then_some(run_id),
                    child_workflow_only: is_odd,
                    reason: text.to_owned(),
                    source,
                },
            )
        }
        EventType::RequestCancelExternalWorkflowExecutionFailed => {
            A::RequestCancelExternalWorkflowExecutionFailed(
                RequestCancelExternalWorkflowExecutionFailed {
                    seq,
                    initiated_event_id,
                    cause: CancelExternalFailedCause::ExternalWorkflowExecutionNotFound,
                },
            )
        }
        EventType::ExternalWorkflowExecutionCancelRequested => {
            A::ExternalWorkflowExecutionCancelRequested(ExternalWorkflowExecutionCancelRequested {
                seq,
                initiated_event_id,
            })
        }
        other => panic!("{other:?} is not generated"),
    }
}
