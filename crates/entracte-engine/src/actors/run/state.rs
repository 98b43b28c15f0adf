//! What a run's actor holds in memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use entracte_model::event::WorkflowExecutionSignaled;
use entracte_model::{EventAttributes, EventId, RunId, Seq, Timestamp};
use entracte_store::Batch;
use entracte_store::keys::{DeliveryKey, DueKey};
use entracte_store::rows::{RunRow, WorkflowIdRow};
use entracte_workflow::{HistoryState, Machine};
use ractor::{ActorId, ActorRef};
use tokio::time::Instant;

use super::alarm::{Alarm, Deadlines, Wake};
use super::effect::{Effect, Query};
use super::input_queue::InputQueue;
use super::origin::{NewRun, Origin, RunArguments};
use super::pending_activity::PendingActivity;
use super::pending_local_activity::LocalActivities;
use crate::actors::journal::JournalHandle;
use crate::actors::presence::Presence;
use crate::address::{Address, Envelope};
use crate::description::SignalsDescription;
use crate::errors::ParkCause;
use crate::live::LiveRun;
use crate::messages::{
    Acknowledgement, Append, DirectoryMessage, Epoch, JournalMessage, ResultReply, RunCall,
    RunMessage, StartRequest, WorkflowIdClaim,
};
use crate::open_children::OpenChild;
use crate::shared::Shared;
use crate::tree::RunActorState;

pub(crate) struct RunState {
    pub(super) shared: Arc<Shared>,
    pub(super) myself: Address<RunMessage>,
    pub(super) journal: JournalHandle,
    pub(super) directory: Address<DirectoryMessage>,
    pub(super) presence: Presence,
    /// What it tells of itself, and the state that it has told last.
    pub(super) live: Arc<LiveRun>,
    pub(super) told: RunActorState,
    pub(super) run_id: RunId,
    pub(super) epoch: Epoch,

    /// The start that made the run, until its first turn.
    pub(super) new_run: Option<NewRun>,
    /// The run's row and its workflow id's row, as they were last written.
    pub(super) rows: Option<RunRows>,
    /// What the events say, those included that the journal has not answered yet.
    pub(super) history: HistoryState,
    /// The workflow in memory; none while it is parked or put out of memory.
    pub(super) machine: Option<Machine>,
    /// Counts the machines, so that a wake meant for an older one is recognised.
    pub(super) machine_count: u64,
    pub(super) activities: BTreeMap<Seq, PendingActivity>,
    pub(super) local: LocalActivities,
    /// Wakes the run for what its activities wait for.
    pub(super) alarm: Option<Alarm>,
    pub(super) deadlines: Deadlines,
    pub(super) timers: BTreeMap<Seq, ActorRef<()>>,
    /// The actors under this run, and what each of them is. Looked up only.
    pub(super) children: HashMap<ActorId, Child>,

    /// Appends that the journal has not answered, oldest first.
    pub(super) appends: VecDeque<PendingAppend>,
    pub(super) append_count: u64,
    /// What may be done now, in this order, because its append is durable.
    pub(super) ready: VecDeque<Effect>,
    /// What waits for a turn.
    pub(super) inputs: InputQueue,
    /// The number of the next row in the run's inbox.
    pub(super) inbox_next: u64,
    pub(super) parked: Option<Parked>,
    /// Whether everything is taken up that was stored of the run when it was opened.
    pub(super) is_resumed: bool,
    pub(super) parkings: u64,
    /// How many turns have failed one after the other, and since when.
    pub(super) failed_turns: u32,
    pub(super) failing_since: Option<Timestamp>,
    /// Whether the failed turn is to be tried again as soon as all appends are answered.
    pub(super) turn_retry_waits: bool,
    /// Tells the run when to try the failed turn again.
    pub(super) turn_retry: Option<Wake>,

    pub(super) mode: Mode,
    pub(super) close_event: Option<EventAttributes>,
    pub(super) result_waiters: Vec<ResultReply>,
    /// Queries that came, in front of the turns that they must wait for.
    pub(super) queries: Vec<Query>,
    /// What was known of the signals when the machine was put out of memory.
    pub(super) signals_seen: SignalsDescription,
    /// Calls that came before the run had been read.
    pub(super) deferred_calls: Vec<RunCall>,
    /// The delivery that made the run its parent's child, until it has begun.
    pub(super) start_delivery: Option<DeliveryKey>,
    /// How often the holder of the workflow id was asked to make room for the run.
    pub(super) room_asked: u32,
    /// Whether the run's parent has closed and takes the run with it; that waits in the inputs.
    pub(super) parent_terminates: bool,
    /// The run's place among the children that are open; none if it is no child.
    pub(super) open_child: Option<OpenChild>,
    /// Whether its history was warned of.
    pub(super) is_warned: bool,
    /// Deliveries that came when nothing was taken up any more.
    pub(super) late_deliveries: Vec<DeliveryKey>,
    /// How far the children of a run that is closed are told of that; none when all are.
    pub(super) parent_close: Option<DueKey>,
    /// Whether the run is to be opened again when it has left.
    pub(super) opens_again: bool,
    /// Wakes the run when its time is over.
    pub(super) run_timeout: Option<Wake>,
    /// Wakes the run when the back-off before its first turn is over.
    pub(super) first_task: Option<Wake>,
    /// Until when the run is held back before its first turn.
    pub(super) held_until: Option<Instant>,
    /// The signals that a workflow which continued as new has not read, until they are written
    /// into the next run's inbox.
    pub(super) carried_signals: Vec<WorkflowExecutionSignaled>,
    /// Starts of this workflow id that must wait until this run has left.
    pub(super) restarts: Vec<StartRequest>,
}

/// The rows that name the run.
#[derive(Debug, Clone)]
pub(super) struct RunRows {
    pub(super) run: RunRow,
    pub(super) workflow_id: WorkflowIdRow,
}

/// Why a run does not take turns, and when it tries again.
pub(super) struct Parked {
    pub(super) cause: ParkCause,
    pub(super) since: Timestamp,
    pub(super) failed_turns: u32,
    pub(super) next_retry: Timestamp,
}

/// What an actor under the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Child {
    Attempt { seq: Seq, attempt: u32 },
    LocalAttempt { seq: Seq, attempt: u32 },
    Timer { seq: Seq },
}

pub(super) struct PendingAppend {
    pub(super) token: u64,
    pub(super) effects: Vec<Effect>,
}

/// How far the run is on its way out of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// At work.
    Running,
    /// The engine shuts down: attempts under way may end, new ones wait for the next engine.
    Draining,
    /// The grace is over: nothing that still happens is taken up.
    CutOff,
    /// Nothing new is taken up; the directory is asked to take the run off its list as soon as
    /// nothing is under the run any more.
    Leaving { asked: bool },
    /// The engine can acknowledge nothing more.
    Stopped,
}

impl RunState {
    pub(super) fn new(myself: ActorRef<Envelope<RunMessage>>, arguments: RunArguments) -> Self {
        let RunArguments { shared, journal, directory, run_id, epoch, origin, mailbox, live } =
            arguments;
        let myself = Address::new(myself, mailbox);
        let presence = Presence::new(run_id, epoch, directory.clone());
        let new_run = match origin {
            Origin::New(new_run) => Some(*new_run),
            Origin::Stored => None,
        };
        let is_resumed = new_run.is_some();
        Self {
            shared,
            myself,
            journal,
            directory,
            presence,
            live,
            told: RunActorState::Opening,
            run_id,
            epoch,
            new_run,
            rows: None,
            history: HistoryState::default(),
            machine: None,
            machine_count: 0,
            activities: BTreeMap::new(),
            local: LocalActivities::default(),
            alarm: None,
            deadlines: Deadlines::default(),
            timers: BTreeMap::new(),
            children: HashMap::new(),
            appends: VecDeque::new(),
            append_count: 0,
            ready: VecDeque::new(),
            inputs: InputQueue::default(),
            inbox_next: 0,
            parked: None,
            is_resumed,
            parkings: 0,
            failed_turns: 0,
            failing_since: None,
            turn_retry_waits: false,
            turn_retry: None,
            mode: Mode::Running,
            close_event: None,
            result_waiters: Vec::new(),
            queries: Vec::new(),
            signals_seen: SignalsDescription::default(),
            deferred_calls: Vec::new(),
            start_delivery: None,
            room_asked: 0,
            parent_terminates: false,
            open_child: None,
            is_warned: false,
            late_deliveries: Vec::new(),
            parent_close: None,
            opens_again: false,
            run_timeout: None,
            first_task: None,
            held_until: None,
            carried_signals: Vec::new(),
            restarts: Vec::new(),
        }
    }

    /// The time now, never before the run's last event.
    pub(super) fn now(&self) -> Timestamp {
        self.shared.clock.now().max(self.history.last_time)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.history.closed.is_some()
    }

    /// Hands rows to the journal; the effects follow when they are durable.
    pub(super) fn append(&mut self, change: Change) {
        self.append_count += 1;
        let token = self.append_count;
        self.appends.push_back(PendingAppend { token, effects: change.effects });
        let append = Append {
            run_id: self.run_id,
            epoch: self.epoch,
            next_event_id: change.next_event_id,
            event_count: change.event_count,
            time: change.time,
            rows: change.rows,
            claim: change.claim,
            requires_open: change.requires_open,
            opens: change.opens,
            deliveries: change.deliveries,
            acknowledgement: Acknowledgement {
                run_id: self.run_id,
                author: self.myself.clone(),
                token,
            },
        };
        // Without a journal the engine is gone, and this actor with it.
        let _ = self.journal.cast(JournalMessage::Append(Box::new(append)));
    }

    /// Starts a change of rows without events.
    pub(super) fn change(&self) -> Change {
        Change {
            next_event_id: self.history.next_event_id,
            event_count: 0,
            time: self.now(),
            rows: Batch::new(),
            claim: None,
            requires_open: None,
            opens: None,
            deliveries: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Does something as soon as all that was decided before it is durable: an answer is an
    /// effect too (rule 3 of the design).
    pub(super) fn after_commit(&mut self, effect: Effect) {
        match self.appends.back_mut() {
            Some(append) => append.effects.push(effect),
            None => self.ready.push_back(effect),
        }
    }
}

/// What one append changes.
pub(super) struct Change {
    pub(super) next_event_id: EventId,
    pub(super) event_count: u64,
    pub(super) time: Timestamp,
    pub(super) rows: Batch,
    pub(super) claim: Option<WorkflowIdClaim>,
    /// Another run that must be open.
    pub(super) requires_open: Option<RunId>,
    /// The run that begins with it, or has something to do, and is to be opened.
    pub(super) opens: Option<RunId>,
    /// What the rows send to other runs.
    pub(super) deliveries: Vec<DeliveryKey>,
    pub(super) effects: Vec<Effect>,
}
