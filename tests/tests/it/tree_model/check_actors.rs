//! What must hold of the actors of an engine whenever everything is at rest.

use std::collections::{BTreeMap, BTreeSet};

use entracte::model::RunId;
use entracte::prelude::*;
use entracte::{ActorKind, ActorNode, ActorTree, RunActorState, actor};
use ractor::ActorCell;

use super::check::{Looked, Looks};

type Actors = BTreeMap<RunId, ActorCell>;

/// Each run that has something to do has an actor, no closed one does, each hangs where it
/// belongs, and the tree says so.
pub(super) async fn check_actors(
    engine: &Engine,
    to_do: &BTreeSet<RunId>,
    runs: &Looks,
    behind: &mut BTreeSet<RunId>,
) -> Result<(), String> {
    let actors = engine.run_actors().await.map_err(|error| error.to_string())?;
    let actors: Actors = actors.into_iter().collect();
    if let Some(run_id) = to_do.iter().find(|run_id| !actors.contains_key(run_id)) {
        let run = runs.get(run_id).map(|run| (&run.stored.row.workflow_id, run.stored.row.status));
        return Err(format!("run {run_id} ({run:?}) has something to do, and no actor"));
    }
    for (run_id, actor) in &actors {
        let Some(run) = runs.get(run_id).filter(|run| run.stored.row.status.is_open()) else {
            return Err(format!("run {run_id} has an actor, and is not open"));
        };
        let id = &run.stored.row.workflow_id;
        let parent = run.stored.row.parent.as_ref().and_then(|it| actors.get(&it.run_id));
        let above = actor.try_get_supervisor().map(|above| above.get_id());
        let expected = parent.map_or(engine.actor().get_id(), |parent| parent.get_id());
        if above != Some(expected) {
            return Err(format!("{id} hangs under {above:?}, and should under {expected:?}"));
        }
        let expected = children_of(*run_id, &actors, runs).count() + run.state.timers.len();
        if actor.get_children().len() != expected {
            behind.insert(*run_id);
        }
        let state = &run.state;
        if !(state.activities.is_empty() && state.sent_cancels.is_empty()) {
            behind.insert(*run_id);
        }
    }
    let tree = engine.tree().await.map_err(|error| error.to_string())?;
    check_tree(&tree, &actors, runs).map_err(|problem| format!("{problem}\n{tree}"))
}

/// The children of a run that have actors, by their run ids.
fn children_of<'a>(
    run_id: RunId,
    actors: &'a Actors,
    runs: &'a Looks,
) -> impl Iterator<Item = RunId> + 'a {
    let parent = |run_id: &RunId| runs.get(run_id)?.stored.row.parent.as_ref().map(|it| it.run_id);
    actors.keys().copied().filter(move |child| parent(child) == Some(run_id))
}

/// The tree has a line for each run that has an actor and no other, each under its parent's if
/// that has one and else under the engine's, and under a run what that has pending: timers all of
/// them, and attempts of activities that have not ended.
fn check_tree(tree: &ActorTree, actors: &Actors, runs: &Looks) -> Result<(), String> {
    let mut lines = BTreeMap::new();
    for (place, node) in tree.nodes.iter().enumerate() {
        let above = node.parent.map(|parent| (parent, tree.nodes[parent].depth));
        if above.is_none_or(|(parent, depth)| parent >= place || depth + 1 != node.depth)
            && (place, node.depth, above) != (0, 0, None)
        {
            return Err(format!("line {place} is not behind the one above it"));
        }
        if node.mailbox > 0 {
            return Err(format!("line {place} has {} messages left", node.mailbox));
        }
        if let ActorKind::Run { run_id, .. } = node.kind
            && lines.insert(run_id, place).is_some()
        {
            return Err(format!("run {run_id} has two lines"));
        }
    }
    if !lines.keys().eq(actors.keys()) {
        return Err(format!("lines of {:?}, and actors of {:?}", lines.keys(), actors.keys()));
    }
    check_engine_lines(tree)?;
    for (run_id, place) in &lines {
        let run = &runs[run_id];
        let node = &tree.nodes[*place];
        let wrong = |what: &str| Err(format!("{}: {what}", run.stored.row.workflow_id));
        let parent = run.stored.row.parent.as_ref().and_then(|it| lines.get(&it.run_id));
        if node.parent != Some(parent.copied().unwrap_or(0)) {
            return wrong("its line is not under its parent's");
        }
        if actor::cell(node).get_id() != actors[run_id].get_id() {
            return wrong("its line is another actor's");
        }
        check_run_line(node, run).or_else(|what| wrong(&what))?;
        check_lines_below(tree, *place, run).or_else(|what| wrong(&what))?;
        let below = tree.children(*place).filter_map(|node| match node.kind {
            ActorKind::Run { run_id, .. } => Some(run_id),
            _ => None,
        });
        if !below.eq(children_of(*run_id, actors, runs)) {
            return wrong("not the lines of its children in their order");
        }
    }
    Ok(())
}

/// The engine's own actors: its journal has nothing left to write.
fn check_engine_lines(tree: &ActorTree) -> Result<(), String> {
    let names: Vec<_> = tree.nodes.iter().take(3).map(|node| node.kind.name()).collect();
    if names != ["engine", "journal", "directory"] {
        return Err(format!("the tree begins with {names:?}"));
    }
    match tree.nodes[1].waiting {
        0 => Ok(()),
        waiting => Err(format!("{waiting} appends wait, and nothing is written")),
    }
}

fn check_run_line(node: &ActorNode, run: &Looked) -> Result<(), String> {
    let ActorKind::Run { workflow_id, workflow_type, state, .. } = &node.kind else {
        return Err("no line of a run".to_owned());
    };
    let row = &run.stored.row;
    if (workflow_id, workflow_type.as_str()) != (&row.workflow_id, &*row.workflow_type) {
        return Err(format!("its line names it {workflow_id}, a {workflow_type}"));
    }
    match state {
        RunActorState::Parked => Ok(()),
        RunActorState::Running if node.waiting == 0 => Ok(()),
        state => Err(format!("it is {state:?} with {} that wait", node.waiting)),
    }
}

/// The lines of attempts and timers under a run's.
fn check_lines_below(tree: &ActorTree, place: usize, run: &Looked) -> Result<(), String> {
    let mut timers = Vec::new();
    for node in tree.children(place) {
        match &node.kind {
            ActorKind::Attempt { activity_id, is_local, .. } => {
                let mut pending = run.state.activities.values();
                if *is_local || !pending.any(|it| *it.activity_id == **activity_id) {
                    return Err(format!("an attempt at {activity_id}, which is not pending"));
                }
            }
            ActorKind::Timer { timer_id, due } => timers.push((timer_id.clone(), *due)),
            ActorKind::Run { .. } => {}
            other => return Err(format!("{other:?} is under it")),
        }
    }
    let pending = run.state.timers.iter();
    let pending: Vec<_> = pending.map(|(seq, timer)| (seq.to_string(), timer.due)).collect();
    // One that is parked may have timers that have fired and wait for their turns.
    let is_parked =
        matches!(tree.nodes[place].kind, ActorKind::Run { state: RunActorState::Parked, .. });
    let is_pending = timers.iter().all(|timer| pending.contains(timer));
    if !(timers == pending || is_parked && is_pending) {
        return Err(format!("lines of the timers {timers:?}, and pending are {pending:?}"));
    }
    Ok(())
}
