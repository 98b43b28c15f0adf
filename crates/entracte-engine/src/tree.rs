//! The live tree of an engine's actors, as its host sees it.

mod render;

use entracte_model::{RunId, Timestamp, WorkflowId};
use ractor::ActorCell;

/// The actors of an engine at one moment; from [`Engine::tree`](crate::Engine::tree).
///
/// The actors come in one list, each before those under it: the engine's root first, then its
/// journal, its directory, its task queues by name, and its runs by run id; under a run its
/// attempts, its timers, and its children by run id. A child stands under its parent while both
/// are in memory, otherwise under the engine.
///
/// *Live* means: the actors that were there while the list was made. No actor is asked or stopped
/// for it, so two lines may be a moment apart: an attempt that has just ended may stand under a
/// run that has already taken it up. A run that is not in memory has no actor and no line; an
/// activity that waits for its next attempt has none either. What is durable tell
/// [`describe`](crate::WorkflowHandle::describe) and the store.
///
/// It is [displayed](std::fmt::Display) as a drawing, one line for each actor.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ActorTree {
    /// When the list was made, in engine time.
    pub time: Timestamp,
    /// The actors, each before those under it.
    pub nodes: Vec<ActorNode>,
}

/// An actor of an engine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ActorNode {
    /// How many actors are above it: 0 for the engine's root.
    pub depth: usize,
    /// The place of the actor above it in the list; none for the engine's root.
    pub parent: Option<usize>,
    /// What it is.
    pub kind: ActorKind,
    /// Since when this actor is there, in engine time. An actor that took a lost one's place is
    /// younger than what it works for.
    pub since: Timestamp,
    /// How many messages of the engine's were sent to it that it has not taken up yet; of the
    /// journal, what was handed to it that it has not looked at. The message that it is at work
    /// on is not among them, nor is ractor's news of the ends of actors. An attempt and a timer
    /// are told nothing by message: theirs is always 0. An actor that takes a lost one's place
    /// begins with none, but for the journal's, which finds what was handed to the lost one.
    pub mailbox: usize,
    /// How much it has taken up and cannot do yet: appends that the journal has not begun to
    /// write, attempts that wait in a task queue, and of a run what waits for a turn or for its
    /// commit.
    pub waiting: usize,
    pub(crate) cell: ActorCell,
}

/// What an actor is, and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActorKind {
    /// The root of an engine.
    Engine {
        /// Where the engine stands.
        state: EngineState,
    },
    /// The only writer of the store.
    Journal,
    /// Who knows which runs are in memory.
    Directory,
    /// A task queue in which attempts wait, or have waited.
    TaskQueue {
        /// Its name.
        name: String,
        /// How many of its attempts may run at a time.
        slots: usize,
        /// How many do, or are about to.
        slots_in_use: usize,
    },
    /// A run of a workflow.
    Run {
        /// The workflow id.
        workflow_id: WorkflowId,
        /// The run.
        run_id: RunId,
        /// The durable name of the workflow; empty while the run is being opened.
        workflow_type: String,
        /// Where its actor stands.
        state: RunActorState,
    },
    /// An attempt at an activity, whose code runs.
    Attempt {
        /// The id of the activity within its run.
        activity_id: String,
        /// The durable name of the activity.
        activity_type: String,
        /// The number of the attempt, from 1.
        attempt: u32,
        /// Whether it is an attempt at a local activity.
        is_local: bool,
    },
    /// A durable timer of a run that is in memory.
    Timer {
        /// The id of the timer within its run.
        timer_id: String,
        /// When it fires.
        due: Timestamp,
    },
}

/// Where an engine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineState {
    /// At work.
    Running,
    /// It takes up nothing new, and waits for what still runs.
    ShuttingDown,
    /// It acknowledges nothing more; its answers say why.
    Failed,
}

/// Where the actor of a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunActorState {
    /// It reads what is stored of the run.
    Opening,
    /// It takes turns for what comes.
    Running,
    /// It waits until the run takes its first turn: in a back-off between runs of a chain.
    /// [`describe`](crate::WorkflowHandle::describe) says until when.
    Sleeping,
    /// Its turns fail; [`describe`](crate::WorkflowHandle::describe) says why.
    Parked,
    /// The run is closed: what is left under it is stopped, and its children are told.
    Closing,
    /// The engine stops, and the run leaves with it.
    Leaving,
}

impl ActorTree {
    /// The actors right under one, in their order; give its place in the list.
    pub fn children(&self, parent: usize) -> impl Iterator<Item = &ActorNode> {
        self.nodes.iter().filter(move |node| node.parent == Some(parent))
    }

    /// The place of a run's actor in the list, if the run is in memory.
    #[must_use]
    pub fn find_run(&self, wanted: RunId) -> Option<usize> {
        let is_wanted = |node: &ActorNode| matches!(node.kind, ActorKind::Run { run_id, .. } if run_id == wanted);
        self.nodes.iter().position(is_wanted)
    }
}

impl ActorKind {
    /// The name of this kind of actor, as it stands in the drawing.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Engine { .. } => "engine",
            Self::Journal => "journal",
            Self::Directory => "directory",
            Self::TaskQueue { .. } => "task queue",
            Self::Run { .. } => "run",
            Self::Attempt { .. } => "attempt",
            Self::Timer { .. } => "timer",
        }
    }

    /// What tells the actor apart from others of its kind under the same actor: the workflow id,
    /// the activity id, the timer id or the queue's name; empty where there is only one.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Engine { .. } | Self::Journal | Self::Directory => "",
            Self::TaskQueue { name, .. } => name,
            Self::Run { workflow_id, .. } => workflow_id.as_str(),
            Self::Attempt { activity_id, .. } => activity_id,
            Self::Timer { timer_id, .. } => timer_id,
        }
    }
}
