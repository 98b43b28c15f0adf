use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::event::*;
use crate::failure::{ActivityFailure, Failure, RetryState, TimeoutType};
use crate::id::{RunId, Seq, WorkflowId};
use crate::options::ActivityOptions;
use crate::payload::Payload;

fn failure(text: &str) -> Failure {
    let cause = Failure::timeout(TimeoutType::StartToClose, text).context("inner");
    Failure::activity(ActivityFailure::default(), cause)
        .with_failed_compensations(vec![Failure::non_retryable("T", text)])
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
            let source = SourceLocation::new(format!("src/{text}.rs:7"));
            let retry_state = RetryState::MaximumAttemptsReached;
            match EventType::ALL[which] {
                EventType::WorkflowExecutionStarted => {
                    A::WorkflowExecutionStarted(WorkflowExecutionStarted {
                        format_version: HISTORY_FORMAT_VERSION,
                        workflow_id: WorkflowId::new(&text).unwrap(),
                        workflow_type: text.as_str().into(),
                        input: vec![payload.clone(), payload],
                        request_id: text.as_str().into(),
                        first_execution_run_id: RunId::from_bytes([7; 16]),
                        attempt: 1,
                        randomness_seed: number,
                    })
                }
                EventType::WorkflowExecutionCompleted => {
                    A::WorkflowExecutionCompleted(WorkflowExecutionCompleted { result: payload })
                }
                EventType::WorkflowExecutionFailed => {
                    let failure = failure(&text);
                    A::WorkflowExecutionFailed(WorkflowExecutionFailed { failure, retry_state })
                }
                EventType::WorkflowExecutionCanceled => {
                    let failure = Failure::canceled().context(text);
                    A::WorkflowExecutionCanceled(WorkflowExecutionCanceled { failure })
                }
                EventType::WorkflowExecutionTerminated => {
                    A::WorkflowExecutionTerminated(WorkflowExecutionTerminated { reason: text })
                }
                EventType::WorkflowExecutionCancelRequested => {
                    A::WorkflowExecutionCancelRequested(WorkflowExecutionCancelRequested {
                        reason: text,
                    })
                }
                EventType::ActivityTaskScheduled => {
                    A::ActivityTaskScheduled(ActivityTaskScheduled {
                        seq,
                        activity_id: text.as_str().into(),
                        activity_type: text.as_str().into(),
                        input: vec![payload],
                        options: ActivityOptions {
                            start_to_close_timeout: Some(Duration::from_nanos(number)),
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
            }
        },
    )
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
    assert_eq!(numbers, [1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 27]);
    assert_eq!(EventType::ActivityTaskCompleted.number(), 12);
    assert_eq!(EventType::WorkflowExecutionTerminated.number(), 27);
}
