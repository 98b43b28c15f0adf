//! The tree as rows of a list: what they say, and how they are found again in the next tree.

use entracte::{ActorKind, ActorNode, ActorTree, RunActorState, RunId, Timestamp, WorkflowId};

/// One line of the tree.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) depth: usize,
    pub(crate) text: String,
    pub(crate) tone: Tone,
    pub(crate) key: Key,
    /// The run of the line, or that of the attempt or the timer.
    pub(crate) run: Option<WorkflowId>,
    /// None in tests of the drawing.
    pub(crate) node: Option<ActorNode>,
}

/// How a line is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Organ,
    Run,
    Trouble,
    Ending,
    Attempt,
    Timer,
}

/// What a line stands for. The next attempt at an activity, and the actor that takes the place of
/// a lost one, stand for the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    #[cfg(test)]
    pub(crate) fn new(key: &str) -> Self {
        Self(key.to_owned())
    }
}

/// Puts a tree into rows.
pub(crate) fn rows(tree: &ActorTree) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::with_capacity(tree.nodes.len());
    // The run of each line, by its place.
    let mut runs: Vec<Option<(WorkflowId, RunId)>> = Vec::with_capacity(tree.nodes.len());
    for node in &tree.nodes {
        let run = match &node.kind {
            ActorKind::Run { workflow_id, run_id, .. } => Some((workflow_id.clone(), *run_id)),
            _ => node.parent.and_then(|parent| runs[parent].clone()),
        };
        let owner = run.as_ref().map(|(_, run_id)| run_id.to_string()).unwrap_or_default();
        rows.push(Row {
            depth: node.depth,
            text: text(node, tree.time),
            tone: tone(&node.kind),
            key: Key(format!("{} {owner} {}", node.kind.name(), node.kind.id())),
            run: run.as_ref().map(|(workflow_id, _)| workflow_id.clone()),
            node: Some(node.clone()),
        });
        runs.push(run);
    }
    rows
}

fn text(node: &ActorNode, now: Timestamp) -> String {
    let age = now.saturating_since(node.since).as_secs();
    let text = match &node.kind {
        ActorKind::Run { workflow_id, state: RunActorState::Running, .. } => {
            format!("{workflow_id}")
        }
        ActorKind::Run { workflow_id, state, .. } => format!("{workflow_id} {state}"),
        ActorKind::Attempt { activity_type, attempt, .. } => format!("{activity_type} #{attempt}"),
        ActorKind::Timer { timer_id, due } => {
            let left = due.saturating_since(now).as_secs_f32();
            return format!("timer {timer_id}, due in {left:.1}s");
        }
        kind => kind.to_string(),
    };
    let mailbox =
        if node.mailbox > 0 { format!(", mailbox {}", node.mailbox) } else { String::new() };
    let waiting =
        if node.waiting > 0 { format!(", {} waiting", node.waiting) } else { String::new() };
    format!("{text}, {age}s{mailbox}{waiting}")
}

fn tone(kind: &ActorKind) -> Tone {
    match kind {
        ActorKind::Run { state: RunActorState::Parked, .. } => Tone::Trouble,
        ActorKind::Run { state: RunActorState::Closing | RunActorState::Leaving, .. } => {
            Tone::Ending
        }
        ActorKind::Run { state: RunActorState::Sleeping, .. } => Tone::Timer,
        ActorKind::Run { .. } => Tone::Run,
        ActorKind::Attempt { .. } => Tone::Attempt,
        ActorKind::Timer { .. } => Tone::Timer,
        _ => Tone::Organ,
    }
}
