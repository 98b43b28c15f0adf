//! What can be wrong with a store.

use std::fmt;

use entracte_model::event::EventDecodeError;
use entracte_model::{EventId, RunId, Seq, Timestamp, WorkflowId, WorkflowStatus};
use entracte_store::keys::{DueKey, DueKind};
use entracte_store::{InvalidKey, InvalidRow, Space, StoreError};
use entracte_workflow::HistoryError;
use serde::{Serialize, Serializer};

/// Something that no store of an engine holds unless it was damaged.
///
/// Through `serde` it is `{"problem": …}` with the fields of its variant; keys are in
/// hexadecimal, errors are texts.
#[derive(Debug, Clone, Serialize, thiserror::Error)]
#[serde(tag = "problem", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Problem {
    /// The store cannot read its rows from some key on. What lies behind is looked at as far
    /// as other rows tell where it begins.
    #[error("the space {space} cannot be read from key {key} on: {error}")]
    Unreadable {
        /// The space.
        #[serde(serialize_with = "text")]
        space: Space,
        /// The key from which on nothing is read.
        key: String,
        /// What the store said.
        #[serde(serialize_with = "text")]
        error: StoreError,
    },
    /// A key is not what its beginning says.
    #[error("key {key} in the space {space}: {error}")]
    Key {
        /// The space.
        #[serde(serialize_with = "text")]
        space: Space,
        /// The key.
        key: String,
        /// What is wrong with it.
        #[serde(serialize_with = "text")]
        error: InvalidKey,
    },
    /// A key is of no kind that is known here.
    #[error("key {key} in the space {space} is of no known kind")]
    UnknownKey {
        /// The space.
        #[serde(serialize_with = "text")]
        space: Space,
        /// The key.
        key: String,
    },
    /// A row cannot be decoded.
    #[error("row {key} in the space {space}: {error}")]
    Row {
        /// The space.
        #[serde(serialize_with = "text")]
        space: Space,
        /// The key of the row.
        key: String,
        /// What is wrong with it.
        #[serde(serialize_with = "text")]
        error: InvalidRow,
    },
    /// An event cannot be decoded.
    #[error("run {run_id}: {error}")]
    Event {
        /// The run.
        run_id: RunId,
        /// The event.
        event_id: EventId,
        /// What is wrong with it.
        #[serde(serialize_with = "text")]
        error: EventDecodeError,
    },
    /// Events are missing within a history.
    #[error("run {run_id}: event {expected} is missing before event {found}")]
    Gap {
        /// The run.
        run_id: RunId,
        /// The first event that is missing.
        expected: EventId,
        /// The event that is there.
        found: EventId,
    },
    /// The events of a run are not a history.
    #[error("the events of run {run_id} are not a history: {error}")]
    History {
        /// The run.
        run_id: RunId,
        /// What is wrong with them.
        #[serde(serialize_with = "text")]
        error: HistoryError,
    },
    /// A run has no events, and its start does not wait in its inbox either.
    #[error("run {run_id} has no events, and its start is not in its inbox")]
    NoHistory {
        /// The run.
        run_id: RunId,
    },
    /// There are events of a run that has no row.
    #[error("there are {events} events of run {run_id}, which has no row")]
    EventsWithoutRun {
        /// The run.
        run_id: RunId,
        /// How many there are.
        events: u64,
    },
    /// A run's history ends otherwise than its row says.
    #[error("run {run_id} is {row} by its row, and {history} by its history")]
    Status {
        /// The run.
        run_id: RunId,
        /// Where it stands by its row.
        #[serde(serialize_with = "text")]
        row: WorkflowStatus,
        /// Where it stands by its history.
        #[serde(serialize_with = "text")]
        history: WorkflowStatus,
    },
    /// A run's row tells something else than its history.
    #[error("run {run_id}: the {field} is {row} by its row, and {history} by its history")]
    RunRow {
        /// The run.
        run_id: RunId,
        /// What differs.
        field: &'static str,
        /// What the row says.
        row: String,
        /// What the history says.
        history: String,
    },
    /// A workflow id's row and a run's row do not fit each other.
    #[error("workflow id `{workflow_id}` and run {run_id}: {fault}")]
    WorkflowId {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// The run.
        run_id: RunId,
        /// What does not fit.
        fault: WorkflowIdFault,
    },
    /// Two runs of a chain do not fit each other.
    #[error("run {run_id} and run {other} of one chain: {fault}")]
    Chain {
        /// The run.
        run_id: RunId,
        /// The run before or behind it.
        other: RunId,
        /// What does not fit.
        fault: ChainFault,
    },
    /// A run has another task queue than its parent, or the run before it, has given it.
    #[error(
        "run {run_id} has the task queue {task_queue}, and was given {expected} by run {other}"
    )]
    TaskQueue {
        /// The run.
        run_id: RunId,
        /// Its task queue.
        task_queue: String,
        /// Its parent, or the run before it in its chain.
        other: RunId,
        /// The queue that this has given it.
        expected: String,
    },
    /// A run has published something that cannot be: it is unknown, or its history is shorter.
    #[error("`{name}`, published at event {event_id} of run {run_id}: {}", lacks(*events))]
    Published {
        /// The run.
        run_id: RunId,
        /// The name under which it was published.
        name: String,
        /// The event at which it was published.
        event_id: EventId,
        /// How many events the run has.
        events: u64,
    },
    /// A row says that something is to be done for a run that is closed, or that is unknown.
    #[error("{row} is left over from run {run_id}, which is {}", how_closed(*status))]
    LeftOver {
        /// The run.
        run_id: RunId,
        /// How it closed; none if nothing else is known of it.
        #[serde(serialize_with = "optional_text")]
        status: Option<WorkflowStatus>,
        /// The row.
        row: IndexRow,
    },
    /// A row speaks of something that is not pending by the run's history.
    #[error("run {run_id}: {row} fits nothing that is pending by its history")]
    UnknownOperation {
        /// The run.
        run_id: RunId,
        /// The row.
        row: IndexRow,
    },
    /// By the run's history something is pending that has no row: it would never happen.
    #[error("run {run_id}: {row} is missing")]
    MissingRow {
        /// The run.
        run_id: RunId,
        /// The row.
        row: IndexRow,
    },
    /// The row of a pending activity says things that exclude each other.
    #[error("run {run_id}: the row of pending activity {seq} says that {fault}")]
    PendingActivity {
        /// The run.
        run_id: RunId,
        /// The activity.
        seq: Seq,
        /// What it says.
        fault: PendingActivityFault,
    },
    /// There is no clock row, though something was journaled.
    #[error("the clock's row is missing; run {run_id} goes up to {last}")]
    ClockMissing {
        /// The latest time that anything tells.
        last: Timestamp,
        /// The run that tells it.
        run_id: RunId,
    },
    /// Something was journaled at a later time than the clock's row knows.
    #[error("the clock stands at {clock}, and run {run_id} goes up to {last}")]
    ClockBehind {
        /// The time in the clock's row.
        clock: Timestamp,
        /// The latest time that anything tells.
        last: Timestamp,
        /// The run that tells it.
        run_id: RunId,
    },
}

/// Why the row of a workflow id and a run do not fit each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorkflowIdFault {
    /// The workflow id of the run has no row.
    #[error("the workflow id has no row")]
    NoRow,
    /// The row names a run that has no row.
    #[error("the run that the workflow id's row names has no row")]
    NoRun,
    /// The row names the run of another workflow id.
    #[error("the run belongs to workflow id `{workflow_id}`")]
    OtherWorkflowId {
        /// The workflow id of the run.
        workflow_id: WorkflowId,
    },
    /// The run is the current one, and the rows tell different things about it.
    #[error("the {field} is {row} by the workflow id's row, and {run} by the run's row")]
    Differs {
        /// What differs.
        field: &'static str,
        /// What the workflow id's row says.
        row: String,
        /// What the run's row says.
        run: String,
    },
    /// The run is open, and the workflow id's row names another run.
    #[error("the run is open, and the workflow id's row names run {current}")]
    OpenBeside {
        /// The run that the row names.
        current: RunId,
    },
    /// The run started after the one that the workflow id's row names.
    #[error("the run is later than run {current}, which the workflow id's row names")]
    LaterThan {
        /// The run that the row names.
        current: RunId,
    },
}

/// A row that says that something is to be done for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum IndexRow {
    /// Something that must reach the run.
    Inbox {
        /// Its place in the inbox.
        sequence: u64,
    },
    /// An activity that has not ended.
    PendingActivity {
        /// Its number.
        seq: Seq,
    },
    /// A local activity that has not ended.
    LocalActivity {
        /// Its number.
        seq: Seq,
    },
    /// A timer that has not fired.
    Timer {
        /// Its number.
        seq: Seq,
        /// When it is due.
        due: Timestamp,
    },
    /// The end of an activity's back-off.
    ActivityRetry {
        /// The activity's number.
        seq: Seq,
        /// When it is due.
        due: Timestamp,
    },
    /// A signal to another workflow that has not been answered.
    ExternalSignal {
        /// Its number.
        seq: Seq,
        /// When it was sent.
        due: Timestamp,
    },
    /// The run's own timeout.
    RunTimeout {
        /// When it is due.
        due: Timestamp,
    },
    /// The end of the back-off before the run's first turn.
    FirstWorkflowTask {
        /// When it is due.
        due: Timestamp,
    },
    /// Something that is due, of a kind that is not known here.
    Other {
        /// Its number.
        seq: Seq,
        /// When it is due.
        due: Timestamp,
    },
}

impl From<DueKey> for IndexRow {
    fn from(key: DueKey) -> Self {
        let DueKey { due, seq, kind, .. } = key;
        match kind {
            DueKind::Timer => Self::Timer { seq, due },
            DueKind::ActivityRetry => Self::ActivityRetry { seq, due },
            DueKind::ExternalSignal => Self::ExternalSignal { seq, due },
            DueKind::RunTimeout => Self::RunTimeout { due },
            DueKind::FirstWorkflowTask => Self::FirstWorkflowTask { due },
            _ => Self::Other { seq, due },
        }
    }
}

/// What does not fit between two runs of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChainFault {
    /// A run has closed with another one to follow, which is not there.
    #[error("the latter follows the former, and is missing")]
    Missing,
    /// A run says that it follows another one, which does not know of it.
    #[error("the former says that it follows the latter, which does not go on in it")]
    NotFollowed,
    /// A run says that it follows no run, or another one, than the one that goes on in it.
    #[error("the former goes on in the latter, which does not say that it follows it")]
    NotFollowing,
    /// They are of different workflow ids or chains.
    #[error("they have different workflow ids or first runs")]
    Differs,
}

/// What the row of a pending activity cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PendingActivityFault {
    /// The result of an attempt is pending that has not been admitted.
    #[error("the result is pending of an attempt that has not been admitted")]
    ResultOfNothing,
    /// It was reset while an attempt ran, and none is admitted.
    #[error("it was reset while an attempt ran, but none is admitted")]
    ResetOfNothing,
    /// More attempts were reset than there were.
    #[error("more of its attempts were reset than there were")]
    AttemptsReset,
}

impl fmt::Display for IndexRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inbox { sequence } => write!(f, "row {sequence} of the inbox"),
            Self::PendingActivity { seq } => write!(f, "the row of pending activity {seq}"),
            Self::LocalActivity { seq } => write!(f, "the row of local activity {seq}"),
            Self::Timer { seq, due } => write!(f, "the row of timer {seq}, due at {due},"),
            Self::ActivityRetry { seq, due } => {
                write!(f, "the row of the next attempt of activity {seq}, due at {due},")
            }
            Self::ExternalSignal { seq, due } => {
                write!(f, "the row of signal {seq}, sent at {due},")
            }
            Self::RunTimeout { due } => write!(f, "the row of the run's timeout, due at {due},"),
            Self::FirstWorkflowTask { due } => {
                write!(f, "the row of the run's first turn, due at {due},")
            }
            Self::Other { seq, due } => write!(f, "the row of operation {seq}, due at {due},"),
        }
    }
}

fn lacks(events: u64) -> String {
    if events == 0 {
        "the run has no events".to_owned()
    } else {
        format!("the run ends with event {events}")
    }
}

fn how_closed(status: Option<WorkflowStatus>) -> String {
    status.map_or_else(|| "unknown".to_owned(), |status| status.to_string())
}

/// For machines, what they can only show is a text.
fn text<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[expect(clippy::ref_option, reason = "serde calls it with a reference")]
fn optional_text<T: fmt::Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
