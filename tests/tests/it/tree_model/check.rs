//! What must hold of a store and an engine whenever everything is at rest, whatever has
//! happened before.

use std::collections::{BTreeMap, BTreeSet};

use entracte::model::RunId;
use entracte::prelude::*;
use entracte::store::{Store, StoreExt};
use entracte::workflow::{ChildExecution, HistoryState};
use entracte::{Event, EventAttributes as A, FailureKind};
use entracte_testing::{StoredRun, check_store};

use super::model::Ending;
use super::node::NODE;
use super::scenario::{BY_PARENT_CLOSE, Fate, Told};

/// Reads how all runs stand.
pub(super) fn ending(store: &dyn Store) -> Result<Ending, String> {
    let runs = check_store(store).map_err(|error| error.to_string())?;
    let id_of = |run: RunId| {
        let found = runs.iter().find(|it| it.run_id == run);
        found.map_or_else(|| run.to_string(), |run| run.row.workflow_id.to_string())
    };
    let mut ending: Ending = runs
        .iter()
        .map(|run| Told {
            workflow_id: run.row.workflow_id.to_string(),
            parent: run.row.parent.as_ref().map(|parent| id_of(parent.run_id)),
            fate: run.history.last().map_or(Fate::Open, |last| fate(&last.attributes)),
            cancel_requested: is_asked_to_cancel(run),
        })
        .collect();
    ending.sort();
    Ok(ending)
}

fn is_asked_to_cancel(run: &StoredRun) -> bool {
    run.history.iter().any(is_request)
}

fn is_request(event: &Event) -> bool {
    matches!(event.attributes, A::WorkflowExecutionCancelRequested(_))
}

fn fate(event: &A) -> Fate {
    match event {
        A::WorkflowExecutionCompleted(it) => {
            Fate::Completed(it.result.decode().unwrap_or(u64::MAX))
        }
        A::WorkflowExecutionFailed(it) => Fate::Failed(chain(&it.failure)),
        A::WorkflowExecutionCanceled(it) => Fate::Canceled(chain(&it.failure)),
        A::WorkflowExecutionTerminated(it) => Fate::Terminated(it.reason.clone()),
        A::WorkflowExecutionTimedOut(_) => Fate::TimedOut,
        A::WorkflowExecutionContinuedAsNew(_) => Fate::ContinuedAsNew,
        _ => Fate::Open,
    }
}

fn chain(failure: &Failure) -> Vec<String> {
    let level = |failure: &Failure| match failure.kind() {
        FailureKind::Application(it) => it.r#type.clone(),
        FailureKind::Timeout { timeout_type, .. } => format!("timeout: {timeout_type}"),
        FailureKind::Canceled { .. } => "canceled".to_owned(),
        FailureKind::Terminated => format!("terminated: {}", failure.message()),
        FailureKind::Activity(_) => "activity".to_owned(),
        FailureKind::ChildWorkflow(it) => format!("child {}", it.workflow_id),
        other => format!("{other:?}"),
    };
    failure.chain().map(level).collect()
}

/// A run with what its history says.
struct Looked {
    stored: StoredRun,
    state: HistoryState,
}

type Looks = BTreeMap<RunId, Looked>;

/// Checks a store and the actors of the engine on it, which has nothing to do.
///
/// # Errors
/// What is wrong, in words.
pub(super) async fn at_rest(engine: &Engine, store: &dyn Store) -> Result<(), String> {
    let runs = look(store)?;
    // Runs that have left something undone, which only one may do that is parked.
    let mut behind = BTreeSet::new();
    for run in runs.values() {
        check_history(run)?;
        check_children(run, &runs, &mut behind)?;
        check_parent(run, &runs)?;
    }
    let index = store.recovery_index().map_err(|error| error.to_string())?;
    // Whose inbox is not empty, or to whom something was sent.
    behind.extend(&index.inbox);
    check_actors(engine, &index.runs(), &runs, &mut behind).await?;
    for run_id in behind {
        let Some(run) = runs.get(&run_id) else {
            return Err(format!("something is left for run {run_id}, which does not exist"));
        };
        let id = &run.stored.row.workflow_id;
        let handle =
            engine.workflow_handle(NODE, id.as_str()).await.map_err(|error| error.to_string())?;
        let described = handle.describe().await.map_err(|error| error.to_string())?;
        if handle.run_id() != run_id || described.parked.is_none() {
            let history = &run.stored.history;
            return Err(format!("{id} has left something undone, and is not parked: {history:#?}"));
        }
    }
    Ok(())
}

fn look(store: &dyn Store) -> Result<Looks, String> {
    let runs = check_store(store).map_err(|error| error.to_string())?;
    let looked = runs.into_iter().map(|stored| {
        let mut state = HistoryState::default();
        for event in &stored.history {
            state.apply(event).map_err(|error| error.to_string())?;
        }
        Ok((stored.run_id, Looked { stored, state }))
    });
    looked.collect()
}

/// One close at most, and nothing behind it; one request to cancel at most (rule CAN-1).
fn check_history(run: &Looked) -> Result<(), String> {
    let history = &run.stored.history;
    let is_close = |event: &Event| event.attributes.event_type().is_close();
    let closes = history.iter().filter(|event| is_close(event)).count();
    let ends_with_it = history.last().is_some_and(is_close);
    if history.iter().filter(|event| is_request(event)).count() > 1 {
        return Err(format!("{}: asked to cancel twice", run.stored.row.workflow_id));
    }
    match (run.stored.row.status.is_open(), closes) {
        (true, 0) => Ok(()),
        (false, 1) if ends_with_it => Ok(()),
        _ => Err(format!("{}: {closes} closes: {history:#?}", run.stored.row.workflow_id)),
    }
}

/// The first run of a child, if it has begun.
fn run_of<'a>(parent: RunId, child: &ChildExecution, runs: &'a Looks) -> Option<&'a Looked> {
    let is_first = |run: &&Looked| run.stored.row.continued_execution_run_id.is_none();
    runs.values().filter(is_first).find(|run| {
        run.stored.row.parent.as_ref().is_some_and(|it| {
            it.run_id == parent && it.initiated_event_id == child.initiated_event_id
        })
    })
}

/// What a run knows of its children, and what they have done (rules CHD-2, CHD-5 to CHD-8).
fn check_children(run: &Looked, runs: &Looks, behind: &mut BTreeSet<RunId>) -> Result<(), String> {
    let run_id = run.stored.run_id;
    let is_open = run.stored.row.status.is_open();
    for child in run.state.children.values() {
        let begun = run_of(run_id, child, runs);
        let knows = child.started.map(|(_, run_id)| run_id);
        let wrong = |what: &str| {
            let (parent, id) = (&run.stored.row.workflow_id, &child.workflow_id);
            Err(format!("{parent} and its child {id}: {what}"))
        };
        if knows.is_some() && knows != begun.map(|it| it.stored.run_id) {
            return wrong("it knows of a run that does not exist");
        }
        let Some(begun) = begun else {
            if is_open {
                // Neither its start nor its refusal has arrived.
                behind.insert(run_id);
            }
            continue;
        };
        let chain = chain_of(begun, runs)?;
        let last = chain.last().copied().unwrap_or(begun);
        let child_is_open = last.stored.row.status.is_open();
        if is_open && (knows.is_none() || !child_is_open) {
            behind.insert(run_id);
        }
        if is_open || !child_is_open {
            continue;
        }
        match child.options.parent_close_policy {
            ParentClosePolicy::Terminate => return wrong("it outlives its parent"),
            ParentClosePolicy::RequestCancel
                if !chain.iter().any(|run| is_asked_to_cancel(&run.stored)) =>
            {
                behind.insert(last.stored.run_id);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The runs of a chain, from one of them on.
fn chain_of<'a>(first: &'a Looked, runs: &'a Looks) -> Result<Vec<&'a Looked>, String> {
    let mut chain = vec![first];
    let mut last = first;
    while let Some(next) = last.stored.row.new_execution_run_id() {
        let id = &last.stored.row.workflow_id;
        last = runs.get(&next).ok_or_else(|| format!("{id}: its next run does not exist"))?;
        chain.push(last);
    }
    Ok(chain)
}

/// What a run has in common with its parent.
fn check_parent(run: &Looked, runs: &Looks) -> Result<(), String> {
    let Some(parent) = &run.stored.row.parent else { return Ok(()) };
    let id = &run.stored.row.workflow_id;
    let Some(above) = runs.get(&parent.run_id) else {
        return Err(format!("{id}: its parent does not exist"));
    };
    let history = &above.stored.history;
    let asked = history.iter().find_map(|event| match &event.attributes {
        A::StartChildWorkflowExecutionInitiated(it) if event.id == parent.initiated_event_id => {
            Some(it)
        }
        _ => None,
    });
    if asked.is_none_or(|asked| asked.workflow_id != *id || asked.seq != parent.seq) {
        return Err(format!("{id}: its parent has not asked for it: {history:#?}"));
    }
    let close = above.stored.row.close;
    let is_first = run.stored.row.continued_execution_run_id.is_none();
    if is_first && close.is_some_and(|close| close.time < run.stored.row.start_time) {
        return Err(format!("{id}: it has begun after its parent had closed"));
    }
    let falls_with_it = matches!(ending_of(run), Some(A::WorkflowExecutionTerminated(it)) if it.reason == BY_PARENT_CLOSE);
    if falls_with_it
        && (close.is_none() || parent.parent_close_policy != ParentClosePolicy::Terminate)
    {
        return Err(format!("{id}: it fell without its parent"));
    }
    let told = history.iter().filter_map(|event| told(&event.attributes, run.stored.run_id));
    let told: Vec<_> = told.collect();
    match (&told[..], ending_of(run)) {
        ([], _) => Ok(()),
        ([told], Some(own)) if *told == fate(own) => Ok(()),
        (told, own) => Err(format!("{id}: its parent was told {told:#?}, and it ended {own:#?}")),
    }
}

fn ending_of(run: &Looked) -> Option<&A> {
    let last = run.stored.history.last()?;
    last.attributes.event_type().is_close().then_some(&last.attributes)
}

/// How a parent tells of the end of a run.
fn told(event: &A, run_id: RunId) -> Option<Fate> {
    let (told, fate) = match event {
        A::ChildWorkflowExecutionCompleted(it) => {
            (it.run_id, Fate::Completed(it.result.decode().unwrap_or(u64::MAX)))
        }
        A::ChildWorkflowExecutionFailed(it) => (it.run_id, Fate::Failed(chain(&it.failure))),
        A::ChildWorkflowExecutionCanceled(it) => (it.run_id, Fate::Canceled(chain(&it.failure))),
        A::ChildWorkflowExecutionTerminated(it) => (it.run_id, Fate::Terminated(it.reason.clone())),
        A::ChildWorkflowExecutionTimedOut(it) => (it.run_id, Fate::TimedOut),
        _ => return None,
    };
    (told == run_id).then_some(fate)
}

/// Each run that has something to do has an actor, no other does, and each hangs where it
/// belongs.
async fn check_actors(
    engine: &Engine,
    to_do: &BTreeSet<RunId>,
    runs: &Looks,
    behind: &mut BTreeSet<RunId>,
) -> Result<(), String> {
    let actors = engine.run_actors().await.map_err(|error| error.to_string())?;
    let actors: BTreeMap<_, _> = actors.into_iter().collect();
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
        let is_below = |it: &&RunId| {
            runs.get(it)
                .and_then(|it| it.stored.row.parent.as_ref())
                .is_some_and(|it| it.run_id == *run_id)
        };
        let expected = actors.keys().filter(is_below).count() + run.state.timers.len();
        if actor.get_children().len() != expected {
            behind.insert(*run_id);
        }
        let state = &run.state;
        if !(state.activities.is_empty() && state.sent_cancels.is_empty()) {
            behind.insert(*run_id);
        }
    }
    Ok(())
}
