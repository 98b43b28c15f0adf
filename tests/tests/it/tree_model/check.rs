//! What must hold of a store and an engine whenever everything is at rest, whatever has
//! happened before.

use std::collections::{BTreeMap, BTreeSet};

use entracte::model::RunId;
use entracte::prelude::*;
use entracte::store::{Store, StoreExt};
use entracte::workflow::{ChildExecution, HistoryState};
use entracte::{Event, EventAttributes as A};
use entracte_testing::{StoredRun, check_store};

use super::check_actors::check_actors;
use super::labels::{Labels, node_of};
use super::model::Ending;
use super::node::NODE;
use super::scenario::{BY_PARENT_CLOSE, Fate, Scenario, Told};

/// Reads how all runs stand.
pub(super) fn ending(store: &dyn Store, scenario: &Scenario) -> Result<Ending, String> {
    let runs = check_store(store).map_err(|error| error.to_string())?;
    let labels = Labels::new(&runs, scenario);
    let id_of = |run: RunId| {
        let found = runs.iter().find(|it| it.run_id == run);
        found.map_or_else(|| run.to_string(), |run| labels.of(run.row.workflow_id.as_str()))
    };
    let mut ending: Ending = runs
        .iter()
        .map(|run| Told {
            workflow_id: labels.of(run.row.workflow_id.as_str()),
            parent: run.row.parent.as_ref().map(|parent| id_of(parent.run_id)),
            fate: run.history.last().map_or(Fate::Open, |last| labels.fate(&last.attributes)),
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

/// A run with what its history says.
pub(super) struct Looked {
    pub(super) stored: StoredRun,
    pub(super) state: HistoryState,
}

pub(super) type Looks = BTreeMap<RunId, Looked>;

/// Checks a store and the actors of the engine on it, which has nothing to do.
///
/// # Errors
/// What is wrong, in words.
pub(super) async fn at_rest(
    engine: &Engine,
    store: &dyn Store,
    scenario: &Scenario,
) -> Result<(), String> {
    let runs = look(store)?;
    // Runs that have left something undone, which only one may do that is parked.
    let mut behind = BTreeSet::new();
    for run in runs.values() {
        check_history(run)?;
        check_children(run, &runs, &mut behind)?;
        check_parent(run, &runs, scenario)?;
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
        if !child_is_open || !is_over(run, child, runs)? {
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

/// Whether that has closed which the parent close policy of a child is about (rule CHD-6).
fn is_over(parent: &Looked, child: &ChildExecution, runs: &Looks) -> Result<bool, String> {
    let last = match child.options.parent_close_scope {
        ParentCloseScope::Chain => chain_of(parent, runs)?.pop().unwrap_or(parent),
        _ => parent,
    };
    Ok(!last.stored.row.status.is_open())
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
fn check_parent(run: &Looked, runs: &Looks, scenario: &Scenario) -> Result<(), String> {
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
    let Some(asked) = asked.filter(|it| it.workflow_id == *id && it.seq == parent.seq) else {
        return Err(format!("{id}: its parent has not asked for it: {history:#?}"));
    };
    let node = node_of(&asked.input).and_then(|node| scenario.nodes.get(node));
    let default_id = format!("{}_{}", parent.run_id, parent.seq);
    if node.is_none_or(|node| node.has_default_id != (default_id == id.as_str())) {
        return Err(format!("{id}: the id of a child that is {node:?} (rule CHD-1)"));
    }
    let close = above.stored.row.close;
    let is_first = run.stored.row.continued_execution_run_id.is_none();
    if is_first && close.is_some_and(|close| close.time < run.stored.row.start_time) {
        return Err(format!("{id}: it has begun after its parent had closed"));
    }
    let about = match asked.options.parent_close_scope {
        ParentCloseScope::Chain => chain_of(above, runs)?.pop().unwrap_or(above),
        _ => above,
    };
    let falls_with_it = matches!(ending_of(run), Some(A::WorkflowExecutionTerminated(it)) if it.reason == BY_PARENT_CLOSE);
    let is_over = !about.stored.row.status.is_open();
    if falls_with_it && !(is_over && parent.parent_close_policy == ParentClosePolicy::Terminate) {
        return Err(format!("{id}: it fell without its parent"));
    }
    let labels = Labels::default();
    let told = history.iter().filter_map(|event| told(&event.attributes, run.stored.run_id));
    let told: Vec<_> = told.collect();
    match (&told[..], ending_of(run)) {
        ([], _) => Ok(()),
        ([told], Some(own)) if *told == labels.fate(own) => Ok(()),
        (told, own) => Err(format!("{id}: its parent was told {told:#?}, and it ended {own:#?}")),
    }
}

fn ending_of(run: &Looked) -> Option<&A> {
    let last = run.stored.history.last()?;
    last.attributes.event_type().is_close().then_some(&last.attributes)
}

/// How a parent tells of the end of a run.
fn told(event: &A, run_id: RunId) -> Option<Fate> {
    let chain = |failure: &Failure| Labels::default().chain(failure);
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
