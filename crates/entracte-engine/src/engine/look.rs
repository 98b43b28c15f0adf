//! Puts the live tree together from what the actors tell of themselves.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use entracte_model::{RunId, Timestamp};

use crate::live::{JournalLook, LiveActor, LiveChild, LiveChildKind, TreeRun};
use crate::shared::Shared;
use crate::task_queues::TaskQueueDescription;
use crate::tree::{ActorKind, ActorNode, ActorTree, EngineState};

/// The place of the root in the list.
const ROOT: usize = 0;

/// Puts the tree together; `runs` come in the order of their ids. Nothing if there is no root.
pub(super) fn build(shared: &Shared, look: JournalLook, runs: Vec<TreeRun>) -> Option<ActorTree> {
    let lines = shared.live.lines();
    let mut builder = Builder { time: shared.clock.now(), nodes: Vec::new() };
    let state = match (shared.health.poisoned(), shared.health.is_shutting_down()) {
        (Some(_), _) => EngineState::Failed,
        (None, true) => EngineState::ShuttingDown,
        (None, false) => EngineState::Running,
    };
    builder.push(None, ActorKind::Engine { state }, lines.root?, 0);
    if let Some(journal) = lines.journal {
        let place = builder.push(Some(ROOT), ActorKind::Journal, journal, look.taken_up);
        // What is handed to the journal outlives its actor, and does not stand in its mailbox.
        builder.nodes[place].mailbox = look.unread;
    }
    if let Some(directory) = lines.directory {
        builder.push(Some(ROOT), ActorKind::Directory, directory, 0);
    }
    builder.push_task_queues(lines.task_queues, shared.task_queues.describe());
    builder.push_runs(runs);
    let Builder { time, nodes } = builder;
    Some(ActorTree { time, nodes })
}

struct Builder {
    time: Timestamp,
    nodes: Vec<ActorNode>,
}

impl Builder {
    fn push(
        &mut self,
        parent: Option<usize>,
        kind: ActorKind,
        actor: LiveActor,
        waiting: usize,
    ) -> usize {
        let depth = parent.map_or(0, |parent| self.nodes[parent].depth + 1);
        let LiveActor { cell, mailbox, since } = actor;
        let mailbox = mailbox.map_or(0, |mailbox| mailbox.unread());
        self.nodes.push(ActorNode { depth, parent, kind, since, mailbox, waiting, cell });
        self.nodes.len() - 1
    }

    fn push_task_queues(
        &mut self,
        actors: BTreeMap<Arc<str>, LiveActor>,
        queues: Vec<TaskQueueDescription>,
    ) {
        // Both are in the order of the names. A queue that has just gone has no description.
        let mut queues = queues.into_iter().peekable();
        for (name, actor) in actors {
            while queues.next_if(|queue| *queue.name < *name).is_some() {}
            let queue = queues.next_if(|queue| *queue.name == *name);
            let (slots, slots_in_use) =
                queue.as_ref().map_or((0, 0), |queue| (queue.slots, queue.slots_in_use));
            let waiting = queue.map_or(0, |queue| queue.waiting_total());
            let name = name.to_string();
            self.push(
                Some(ROOT),
                ActorKind::TaskQueue { name, slots, slots_in_use },
                actor,
                waiting,
            );
        }
    }

    /// Runs as deep as they are nested: with a stack of our own, because that may be deep.
    fn push_runs(&mut self, runs: Vec<TreeRun>) {
        let ids: HashMap<RunId, usize> =
            runs.iter().enumerate().map(|(at, run)| (run.run_id, at)).collect();
        let mut below: Vec<Vec<usize>> = vec![Vec::new(); runs.len()];
        let mut top = Vec::new();
        for (at, run) in runs.iter().enumerate() {
            match run.parent.and_then(|parent| ids.get(&parent)) {
                Some(parent) => below[*parent].push(at),
                None => top.push(at),
            }
        }
        let mut stack: Vec<(usize, usize)> = top.iter().rev().map(|at| (ROOT, *at)).collect();
        while let Some((parent, at)) = stack.pop() {
            let node = self.push_run(parent, &runs[at]);
            stack.extend(below[at].iter().rev().map(|child| (node, *child)));
        }
    }

    fn push_run(&mut self, parent: usize, run: &TreeRun) -> usize {
        let look = run.live.look();
        let kind = ActorKind::Run {
            workflow_id: run.workflow_id.clone(),
            run_id: run.run_id,
            workflow_type: look.workflow_type.to_string(),
            state: look.state,
        };
        let actor = LiveActor {
            cell: run.cell.clone(),
            mailbox: Some(run.mailbox.clone()),
            since: look.since,
        };
        let node = self.push(Some(parent), kind, actor, look.waiting);
        for LiveChild { actor, kind } in look.children {
            self.push(Some(node), kind_of(kind), actor, 0);
        }
        node
    }
}

fn kind_of(kind: LiveChildKind) -> ActorKind {
    match kind {
        LiveChildKind::Attempt { activity_id, activity_type, attempt, is_local } => {
            let (activity_id, activity_type) = (activity_id.to_string(), activity_type.to_string());
            ActorKind::Attempt { activity_id, activity_type, attempt, is_local }
        }
        LiveChildKind::Timer { seq, due } => ActorKind::Timer { timer_id: seq.to_string(), due },
    }
}
