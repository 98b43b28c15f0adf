//! What is stored, spelled out, and what was stored before the format had all that it has.

use std::time::Duration;

use crate::event::*;
use crate::failure::{Failure, RetryState};
use crate::headers::Headers;
use crate::id::{EventId, RunId, Seq, WorkflowId};
use crate::options::{ChildWorkflowOptions, ParentClosePolicy};
use crate::payload::Payload;
use crate::time::Timestamp;

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
