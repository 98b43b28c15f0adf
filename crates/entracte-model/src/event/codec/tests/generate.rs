//! Events of every type, with values from a generator.

mod children;

use std::time::Duration;

use proptest::prelude::*;

use self::children::children;
use crate::event::*;
use crate::failure::{ActivityFailure, Failure, RetryState, TimeoutType};
use crate::headers::Headers;
use crate::id::{EventId, RunId, Seq, WorkflowId};
use crate::options::{ActivityOptions, ParentClosePolicy};
use crate::payload::Payload;
use crate::priority::{Priority, PriorityOptions};
use crate::retry::RetryPolicy;
use crate::time::Timestamp;

fn failure(text: &str) -> Failure {
    let cause = Failure::timeout(TimeoutType::StartToClose, text).context("inner");
    Failure::activity(ActivityFailure::default(), cause)
        .with_failed_compensation(text, Failure::non_retryable("T", text))
}

/// One event of every type, with values from a generator.
pub(super) fn attributes() -> impl Strategy<Value = EventAttributes> {
    use EventAttributes as A;
    (any::<u32>(), any::<u64>(), "[a-z]{1,12}", any::<Vec<u8>>(), 0..EventType::ALL.len()).prop_map(
        |(seq, number, text, bytes, which)| {
            let seq = Seq::new(seq);
            let scheduled_event_id = EventId::new(number);
            let started_event_id = EventId::new(number / 2);
            let payload = Payload::from_parts("binary/plain", bytes);
            let mut headers = Headers::new();
            if number % 3 == 0 {
                headers.insert_payload(&text, payload.clone());
            }
            let source = SourceLocation::new(format!("src/{text}.rs:7"));
            let retry_state = RetryState::MaximumAttemptsReached;
            match EventType::ALL[which] {
                EventType::WorkflowExecutionStarted => {
                    let run_id = RunId::from_bytes([7; RunId::LEN]);
                    let workflow_id = WorkflowId::new(&text).unwrap();
                    let child = (number % 2 == 1).then(|| ParentExecution {
                        workflow_id: workflow_id.clone(),
                        run_id,
                        seq,
                        initiated_event_id: scheduled_event_id,
                        parent_close_policy: ParentClosePolicy::Abandon,
                    });
                    let input = vec![payload.clone(), payload];
                    A::WorkflowExecutionStarted(WorkflowExecutionStarted {
                        headers,
                        randomness_seed: number,
                        task_queue: if number % 4 == 0 { "default" } else { &text }.into(),
                        priority: PriorityOptions {
                            priority: Some(Priority::High),
                            fairness_key: Some(text.clone().into()),
                            fairness_weight: None,
                        },
                        root: child.as_ref().map(|parent| WorkflowExecution {
                            workflow_id: parent.workflow_id.clone(),
                            run_id,
                        }),
                        parent: child,
                        execution_timeout: Some(Duration::from_nanos(number)),
                        execution_expiration: Some(Timestamp::from_unix_nanos(number)),
                        run_timeout: Some(Duration::from_nanos(number)),
                        retry_policy: (number % 5 == 0).then(RetryPolicy::default),
                        continued_execution_run_id: (number % 2 == 1).then_some(run_id),
                        initiator: (number % 2 == 1).then_some(ContinueAsNewInitiator::Retry),
                        continued_failure: (number % 2 == 1).then(|| failure(&text)),
                        first_workflow_task_backoff: Some(Duration::from_nanos(number)),
                        chain_children_run_id: (number % 2 == 1).then_some(run_id),
                        ..WorkflowExecutionStarted::new(
                            run_id,
                            workflow_id,
                            text.as_str(),
                            input,
                            text.as_str(),
                        )
                    })
                }
                EventType::WorkflowExecutionCompleted => {
                    A::WorkflowExecutionCompleted(WorkflowExecutionCompleted { result: payload })
                }
                EventType::WorkflowExecutionFailed => {
                    let failure = failure(&text);
                    A::WorkflowExecutionFailed(WorkflowExecutionFailed {
                        failure,
                        retry_state,
                        new_execution_run_id: (number % 2 == 0)
                            .then_some(RunId::from_bytes([3; 16])),
                    })
                }
                EventType::WorkflowExecutionContinuedAsNew => {
                    A::WorkflowExecutionContinuedAsNew(WorkflowExecutionContinuedAsNew {
                        new_execution_run_id: RunId::from_bytes([8; RunId::LEN]),
                        workflow_type: text.as_str().into(),
                        input: vec![payload],
                        headers,
                        task_queue: if number % 4 == 0 { "default" } else { &text }.into(),
                        run_timeout: (number % 2 == 1).then(|| Duration::from_nanos(number)),
                        retry_policy: (number % 5 == 0).then(RetryPolicy::default),
                        backoff_start_interval: (number % 2 == 0).then_some(Duration::from_secs(1)),
                        source,
                    })
                }
                EventType::WorkflowExecutionCanceled => {
                    let failure = Failure::canceled().context(text);
                    A::WorkflowExecutionCanceled(WorkflowExecutionCanceled { failure })
                }
                EventType::WorkflowExecutionTerminated => {
                    A::WorkflowExecutionTerminated(WorkflowExecutionTerminated { reason: text })
                }
                EventType::WorkflowExecutionCancelRequested => {
                    let request_id = (number % 2 == 1).then(|| text.as_str().into());
                    A::WorkflowExecutionCancelRequested(WorkflowExecutionCancelRequested {
                        reason: text,
                        request_id,
                    })
                }
                EventType::WorkflowExecutionSignaled => {
                    A::WorkflowExecutionSignaled(WorkflowExecutionSignaled {
                        signal_name: text.as_str().into(),
                        input: vec![payload],
                        headers,
                        request_id: text.into(),
                        with_previous: number % 2 == 1,
                    })
                }
                EventType::ActivityTaskScheduled => {
                    A::ActivityTaskScheduled(ActivityTaskScheduled {
                        seq,
                        activity_id: text.as_str().into(),
                        activity_type: text.as_str().into(),
                        input: vec![payload],
                        headers,
                        options: ActivityOptions {
                            start_to_close_timeout: Some(Duration::from_nanos(number)),
                            priority: PriorityOptions {
                                fairness_weight: Some(0.25),
                                ..PriorityOptions::default()
                            },
                            ..ActivityOptions::default()
                        },
                        source,
                    })
                }
                EventType::ActivityTaskStarted => A::ActivityTaskStarted(ActivityTaskStarted {
                    scheduled_event_id,
                    attempt: seq.get(),
                    started_time: Timestamp::from_unix_nanos(number),
                    last_failure: Some(failure(&text)),
                }),
                EventType::ActivityTaskCompleted => {
                    A::ActivityTaskCompleted(ActivityTaskCompleted {
                        scheduled_event_id,
                        started_event_id,
                        result: payload,
                    })
                }
                EventType::ActivityTaskFailed => A::ActivityTaskFailed(ActivityTaskFailed {
                    scheduled_event_id,
                    started_event_id,
                    failure: failure(&text),
                    retry_state,
                }),
                EventType::ActivityTaskTimedOut => A::ActivityTaskTimedOut(ActivityTaskTimedOut {
                    scheduled_event_id,
                    started_event_id,
                    failure: failure(&text),
                    retry_state,
                }),
                EventType::ActivityTaskCancelRequested => {
                    A::ActivityTaskCancelRequested(ActivityTaskCancelRequested {
                        scheduled_event_id,
                    })
                }
                EventType::ActivityTaskCanceled => A::ActivityTaskCanceled(ActivityTaskCanceled {
                    scheduled_event_id,
                    started_event_id,
                    details: Some(payload),
                }),
                EventType::TimerStarted => A::TimerStarted(TimerStarted {
                    seq,
                    start_to_fire_timeout: Duration::from_nanos(number),
                    source,
                }),
                EventType::TimerFired => A::TimerFired(TimerFired { seq, started_event_id }),
                EventType::TimerCanceled => {
                    A::TimerCanceled(TimerCanceled { seq, started_event_id })
                }
                EventType::MarkerRecorded => {
                    let outcome = match number % 4 {
                        0 => LocalActivityOutcome::Completed { result: payload },
                        1 => LocalActivityOutcome::Failed { failure: failure(&text), retry_state },
                        2 => LocalActivityOutcome::Canceled {
                            details: Some(payload).filter(|_| number % 8 == 2),
                        },
                        _ => LocalActivityOutcome::Backoff {
                            attempt: seq.get(),
                            backoff_duration: Duration::from_nanos(number),
                            original_schedule_time: Timestamp::from_unix_nanos(number),
                            last_failure: Some(failure(&text)).filter(|_| number % 8 == 3),
                        },
                    };
                    let marker = Marker::LocalActivity(LocalActivityMarker {
                        seq,
                        activity_id: text.as_str().into(),
                        activity_type: text.into(),
                        attempt: seq.get(),
                        outcome,
                        source,
                    });
                    A::MarkerRecorded(MarkerRecorded { marker })
                }
                EventType::SignalExternalWorkflowExecutionInitiated => {
                    A::SignalExternalWorkflowExecutionInitiated(
                        SignalExternalWorkflowExecutionInitiated {
                            seq,
                            workflow_id: WorkflowId::new("other").unwrap(),
                            run_id: (number % 2 == 1).then(|| RunId::from_bytes([7; RunId::LEN])),
                            child_seq: (number % 3 == 1).then_some(seq),
                            signal_name: text.as_str().into(),
                            input: vec![payload],
                            headers,
                            source: SourceLocation::new(text),
                        },
                    )
                }
                EventType::SignalExternalWorkflowExecutionFailed => {
                    A::SignalExternalWorkflowExecutionFailed(
                        SignalExternalWorkflowExecutionFailed {
                            seq,
                            initiated_event_id: started_event_id,
                            cause: if number % 2 == 1 {
                                SignalExternalFailedCause::NotFound
                            } else {
                                SignalExternalFailedCause::SignalCountLimitExceeded
                            },
                        },
                    )
                }
                EventType::ExternalWorkflowExecutionSignaled => {
                    let initiated_event_id = started_event_id;
                    A::ExternalWorkflowExecutionSignaled(ExternalWorkflowExecutionSignaled {
                        seq,
                        initiated_event_id,
                    })
                }
                EventType::WorkflowExecutionTimedOut => {
                    A::WorkflowExecutionTimedOut(WorkflowExecutionTimedOut {
                        retry_state,
                        new_execution_run_id: (number % 2 == 0)
                            .then_some(RunId::from_bytes([3; 16])),
                    })
                }
                of_children => children(of_children, seq, scheduled_event_id, &text, payload),
            }
        },
    )
}
