//! What the actors tell of themselves, so that a look at them stops nobody.
//!
//! Each actor keeps its line here up to date, and the tree reads the lines. Nothing is decided by
//! them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entracte_model::{RunId, Seq, Timestamp, WorkflowId};
use ractor::{ActorCell, ActorId};

use crate::address::{Address, Mailbox};
use crate::tree::RunActorState;

/// An actor, and since when it is there.
#[derive(Debug, Clone)]
pub(crate) struct LiveActor {
    pub(crate) cell: ActorCell,
    /// None if nobody sends it anything, or what is sent to it is kept elsewhere.
    pub(crate) mailbox: Option<Mailbox>,
    pub(crate) since: Timestamp,
}

impl LiveActor {
    /// An actor without a mailbox that would have to be counted.
    pub(crate) const fn new(cell: ActorCell, since: Timestamp) -> Self {
        Self { cell, mailbox: None, since }
    }

    pub(crate) fn addressed<M: Send + 'static>(actor: &Address<M>, since: Timestamp) -> Self {
        Self { cell: actor.get_cell(), mailbox: Some(actor.mailbox().clone()), since }
    }
}

/// How much the journal has to do at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JournalLook {
    /// What was handed to it that it has not looked at yet.
    pub(crate) unread: usize,
    /// Appends that have not begun to be written, and messages that it works on.
    pub(crate) taken_up: usize,
}

/// The actors under the root that are no runs.
#[derive(Debug, Default)]
pub(crate) struct LiveEngine(Mutex<EngineLines>);

#[derive(Debug, Clone, Default)]
pub(crate) struct EngineLines {
    pub(crate) root: Option<LiveActor>,
    pub(crate) journal: Option<LiveActor>,
    pub(crate) directory: Option<LiveActor>,
    pub(crate) task_queues: BTreeMap<Arc<str>, LiveActor>,
}

impl LiveEngine {
    pub(crate) fn lines(&self) -> EngineLines {
        self.lock().clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut EngineLines)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, EngineLines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run that is in memory, as the directory knows it.
#[derive(Debug)]
pub(crate) struct TreeRun {
    pub(crate) run_id: RunId,
    pub(crate) workflow_id: WorkflowId,
    pub(crate) parent: Option<RunId>,
    pub(crate) cell: ActorCell,
    pub(crate) mailbox: Mailbox,
    pub(crate) live: Arc<LiveRun>,
}

/// What a run's actor tells of itself and of the attempts and timers under it.
#[derive(Debug)]
pub(crate) struct LiveRun {
    since: Timestamp,
    /// How much it has taken up and cannot do yet.
    waiting: AtomicUsize,
    lines: Mutex<RunLines>,
}

#[derive(Debug)]
struct RunLines {
    workflow_type: Arc<str>,
    state: RunActorState,
    /// Looked up by actor only; listed in the order of their places.
    children: BTreeMap<LivePlace, LiveChild>,
    places: HashMap<ActorId, LivePlace>,
}

/// The order of the actors under a run: attempts, then timers, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LivePlace {
    Attempt(Seq, u32),
    LocalAttempt(Seq, u32),
    Timer(Seq),
}

/// An actor under a run.
#[derive(Debug, Clone)]
pub(crate) struct LiveChild {
    pub(crate) actor: LiveActor,
    pub(crate) kind: LiveChildKind,
}

#[derive(Debug, Clone)]
pub(crate) enum LiveChildKind {
    Attempt { activity_id: Arc<str>, activity_type: Arc<str>, attempt: u32, is_local: bool },
    Timer { seq: Seq, due: Timestamp },
}

/// A run's lines at one moment.
#[derive(Debug)]
pub(crate) struct RunLook {
    pub(crate) since: Timestamp,
    pub(crate) waiting: usize,
    pub(crate) workflow_type: Arc<str>,
    pub(crate) state: RunActorState,
    pub(crate) children: Vec<LiveChild>,
}

impl LiveRun {
    pub(crate) fn new(since: Timestamp) -> Arc<Self> {
        let lines = RunLines {
            workflow_type: Arc::default(),
            state: RunActorState::Opening,
            children: BTreeMap::new(),
            places: HashMap::new(),
        };
        Arc::new(Self { since, waiting: AtomicUsize::new(0), lines: Mutex::new(lines) })
    }

    pub(crate) fn look(&self) -> RunLook {
        let lines = self.lock();
        RunLook {
            since: self.since,
            waiting: self.waiting.load(Ordering::Relaxed),
            workflow_type: Arc::clone(&lines.workflow_type),
            state: lines.state,
            children: lines.children.values().cloned().collect(),
        }
    }

    pub(crate) fn set_waiting(&self, waiting: usize) {
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    pub(crate) fn set_state(&self, state: RunActorState, workflow_type: Option<Arc<str>>) {
        let mut lines = self.lock();
        lines.state = state;
        if let Some(workflow_type) = workflow_type {
            lines.workflow_type = workflow_type;
        }
    }

    pub(crate) fn child_started(&self, place: LivePlace, child: LiveChild) {
        let mut lines = self.lock();
        lines.places.insert(child.actor.cell.get_id(), place);
        lines.children.insert(place, child);
    }

    pub(crate) fn child_ended(&self, actor: ActorId) {
        let mut lines = self.lock();
        // A timer's place may have been taken by its successor.
        if let Some(place) = lines.places.remove(&actor)
            && lines.children.get(&place).is_some_and(|child| child.actor.cell.get_id() == actor)
        {
            lines.children.remove(&place);
        }
    }

    fn lock(&self) -> MutexGuard<'_, RunLines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
