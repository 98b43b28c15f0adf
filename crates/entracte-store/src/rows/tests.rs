use std::fmt::Debug;
use std::time::Duration;

use entracte_model::event::{
    ChildWorkflowExecutionCompleted, LocalActivityMarker, LocalActivityOutcome,
    WorkflowExecutionSignaled, WorkflowExecutionStarted,
};
use entracte_model::{
    ActivityOptions, EventAttributes, EventId, Failure, Headers, ParentClosePolicy, Payload,
    RetryState, RunId, Seq, SourceLocation, TimeoutType, Timestamp, WorkflowId,
    WorkflowIdReusePolicy, WorkflowStatus,
};
use proptest::option;
use proptest::prelude::*;

use super::*;

fn run_ids() -> impl Strategy<Value = RunId> {
    any::<[u8; RunId::LEN]>().prop_map(RunId::from_bytes)
}

fn times() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_unix_nanos)
}

fn event_ids() -> impl Strategy<Value = EventId> {
    any::<u64>().prop_map(EventId::new)
}

fn payloads() -> impl Strategy<Value = Payload> {
    any::<Vec<u8>>().prop_map(|bytes| Payload::from_parts("binary/plain", bytes))
}

fn statuses() -> impl Strategy<Value = WorkflowStatus> {
    (1..=7_u8).prop_map(|number| WorkflowStatus::try_from(number).unwrap())
}

fn failures() -> impl Strategy<Value = Failure> {
    "[a-z]{0,12}".prop_map(|text| {
        let cause = Failure::timeout(TimeoutType::StartToClose, text.clone());
        Failure::application("Type", text).with_cause(cause)
    })
}

prop_compose! {
    fn run_rows()(
        workflow_id in "[a-z]{1,12}", workflow_type in "[a-z]{1,12}", request_id in "[a-z]{1,12}",
        first_execution_run_id in run_ids(), start_time in times(), status in statuses(),
        close in option::of((times(), event_ids())), attempt in 1..9_u32,
        before in option::of(run_ids()), behind in option::of(run_ids()),
        task_queue in "default|[a-z]{1,12}",
    ) -> RunRow {
        RunRow {
            workflow_id: WorkflowId::new(workflow_id).unwrap(),
            workflow_type: workflow_type.into(),
            request_id: request_id.into(),
            first_execution_run_id,
            continued_execution_run_id: before,
            task_queue: task_queue.into(),
            attempt,
            parent: None,
            start_time,
            status,
            close: close.map(|(time, last_event_id)| RunClose {
                time,
                last_event_id,
                new_execution_run_id: behind,
            }),
        }
    }
}

prop_compose! {
    fn workflow_id_rows()(
        run_id in run_ids(), first_execution_run_id in run_ids(), request_id in "[a-z]{1,12}",
        status in statuses(),
    ) -> WorkflowIdRow {
        let request_id = request_id.into();
        WorkflowIdRow { run_id, first_execution_run_id, request_id, status }
    }
}

prop_compose! {
    fn pending_rows()(
        scheduled_event_id in event_ids(), attempt: u32, admitted_at in option::of(times()),
        next_attempt_at in times(), last_failure in option::of(failures()),
        heartbeat_details in option::of(payloads()), heartbeat_at in option::of(times()),
        last_attempt_ended_at in option::of(times()), cancel_requested: bool, result_pending: bool,
        operations in (
            any::<u32>(), option::of((times(), "[a-z]{0,9}")), option::of(any::<(bool, bool)>()),
            option::of(1_u64..9), option::of("[a-z]{1,9}"),
        ),
    ) -> PendingActivityRow {
        let (attempts_reset, paused, reset, start_to_close, reset_request_id) = operations;
        let options = start_to_close.map(|seconds| Box::new(ActivityOptions {
            start_to_close_timeout: Some(Duration::from_secs(seconds)),
            ..ActivityOptions::default()
        }));
        PendingActivityRow {
            attempts_reset,
            pause: paused.map(|(since, reason)| ActivityPause { since, reason }),
            reset: reset.map(|(heartbeat, told)| ActivityReset { heartbeat, told }),
            reset_request_id: reset_request_id.map(Into::into),
            options,
            scheduled_event_id, attempt, admitted_at, next_attempt_at, last_failure,
            last_attempt_ended_at, heartbeat_details, heartbeat_at, cancel_requested,
            result_pending,
        }
    }
}

fn outcomes() -> impl Strategy<Value = ActivityOutcome> {
    let retry_state = RetryState::MaximumAttemptsReached;
    prop_oneof![
        payloads().prop_map(|result| ActivityOutcome::Completed { result }),
        failures().prop_map(move |failure| ActivityOutcome::Failed { failure, retry_state }),
        failures().prop_map(move |failure| ActivityOutcome::TimedOut { failure, retry_state }),
        option::of(payloads()).prop_map(|details| ActivityOutcome::Canceled { details }),
    ]
}

prop_compose! {
    fn activities_closed()(
        seq: u32, scheduled_event_id in event_ids(), attempt: u32, started_at in option::of(times()),
        last_failure in option::of(failures()), outcome in outcomes(),
    ) -> ActivityClosed {
        let seq = Seq::new(seq);
        ActivityClosed { seq, scheduled_event_id, attempt, started_at, last_failure, outcome }
    }
}

prop_compose! {
    fn headers()(name in "[a-z]{1,12}", value in proptest::option::of(payloads())) -> Headers {
        let mut headers = Headers::new();
        if let Some(value) = value {
            headers.insert_payload(name, value);
        }
        headers
    }
}

prop_compose! {
    fn starts()(name in "[a-z]{1,12}", input in payloads(), headers in headers(), run_id in run_ids(), seed: u64)
        -> WorkflowExecutionStarted
    {
        let workflow_id = WorkflowId::new(&name).unwrap();
        WorkflowExecutionStarted {
            headers,
            randomness_seed: seed,
            ..WorkflowExecutionStarted::new(run_id, workflow_id, name.as_str(), vec![input], name.as_str())
        }
    }
}

prop_compose! {
    fn signals()(name in "[a-z]{1,12}", input in payloads(), headers in headers(), request_id in "[a-z]{1,12}")
        -> WorkflowExecutionSignaled
    {
        WorkflowExecutionSignaled {
            signal_name: name.into(),
            input: vec![input],
            headers,
            request_id: request_id.into(),
            with_previous: false,
        }
    }
}

fn local_outcomes() -> impl Strategy<Value = LocalActivityOutcome> {
    let retry_state = RetryState::MaximumAttemptsReached;
    let back_off = |(attempt, original_schedule_time, last_failure, nanos)| {
        let backoff_duration = std::time::Duration::from_nanos(nanos);
        LocalActivityOutcome::Backoff {
            attempt,
            backoff_duration,
            original_schedule_time,
            last_failure,
        }
    };
    prop_oneof![
        payloads().prop_map(|result| LocalActivityOutcome::Completed { result }),
        failures().prop_map(move |failure| LocalActivityOutcome::Failed { failure, retry_state }),
        option::of(payloads()).prop_map(|details| LocalActivityOutcome::Canceled { details }),
        (any::<u32>(), times(), option::of(failures()), any::<u64>()).prop_map(back_off),
    ]
}

prop_compose! {
    fn local_activities_ended()(
        seq: u32, activity_id in "[a-z]{1,12}", activity_type in "[a-z]{1,12}", attempt: u32,
        outcome in local_outcomes(),
    ) -> LocalActivityMarker {
        LocalActivityMarker {
            seq: Seq::new(seq),
            activity_id: activity_id.into(),
            activity_type: activity_type.into(),
            attempt,
            outcome,
            source: SourceLocation::new("src/x.rs:7"),
        }
    }
}

prop_compose! {
    fn local_activity_rows()(
        event_id in event_ids(), time in times(), activity_id in "[a-z]{1,12}",
        activity_type in "[a-z]{1,12}",
    ) -> LocalActivityRow {
        let (activity_id, activity_type) = (activity_id.into(), activity_type.into());
        LocalActivityRow { event_id, time, activity_id, activity_type }
    }
}

prop_compose! {
    fn child_events()(seq: u32, initiated_event_id in event_ids(), run_id in run_ids(), result in payloads())
        -> EventAttributes
    {
        EventAttributes::ChildWorkflowExecutionCompleted(ChildWorkflowExecutionCompleted {
            seq: Seq::new(seq),
            initiated_event_id,
            run_id,
            result,
        })
    }
}

prop_compose! {
    fn published_rows()(event_id in event_ids(), time in times(), value in payloads())
        -> PublishedRow
    {
        PublishedRow { event_id, time, value }
    }
}

prop_compose! {
    fn inbox_rows()(
        sender in option::of((run_ids(), event_ids())), received_at in times(),
        message in prop_oneof![
            starts().prop_map(|started| InboxMessage::Start(Box::new(started))),
            activities_closed().prop_map(InboxMessage::ActivityClosed),
            ("[a-z]{0,12}", option::of("[a-z]{0,12}")).prop_map(|(reason, request_id)| {
                InboxMessage::CancelRequested { reason, request_id: request_id.map(Into::into) }
            }),
            signals().prop_map(InboxMessage::Signaled),
            child_events().prop_map(|event| InboxMessage::Event(Box::new(event))),
            Just(InboxMessage::ParentClosed { policy: ParentClosePolicy::RequestCancel }),
            (any::<u32>(), "[a-z]{0,12}").prop_map(|(seq, reason)| {
                InboxMessage::ExternalCancelRequested { seq: Seq::new(seq), reason }
            }),
            starts().prop_map(|started| InboxMessage::ChildStart {
                started: Box::new(started),
                reuse_policy: WorkflowIdReusePolicy::RejectDuplicate,
            }),
            local_activities_ended().prop_map(InboxMessage::LocalActivityEnded),
        ],
    ) -> InboxRow {
        InboxRow { sender, received_at, message }
    }
}

type Decode<R> = fn(&[u8]) -> Result<R, InvalidRow>;

/// Checks what holds for all rows: the round trip, every truncation, bytes behind the end, and
/// a version that is not known.
fn check<R: Clone + PartialEq + Debug>(
    row: &R,
    bytes: &[u8],
    decode: Decode<R>,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(decode(bytes), Ok(row.clone()));
    for len in 0..bytes.len() {
        prop_assert!(decode(&bytes[..len]).is_err(), "cut to {} bytes", len);
    }
    prop_assert!(decode(&[bytes, &[0]].concat()).is_err());
    let mut newer = bytes.to_vec();
    newer[0] = 99;
    prop_assert_eq!(decode(&newer), Err(InvalidRow::UnknownVersion { version: 99 }));
    Ok(())
}

proptest! {
    #[test]
    fn run_rows_survive_a_round_trip(row in run_rows()) {
        check(&row, &row.to_bytes(), RunRow::from_bytes)?;
    }

    #[test]
    fn workflow_id_rows_survive_a_round_trip(row in workflow_id_rows()) {
        check(&row, &row.to_bytes(), WorkflowIdRow::from_bytes)?;
    }

    #[test]
    fn pending_rows_survive_a_round_trip(row in pending_rows()) {
        check(&row, &row.to_bytes(), PendingActivityRow::from_bytes)?;
    }

    #[test]
    fn inbox_rows_survive_a_round_trip(row in inbox_rows()) {
        check(&row, &row.to_bytes(), InboxRow::from_bytes)?;
    }

    #[test]
    fn local_activity_rows_survive_a_round_trip(row in local_activity_rows()) {
        check(&row, &row.to_bytes(), LocalActivityRow::from_bytes)?;
    }

    #[test]
    fn published_rows_survive_a_round_trip(row in published_rows()) {
        check(&row, &row.to_bytes(), PublishedRow::from_bytes)?;
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, number in 0..12_u8) {
        let bytes = [&[1, number], bytes.as_slice()].concat();
        let _ = RunRow::from_bytes(&bytes);
        let _ = WorkflowIdRow::from_bytes(&bytes);
        let _ = PendingActivityRow::from_bytes(&bytes);
        let _ = InboxRow::from_bytes(&bytes);
        let _ = PublishedRow::from_bytes(&bytes);
        let _ = LocalActivityRow::from_bytes(&bytes);
    }
}

/// Runs were stored without a task queue before they could have one, and are so if it is the
/// default.
#[test]
fn a_run_without_a_task_queue_is_one_of_the_default_queue() {
    #[derive(serde::Serialize)]
    struct OldRow {
        workflow_id: &'static str,
        workflow_type: &'static str,
        request_id: &'static str,
        first_execution_run_id: RunId,
        start_time: Timestamp,
        status: WorkflowStatus,
    }
    let old = OldRow {
        workflow_id: "w",
        workflow_type: "order",
        request_id: "r",
        first_execution_run_id: RunId::from_bytes([7; RunId::LEN]),
        start_time: Timestamp::from_unix_nanos(5),
        status: WorkflowStatus::Running,
    };
    let bytes = [b"\x01".as_slice(), &rmp_serde::to_vec_named(&old).unwrap()].concat();
    let row = RunRow::from_bytes(&bytes).unwrap();
    assert_eq!(&*row.task_queue, "default");
    assert_eq!(row.to_bytes(), bytes, "what is the default is not written");
}

fn cancel_request() -> InboxRow {
    let message = InboxMessage::CancelRequested { reason: "enough".to_owned(), request_id: None };
    InboxRow { sender: None, received_at: Timestamp::from_unix_nanos(5), message }
}

/// Requests from before they had ids, and those of other runs, are rows of number 3.
#[test]
fn requests_to_cancel_without_an_id_are_written_and_read_as_before() {
    let bytes = b"\x01\x03\x82\xabreceived_at\x05\xa7message\xa6enough";
    assert_eq!(InboxRow::from_bytes(bytes), Ok(cancel_request()));
    assert_eq!(cancel_request().to_bytes(), bytes);
}

#[test]
fn unknown_messages_are_named() {
    let mut bytes = cancel_request().to_bytes();
    bytes[1] = 42;
    let error = InboxRow::from_bytes(&bytes).unwrap_err();
    assert_eq!(error, InvalidRow::UnknownNumber { what: "inbox message", number: 42 });
    assert_eq!(error.to_string(), "the unknown inbox message 42");
}

/// The bytes of a row whose `outcome` is the last field with a one-byte number.
#[test]
fn unknown_outcomes_are_named() {
    let closed = ActivityClosed {
        seq: Seq::new(1),
        scheduled_event_id: EventId::new(2),
        attempt: 1,
        started_at: None,
        last_failure: None,
        outcome: ActivityOutcome::Canceled { details: None },
    };
    let message = InboxMessage::ActivityClosed(closed);
    let row = InboxRow { sender: None, received_at: Timestamp::EPOCH, message };
    let mut bytes = row.to_bytes();
    *bytes.last_mut().unwrap() = 42;
    let error = InboxRow::from_bytes(&bytes).unwrap_err();
    assert_eq!(error, InvalidRow::UnknownNumber { what: "activity outcome", number: 42 });
    *bytes.last_mut().unwrap() = 1;
    let error = InboxRow::from_bytes(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "a row that cannot be read: the result is missing");
}

#[test]
fn vis_5_unknown_statuses_are_named() {
    let row = WorkflowIdRow {
        run_id: RunId::from_bytes([1; RunId::LEN]),
        first_execution_run_id: RunId::from_bytes([1; RunId::LEN]),
        request_id: "request".into(),
        status: WorkflowStatus::Running,
    };
    let mut bytes = row.to_bytes();
    *bytes.last_mut().unwrap() = 99;
    let error = WorkflowIdRow::from_bytes(&bytes).unwrap_err();
    assert!(error.to_string().contains("workflow status 99 is unknown"), "{error}");
}

/// The stored bytes, spelled out: whoever changes them breaks every store there is.
#[test]
fn stored_rows_do_not_change() {
    let bytes = b"\x01\x03\x82\xabreceived_at\x05\xa7message\xa6enough";
    assert_eq!(cancel_request().to_bytes(), bytes);
    let signaled = WorkflowExecutionSignaled {
        signal_name: "go".into(),
        input: Vec::new(),
        headers: Headers::new(),
        request_id: "r".into(),
        with_previous: false,
    };
    let received_at = Timestamp::from_unix_nanos(5);
    let row = InboxRow { sender: None, received_at, message: InboxMessage::Signaled(signaled) };
    let bytes =
        b"\x01\x04\x82\xabreceived_at\x05\xa7message\x83\xabsignal_name\xa2go\xa5input\x90\xaarequest_id\xa1r";
    assert_eq!(row.to_bytes(), bytes);
    let row = LocalActivityRow {
        event_id: EventId::new(3),
        time: received_at,
        activity_id: "1".into(),
        activity_type: "a".into(),
    };
    let bytes = b"\x01\x84\xa8event_id\x03\xa4time\x05\xabactivity_id\xa11\xadactivity_type\xa1a";
    assert_eq!(row.to_bytes(), bytes);
    let marker = LocalActivityMarker {
        seq: Seq::new(1),
        activity_id: "1".into(),
        activity_type: "a".into(),
        attempt: 2,
        outcome: LocalActivityOutcome::Canceled { details: None },
        source: SourceLocation::new("a:1"),
    };
    let message = InboxMessage::LocalActivityEnded(marker);
    let header = b"\x01\x0a\x82\xabreceived_at\x05\xa7message\x86\xa3seq\x01".as_slice();
    let row = InboxRow { sender: None, received_at, message };
    assert!(row.to_bytes().starts_with(header), "{:?}", row.to_bytes());
    let row = PublishedRow { event_id: EventId::new(3), time: received_at, value: Payload::null() };
    let bytes =
        b"\x01\x83\xa8event_id\x03\xa4time\x05\xa5value\x82\xa8encoding\xabbinary/null\xa4data\xc4\0";
    assert_eq!(row.to_bytes(), bytes);
}
