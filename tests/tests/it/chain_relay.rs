//! How the close of a chain goes back to the runs that have left children to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::keys::{HistoryKey, Key, RunKey};
use entracte::store::rows::RunRow;
use entracte::store::{Batch, MemoryStore, Persist, Row, Space, Store, StoreError, StoreExt};
use entracte::{EventId, RunId};
use entracte_testing::{HookedStore, StoreHook, TestEngine};

/// Runs one after the other, some of which leave a child to the chain. The last one takes an hour.
const LINE: Workflow<Line, ()> = Workflow::new("line");
/// Waits for ever.
const MEMBER: Workflow<(), ()> = Workflow::new("member");

const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Line {
    /// The number of the run, from 1.
    run: u64,
    runs: u64,
    /// Which of the runs leave a child.
    with_child: Vec<u64>,
}

async fn line(ctx: WorkflowContext, line: Line) -> WorkflowResult<()> {
    if line.with_child.contains(&line.run) {
        let child = ctx.child(MEMBER, ()).workflow_id(format!("member-{}", line.run));
        let child = child.parent_close_policy(ParentClosePolicy::Terminate);
        child.parent_close_scope(ParentCloseScope::Chain).start().await?;
    }
    if line.run < line.runs {
        return ctx.continue_as_new(LINE, Line { run: line.run + 1, ..line }).await;
    }
    ctx.sleep(HOUR).await;
    Ok(())
}

/// Notes of which runs histories are read, and can hide the row of a run.
#[derive(Debug, Default)]
struct Watching {
    read: Mutex<Vec<RunId>>,
    hidden: Mutex<Option<RunId>>,
}

impl StoreHook for Watching {
    fn get(&self, space: Space, key: &[u8]) -> Result<(), StoreError> {
        let hidden = self.hidden.lock().unwrap().map(|run_id| RunKey { run_id }.encode());
        if space == Space::State && hidden.is_some_and(|hidden| hidden == key) {
            return Err(StoreError::corrupt(space, key, "not now"));
        }
        Ok(())
    }

    fn scan(&self, space: Space, start: &[u8], _rows: &[Row]) -> Result<(), StoreError> {
        if space == Space::History
            && let Ok(key) = HistoryKey::decode(start)
        {
            self.read.lock().unwrap().push(key.run_id);
        }
        Ok(())
    }

    fn closes(&self) -> bool {
        false
    }
}

/// A store for one engine after the other.
struct Watched(Arc<HookedStore<Watching>>);

impl Watched {
    fn new() -> Self {
        Self(Arc::new(HookedStore::new(Arc::new(MemoryStore::new()), Watching::default())))
    }

    fn hide(&self, run_id: Option<RunId>) {
        *self.0.hook().hidden.lock().unwrap() = run_id;
    }

    async fn engine(&self) -> Engine {
        let store: Arc<dyn Store> = self.0.clone();
        let engine = TestEngine::on_store(store).replay_every_event(false);
        let member = async |ctx: WorkflowContext, ()| {
            ctx.sleep(HOUR * 10_000).await;
            Ok(())
        };
        engine.workflow(LINE, line).workflow(MEMBER, member).start().await.unwrap()
    }

    /// The runs of the chain, in their order.
    fn line(&self) -> Vec<RunId> {
        let rows = self.0.unhooked().list_runs(None, usize::MAX).unwrap();
        let is_first = |row: &RunRow| {
            &*row.workflow_type == "line" && row.continued_execution_run_id.is_none()
        };
        let first = rows.into_iter().find(|(_, row)| is_first(row)).map(|(run_id, _)| run_id);
        let next =
            |run_id: &RunId| self.0.unhooked().get_run(*run_id).unwrap()?.new_execution_run_id();
        std::iter::successors(first, next).collect()
    }

    /// The runs of the chain that were read since the last call.
    fn take_read(&self) -> Vec<RunId> {
        let line = self.line();
        let read = std::mem::take(&mut *self.0.hook().read.lock().unwrap());
        read.into_iter().filter(|run_id| line.contains(run_id)).collect()
    }
}

/// Starts a chain, and waits until its last run sleeps.
async fn last_run_sleeps(store: &Watched, runs: u64, with_child: &[u64]) -> Engine {
    let engine = store.engine().await;
    let line = Line { run: 1, runs, with_child: with_child.to_vec() };
    let run = engine.start_workflow(LINE, line).workflow_id("line").await.unwrap();
    while store.line().len() < usize::try_from(runs).unwrap() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(run.describe().await.unwrap().status.is_open());
    store.take_read();
    engine
}

async fn is_open(engine: &Engine, member: u64) -> bool {
    let member = engine.workflow_handle(MEMBER, format!("member-{member}")).await.unwrap();
    member.describe().await.unwrap().status.is_open()
}

#[tokio::test(start_paused = true)]
async fn chd_6_the_close_of_a_chain_opens_only_runs_that_have_left_children() {
    for (runs, with_child) in [(50, &[1][..]), (50, &[7, 20, 49]), (5, &[1, 5]), (5, &[])] {
        let store = Watched::new();
        let engine = last_run_sleeps(&store, runs, with_child).await;
        for member in with_child {
            assert!(is_open(&engine, *member).await, "{member} of {runs}");
        }
        tokio::time::sleep(HOUR * 2).await;
        let line = store.line();
        // The last run is in memory.
        let opened = with_child.iter().rev().filter(|run| **run < runs);
        let opened: Vec<_> = opened.map(|run| line[usize::try_from(*run).unwrap() - 1]).collect();
        assert_eq!(store.take_read(), opened, "{runs}, {with_child:?}");
        for member in with_child {
            assert!(!is_open(&engine, *member).await, "{member} of {runs}");
        }
        assert!(engine.run_actors().await.unwrap().is_empty());
        engine.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn chd_6_a_run_that_cannot_be_read_tells_its_children_after_the_next_start() {
    // The last run has children of its own, or none.
    for with_child in [&[1][..], &[1, 3]] {
        let store = Watched::new();
        let engine = last_run_sleeps(&store, 3, with_child).await;
        store.hide(Some(store.line()[0]));
        tokio::time::sleep(HOUR * 2).await;
        assert!(is_open(&engine, 1).await);
        if with_child.contains(&3) {
            assert!(!is_open(&engine, 3).await);
        }
        assert_eq!(engine.run_actors().await.unwrap().len(), 1, "only the child is there");
        assert!(store.take_read().is_empty(), "nothing is tried again before the next start");
        engine.shutdown().await.unwrap();

        store.hide(None);
        let engine = store.engine().await;
        tokio::time::sleep(HOUR).await;
        assert!(!is_open(&engine, 1).await);
        assert!(engine.run_actors().await.unwrap().is_empty());
        engine.shutdown().await.unwrap();

        store.take_read();
        let engine = store.engine().await;
        tokio::time::sleep(HOUR).await;
        assert!(store.take_read().is_empty(), "nothing is left to be told");
        engine.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn chd_6_a_run_with_a_corrupt_history_passes_the_close_of_its_chain_on() {
    let store = Watched::new();
    let engine = last_run_sleeps(&store, 5, &[1, 3]).await;
    let run_id = store.line()[2];
    let mut batch = Batch::new();
    let event_id = EventId::FIRST.plus(2);
    batch.delete(Space::History, HistoryKey { run_id, event_id }.encode());
    store.0.commit(batch, Persist::Sync).await.unwrap();
    tokio::time::sleep(HOUR * 2).await;
    assert!(!is_open(&engine, 1).await);
    assert!(is_open(&engine, 3).await, "nobody knows of it any more");
    assert_eq!(store.take_read(), [run_id, store.line()[0]], "each is opened once");
    assert_eq!(engine.run_actors().await.unwrap().len(), 1, "only the child is there");
    engine.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn chd_7_another_parent_takes_the_id_of_a_child_that_is_to_fall_with_a_chain() {
    let store = Watched::new();
    let engine = last_run_sleeps(&store, 3, &[1]).await;
    let other = async |id: &str| {
        let line = Line { run: 1, runs: 1, with_child: vec![1] };
        engine.start_workflow(LINE, line).workflow_id(id).await.unwrap().result().await
    };
    // The chain goes on, and so does the child of its first run.
    other("early").await.unwrap_err();
    assert!(is_open(&engine, 1).await);
    // The chain is over, and the child has not been told.
    store.hide(Some(store.line()[0]));
    tokio::time::sleep(HOUR * 2).await;
    store.hide(None);
    let old = engine.workflow_handle(MEMBER, "member-1").await.unwrap();
    assert!(is_open(&engine, 1).await);
    other("late").await.unwrap();
    let error = old.result().await.unwrap_err();
    assert!(
        matches!(&error, WorkflowError::Terminated { reason, .. } if reason == "by parent close policy"),
        "{error:?}"
    );
    engine.shutdown().await.unwrap();
}
