use std::time::Duration;

use entracte::model::Seq;
use entracte::model::event::{
    ActivityTaskCompleted, ActivityTaskScheduled, ActivityTaskStarted, WorkflowExecutionFailed,
};
use entracte::{Failure, Headers, Payload, RetryState, SourceLocation, Timestamp};

use super::*;
use crate::contract::{CONFIGURE, PROVISION};

fn history(attributes: Vec<EventAttributes>) -> Vec<Event> {
    let start = Timestamp::from_unix_millis(1_700_000_000_000);
    (1_u32..)
        .zip(attributes)
        .map(|(number, attributes)| Event {
            id: EventId::new(number.into()),
            time: start.saturating_add(Duration::from_millis(5) * (number - 1)),
            attributes,
        })
        .collect()
}

fn scheduled(seq: u32, activity_type: &str) -> EventAttributes {
    EventAttributes::ActivityTaskScheduled(ActivityTaskScheduled {
        seq: Seq::new(seq),
        activity_id: seq.to_string().into(),
        activity_type: activity_type.into(),
        input: Vec::new(),
        headers: Headers::new(),
        options: PROVISION.options(),
        source: SourceLocation::new("workflow.rs:1"),
    })
}

fn a_history() -> Vec<Event> {
    history(vec![
        scheduled(1, PROVISION.name()),
        EventAttributes::ActivityTaskStarted(ActivityTaskStarted {
            scheduled_event_id: EventId::new(1),
            attempt: 2,
            started_time: Timestamp::EPOCH,
            last_failure: Some(Failure::application("Full", "the disk is full")),
        }),
        EventAttributes::ActivityTaskCompleted(ActivityTaskCompleted {
            scheduled_event_id: EventId::new(1),
            started_event_id: EventId::new(2),
            result: Payload::encode(&()).unwrap(),
        }),
        scheduled(2, CONFIGURE.name()),
        EventAttributes::WorkflowExecutionFailed(WorkflowExecutionFailed {
            failure: Failure::application("Broken", "broken").context("deploy"),
            retry_state: RetryState::RetryPolicyNotSet,
            new_execution_run_id: None,
        }),
    ])
}

#[test]
fn a_timeline_tells_when_what_happened() {
    let wanted = [
        "   1     +0.000s  ActivityTaskScheduled       provision",
        "   2     +0.005s  ActivityTaskStarted         provision, attempt 2 after: the disk is full",
        "   3     +0.010s  ActivityTaskCompleted       provision",
        "   4     +0.015s  ActivityTaskScheduled       configure",
        "   5     +0.020s  WorkflowExecutionFailed     deploy: broken",
    ];
    assert_eq!(lines(&a_history()), wanted);
    assert!(lines(&[]).is_empty());
}
