use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::event::*;
use crate::failure::{ActivityFailure, Failure, RetryState, TimeoutType};
use crate::headers::Headers;
use crate::id::{RunId, Seq, WorkflowId};
use crate::options::{ActivityOptions, ChildWorkflowOptions, ParentClosePolicy};
use crate::payload::Payload;
use crate::priority::{Priority, PriorityOptions};
use crate::retry::RetryPolicy;

fn failure(text: &str) -> Failure {
    let cause = Failure::timeout(TimeoutType::StartToClose, text).context("inner");
    Failure::activity(ActivityFailure::default(), cause)
        .with_failed_compensation(text, Failure::non_retryable("T", text))
}

/// One event of every type, with values from a generator.
fn attributes() -> impl Strategy<Value = EventAttributes> {
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

fn children(
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

proptest! {
    #[test]
    fn events_survive_a_round_trip(id: u64, nanos: u64, attributes in attributes()) {
        let event =
            Event { id: EventId::new(id), time: Timestamp::from_unix_nanos(nanos), attributes };
        let bytes = event.to_bytes();
        prop_assert_eq!(Event::from_bytes(event.id, &bytes).unwrap(), event);
    }

    #[test]
    fn events_survive_as_json(id: u64, nanos: u64, attributes in attributes()) {
        let event =
            Event { id: EventId::new(id), time: Timestamp::from_unix_nanos(nanos), attributes };
        let json = serde_json::to_string(&event).unwrap();
        prop_assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }

    #[test]
    fn a_cut_event_is_refused(attributes in attributes(), cut in 0.0_f64..1.0) {
        let event = Event { id: EventId::FIRST, time: Timestamp::EPOCH, attributes };
        let bytes = event.to_bytes();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction")]
        #[expect(clippy::cast_precision_loss, reason = "a fraction")]
        let len = (bytes.len() as f64 * cut) as usize;
        prop_assert!(Event::from_bytes(EventId::FIRST, &bytes[..len]).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = Event::from_bytes(EventId::FIRST, &bytes);
    }
}

#[test]
fn unknown_numbers_and_short_values_are_named() {
    let id = EventId::new(3);
    assert_eq!(Event::from_bytes(id, &[0; 9]), Err(EventDecodeError::TooShort { id, len: 9 }));
    let mut unknown = vec![0xff, 0xff];
    unknown.extend([0; 20]);
    let error = Event::from_bytes(id, &unknown).unwrap_err();
    assert_eq!(error, EventDecodeError::UnknownType { id, number: 0xffff });
    assert_eq!(error.to_string(), "event 3 has the unknown type 65535");
}

#[test]
fn events_read_well_as_json() {
    let fired = TimerFired { seq: Seq::new(2), started_event_id: EventId::new(3) };
    let event = Event {
        id: EventId::new(4),
        time: Timestamp::from_unix_millis(1_500),
        attributes: EventAttributes::TimerFired(fired),
    };
    assert_eq!(
        serde_json::to_string(&event).unwrap(),
        r#"{"id":4,"time":"1970-01-01T00:00:01.500000000Z","type":"TimerFired","attributes":{"seq":2,"started_event_id":3}}"#
    );
}

/// The stored numbers, spelled out: whoever changes one breaks every store there is.
#[test]
fn stored_numbers_do_not_change() {
    let numbers: Vec<u16> = EventType::ALL.iter().map(|event_type| event_type.number()).collect();
    let expected = [
        1, 2, 3, 4, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
        30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
    ];
    assert_eq!(numbers, expected);
    assert_eq!(EventType::ActivityTaskCompleted.number(), 12);
    assert_eq!(EventType::WorkflowExecutionTerminated.number(), 27);
}

/// The stored bytes of a marker, spelled out, with the names of the enums in them.
#[test]
fn stored_markers_do_not_change() {
    let marker = |outcome| Event {
        id: EventId::new(2),
        time: Timestamp::from_unix_nanos(5),
        attributes: EventAttributes::MarkerRecorded(MarkerRecorded {
            marker: Marker::LocalActivity(LocalActivityMarker {
                seq: Seq::new(1),
                activity_id: "1".into(),
                activity_type: "a".into(),
                attempt: 2,
                outcome,
                source: SourceLocation::new("a:1"),
            }),
        }),
    };
    let front = [
        b"\0\x19\0\0\0\0\0\0\0\x05\x81\xa6marker\x81\xaelocal_activity\x86\xa3seq\x01".as_slice(),
        b"\xabactivity_id\xa11\xadactivity_type\xa1a\xa7attempt\x02\xa7outcome\x81",
    ]
    .concat();
    let stored = |outcome: &[u8]| [&front, outcome, b"\xa6source\xa3a:1"].concat();
    let completed = LocalActivityOutcome::Completed { result: Payload::null() };
    let fields = b"\xa9completed\x81\xa6result\x82\xa8encoding\xabbinary/null\xa4data\xc4\0";
    assert_eq!(marker(completed).to_bytes(), stored(fields));
    let canceled = LocalActivityOutcome::Canceled { details: None };
    assert_eq!(marker(canceled).to_bytes(), stored(b"\xa8canceled\x80"));
    let backoff = LocalActivityOutcome::Backoff {
        attempt: 3,
        backoff_duration: Duration::from_nanos(7),
        original_schedule_time: Timestamp::from_unix_nanos(4),
        last_failure: None,
    };
    let fields = marker(backoff).to_bytes();
    let expected = b"\xa7backoff\x83\xa7attempt\x03\xb0backoff_duration";
    assert!(fields.starts_with(&[front.as_slice(), expected].concat()), "{fields:?}");
}

/// The stored bytes of a signal, spelled out: as they are without what is false by default.
#[test]
fn stored_signals_do_not_change() {
    let signaled = |with_previous| Event {
        id: EventId::new(2),
        time: Timestamp::from_unix_nanos(5),
        attributes: EventAttributes::WorkflowExecutionSignaled(WorkflowExecutionSignaled {
            signal_name: "go".into(),
            input: vec![Payload::null()],
            headers: Headers::new(),
            request_id: "r".into(),
            with_previous,
        }),
    };
    let fields = b"\xabsignal_name\xa2go\xa5input\x91\x82\xa8encoding\xabbinary/null\xa4data\xc4\0\xaarequest_id\xa1r";
    let header = b"\0\x1a\0\0\0\0\0\0\0\x05".as_slice();
    let expected = [header, b"\x83", fields].concat();
    assert_eq!(signaled(false).to_bytes(), expected);
    let expected = [header, b"\x84", fields, b"\xadwith_previous\xc3"].concat();
    assert_eq!(signaled(true).to_bytes(), expected);
}

/// Events without headers are stored as they were before there were headers.
#[test]
fn stored_headers_do_not_change() {
    let mut headers = Headers::new();
    headers.insert_payload("t", Payload::null());
    let event = Event {
        id: EventId::new(2),
        time: Timestamp::from_unix_nanos(5),
        attributes: EventAttributes::WorkflowExecutionSignaled(WorkflowExecutionSignaled {
            signal_name: "go".into(),
            input: Vec::new(),
            headers,
            request_id: "r".into(),
            with_previous: false,
        }),
    };
    let expected = [
        b"\0\x1a\0\0\0\0\0\0\0\x05\x84\xabsignal_name\xa2go\xa5input\x90".as_slice(),
        b"\xa7headers\x81\xa1t\x82\xa8encoding\xabbinary/null\xa4data\xc4\0",
        b"\xaarequest_id\xa1r",
    ];
    assert_eq!(event.to_bytes(), expected.concat());
}

#[test]
fn a_signal_to_another_workflow_is_stored_as_it_always_was() {
    let initiated = |run_id| Event {
        id: EventId::new(2),
        time: Timestamp::from_unix_nanos(5),
        attributes: EventAttributes::SignalExternalWorkflowExecutionInitiated(
            SignalExternalWorkflowExecutionInitiated {
                seq: Seq::new(1),
                workflow_id: WorkflowId::new("w").unwrap(),
                run_id,
                child_seq: None,
                signal_name: "go".into(),
                input: Vec::new(),
                headers: Headers::new(),
                source: SourceLocation::new("a:1"),
            },
        ),
    };
    let (front, rest) = (
        b"\xa3seq\x01\xabworkflow_id\xa1w".as_slice(),
        b"\xabsignal_name\xa2go\xa5input\x90\xa6source\xa3a:1".as_slice(),
    );
    let header = b"\0\x25\0\0\0\0\0\0\0\x05".as_slice();
    assert_eq!(initiated(None).to_bytes(), [header, b"\x85", front, rest].concat());
    let run_id = RunId::from_bytes([7; RunId::LEN]);
    let id = [b"\xa6run_id\xc4\x10".as_slice(), &[7; RunId::LEN]].concat();
    assert_eq!(initiated(Some(run_id)).to_bytes(), [header, b"\x86", front, &id, rest].concat());
    let failed = Event {
        id: EventId::new(3),
        time: Timestamp::from_unix_nanos(5),
        attributes: EventAttributes::SignalExternalWorkflowExecutionFailed(
            SignalExternalWorkflowExecutionFailed {
                seq: Seq::new(1),
                initiated_event_id: EventId::new(2),
                cause: SignalExternalFailedCause::NotFound,
            },
        ),
    };
    let expected = [
        b"\0\x26\0\0\0\0\0\0\0\x05\x83\xa3seq\x01\xb2initiated_event_id\x02".as_slice(),
        b"\xa5cause\xa9NOT_FOUND",
    ];
    assert_eq!(failed.to_bytes(), expected.concat());
}

/// A history that was written before runs had chains reads as one whose run has none.
#[test]
fn ends_and_starts_from_before_there_were_chains_are_read() {
    #[derive(serde::Serialize)]
    struct OldFailed {
        failure: Failure,
        retry_state: RetryState,
    }
    let old = OldFailed {
        failure: Failure::application("E", "e"),
        retry_state: RetryState::RetryPolicyNotSet,
    };
    let failed = WorkflowExecutionFailed {
        failure: old.failure.clone(),
        retry_state: old.retry_state,
        new_execution_run_id: None,
    };
    let mut bytes = b"\0\x03\0\0\0\0\0\0\0\x05".to_vec();
    bytes.extend(rmp_serde::to_vec_named(&old).unwrap());
    let event = Event {
        id: EventId::new(9),
        time: Timestamp::from_unix_nanos(5),
        attributes: EventAttributes::WorkflowExecutionFailed(failed),
    };
    assert_eq!(Event::from_bytes(event.id, &bytes).unwrap(), event);
    assert_eq!(event.to_bytes(), bytes, "what is not there is not written");
    let id = WorkflowId::new("w").unwrap();
    let run_id = RunId::from_bytes([7; RunId::LEN]);
    let started = WorkflowExecutionStarted::new(run_id, id, "w", vec![], "r");
    let bytes = rmp_serde::to_vec_named(&started).unwrap();
    for name in
        ["retry_policy", "initiator", "continued_", "first_workflow_task_backoff", "chain_has"]
    {
        let is_there = bytes.windows(name.len()).any(|window| window == name.as_bytes());
        assert!(!is_there, "{name} is written though there is none");
    }
}

/// Requests to cancel from before they had ids, and those of other runs, have none.
#[test]
fn can_1_requests_to_cancel_without_an_id_are_written_and_read_as_before() {
    let request =
        WorkflowExecutionCancelRequested { reason: "enough".to_owned(), request_id: None };
    let event = Event {
        id: EventId::new(2),
        time: Timestamp::from_unix_nanos(5),
        attributes: EventAttributes::WorkflowExecutionCancelRequested(request),
    };
    let bytes = b"\0\x14\0\0\0\0\0\0\0\x05\x81\xa6reason\xa6enough";
    assert_eq!(Event::from_bytes(event.id, bytes).unwrap(), event);
    assert_eq!(event.to_bytes(), bytes);
}

/// Runs, children and continuations were stored without a task queue before they could have one,
/// and are so if it is the default.
#[test]
fn what_is_stored_without_a_task_queue_has_the_default_one() {
    let run_id = RunId::from_bytes([7; RunId::LEN]);
    let workflow_id = WorkflowId::new("w").unwrap();
    let source = SourceLocation::new("a:1");
    let started = |task_queue: &str| {
        EventAttributes::WorkflowExecutionStarted(WorkflowExecutionStarted {
            task_queue: task_queue.into(),
            ..WorkflowExecutionStarted::new(run_id, workflow_id.clone(), "w", vec![], "r")
        })
    };
    let initiated = |task_queue: &str| {
        let options = ChildWorkflowOptions {
            task_queue: task_queue.to_owned(),
            parent_close_policy: ParentClosePolicy::Abandon,
            ..ChildWorkflowOptions::default()
        };
        EventAttributes::StartChildWorkflowExecutionInitiated(
            StartChildWorkflowExecutionInitiated {
                seq: Seq::new(1),
                workflow_id: workflow_id.clone(),
                workflow_type: "w".into(),
                input: vec![],
                headers: Headers::new(),
                options,
                source: source.clone(),
            },
        )
    };
    let continued = |task_queue: &str| {
        EventAttributes::WorkflowExecutionContinuedAsNew(WorkflowExecutionContinuedAsNew {
            new_execution_run_id: run_id,
            workflow_type: "w".into(),
            input: vec![],
            headers: Headers::new(),
            task_queue: task_queue.into(),
            run_timeout: None,
            retry_policy: None,
            backoff_start_interval: None,
            source: source.clone(),
        })
    };
    let bytes = |attributes| {
        let event = Event { id: EventId::new(2), time: Timestamp::from_unix_nanos(5), attributes };
        let bytes = event.to_bytes();
        assert_eq!(Event::from_bytes(event.id, &bytes), Ok(event));
        bytes
    };
    let named = b"\xaatask_queue\xa3gpu".as_slice();
    for (default, gpu) in [
        (bytes(started("default")), bytes(started("gpu"))),
        (bytes(initiated("default")), bytes(initiated("gpu"))),
        (bytes(continued("default")), bytes(continued("gpu"))),
    ] {
        let is_there = |bytes: &[u8], name: &[u8]| bytes.windows(name.len()).any(|it| it == name);
        assert!(!is_there(&default, b"task_queue"), "{default:?}");
        assert!(is_there(&gpu, named), "{gpu:?}");
        assert_eq!(gpu.len(), default.len() + named.len());
    }
    let old = [
        b"\0\x1d\0\0\0\0\0\0\0\x05\x86\xa3seq\x01\xabworkflow_id\xa1w".as_slice(),
        b"\xadworkflow_type\xa1w\xa5input\x90\xa7options\x81\xb3parent_close_policy\xa7Abandon",
        b"\xa6source\xa3a:1",
    ];
    assert_eq!(bytes(initiated("default")), old.concat(), "as it always was");
}
