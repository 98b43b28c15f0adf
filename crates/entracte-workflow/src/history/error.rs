//! What can be wrong with a history.

use entracte_model::{EventId, EventType, Seq, Timestamp};

/// Says why an event cannot follow the events before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// There are no events.
    #[error("the history is empty")]
    Empty,
    /// An event's id is not the next one.
    #[error("event {found} stands where event {expected} is due")]
    Gap {
        /// The id that is due.
        expected: EventId,
        /// The id that is there.
        found: EventId,
    },
    /// The first event is not the run's start.
    #[error("the first event is {event_type:?}, not WorkflowExecutionStarted")]
    NotStarted {
        /// What it is.
        event_type: EventType,
    },
    /// The run starts a second time.
    #[error("event {event_id} starts a run that has already started")]
    StartedAgain {
        /// The event.
        event_id: EventId,
    },
    /// The history is written in a format that is newer than this code.
    #[error("the history has format version {found}; this code reads up to {supported}")]
    NewerFormat {
        /// The version of the history.
        found: u16,
        /// The newest version that this code reads.
        supported: u16,
    },
    /// An event is earlier than the one before it.
    #[error("event {event_id} at {time} is earlier than the event before it at {last}")]
    TimeWentBack {
        /// The event.
        event_id: EventId,
        /// Its time.
        time: Timestamp,
        /// The time of the event before it.
        last: Timestamp,
    },
    /// An event speaks of an activity that is not pending.
    #[error(
        "event {event_id} ({event_type:?}) speaks of event {scheduled_event_id}, which \
         schedules no pending activity"
    )]
    UnknownActivity {
        /// The event.
        event_id: EventId,
        /// What it is.
        event_type: EventType,
        /// The event that should have scheduled the activity.
        scheduled_event_id: EventId,
    },
    /// An event speaks of a start of an attempt that is not recorded.
    #[error(
        "event {event_id} speaks of event {started_event_id}, which starts no attempt of its activity"
    )]
    UnknownAttempt {
        /// The event.
        event_id: EventId,
        /// The event that should tell the attempt's start.
        started_event_id: EventId,
    },
    /// An event speaks of a timer that is not pending.
    #[error("event {event_id} ({event_type:?}) speaks of timer {seq}, which is not pending")]
    UnknownTimer {
        /// The event.
        event_id: EventId,
        /// What it is.
        event_type: EventType,
        /// The timer.
        seq: Seq,
    },
    /// An event speaks of a signal to another workflow that waits for no answer.
    #[error("event {event_id} ({event_type:?}) speaks of signal {seq}, which is not pending")]
    UnknownSentSignal {
        /// The event.
        event_id: EventId,
        /// What it is.
        event_type: EventType,
        /// The signal's operation.
        seq: Seq,
    },
    /// A marker tells the end of a local activity that cannot have been pending.
    #[error("event {event_id} tells the end of local activity {seq}, which is not pending")]
    UnknownLocalActivity {
        /// The event.
        event_id: EventId,
        /// The activity's operation.
        seq: Seq,
    },
    /// Two signals have one request id.
    #[error("event {event_id} is a second signal of the request `{request_id}`")]
    RepeatedSignal {
        /// The event.
        event_id: EventId,
        /// The id.
        request_id: String,
    },
    /// A signal stands together with an event with which none can have been taken up.
    #[error("event {event_id} is taken up with the event before it, which is no start or signal")]
    JoinedSignal {
        /// The event.
        event_id: EventId,
    },
    /// Two operations have one number.
    #[error("event {event_id} starts operation {seq}, but the numbers up to {last} are given")]
    RepeatedSeq {
        /// The event.
        event_id: EventId,
        /// The number.
        seq: Seq,
        /// The last number that was given.
        last: Seq,
    },
    /// An event follows the run's end.
    #[error("event {event_id} ({event_type:?}) follows the end of the run")]
    AfterClose {
        /// The event.
        event_id: EventId,
        /// What it is.
        event_type: EventType,
    },
    /// An event of a kind that is not known here.
    #[error("event {event_id} is a {event_type:?}, which is not known here")]
    UnknownEvent {
        /// The event.
        event_id: EventId,
        /// What it is.
        event_type: EventType,
    },
}
