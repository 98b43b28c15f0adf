//! How many messages stand in the actors' mailboxes, as the live tree tells.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::{Batch, MemoryStore, Space, StoreError, StoreFuture};
use entracte::{ActorNode, RunId, actor};
use entracte_testing::{HookedStore, StoreHook, TestEngine};
use tokio::task::{JoinHandle, block_in_place};

const BRIEF: Workflow<(), ()> = Workflow::new("brief");
const BUSY: Workflow<(), ()> = Workflow::new("busy");
const NUDGE: Signal<()> = Signal::new("nudge");

/// An engine whose busy workflow holds its thread in its first turn, also when that is replayed,
/// and then waits for four nudges.
struct BusyEngine {
    engine: Engine,
    /// Lets one turn go on.
    let_go: mpsc::Sender<()>,
    /// How many turns have come to the point at which they wait.
    held: Arc<AtomicUsize>,
}

impl BusyEngine {
    async fn start() -> Self {
        let (let_go, gate) = mpsc::channel();
        let (gate, held) = (Arc::new(Mutex::new(gate)), Arc::new(AtomicUsize::new(0)));
        let enters = Arc::clone(&held);
        let engine = TestEngine::builder()
            .replay_every_event(false)
            .workflow(BUSY, move |ctx: WorkflowContext, (): ()| {
                let (gate, enters) = (Arc::clone(&gate), Arc::clone(&enters));
                async move {
                    let mut nudges = ctx.signals(NUDGE);
                    enters.fetch_add(1, Ordering::SeqCst);
                    // What this thread had to do otherwise is done by another one.
                    block_in_place(|| gate.lock().unwrap().recv()).unwrap();
                    for _ in 0..4 {
                        nudges.recv().await;
                    }
                    Ok(())
                }
            })
            .start()
            .await
            .unwrap();
        Self { engine, let_go, held }
    }

    /// Starts a run, and has its actor replaced by one that is held while it replays it.
    async fn held_run(&self) -> WorkflowHandle<()> {
        self.let_go.send(()).unwrap();
        let run = self.engine.start_workflow(BUSY, ()).workflow_id("busy").await.unwrap();
        let node = self.node(run.run_id(), 1, 0).await;
        actor::cell(&node).kill_and_wait(None).await.unwrap();
        self.node(run.run_id(), 2, 0).await;
        run
    }

    /// The line of a run, once as many turns have been held as that, and so many messages stand in
    /// its mailbox.
    async fn node(&self, run_id: RunId, held: usize, mailbox: usize) -> ActorNode {
        let wait = async {
            loop {
                let held_before = self.held.load(Ordering::SeqCst);
                let tree = self.engine.tree().await.unwrap();
                let node = tree.find_run(run_id).map(|place| tree.nodes[place].clone());
                if let Some(node) = node
                    && held_before == held
                    && node.mailbox == mailbox
                {
                    return node;
                }
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
        waited.unwrap_or_else(|_| panic!("no mailbox of {mailbox} in turn {held}"))
    }
}

/// Sends a nudge, and waits beside for the answer.
fn nudge(run: &WorkflowHandle<()>) -> JoinHandle<Result<(), SignalError>> {
    let run = run.clone();
    tokio::spawn(async move { run.signal(NUDGE, ()).await })
}

/// In real time and on several threads, because a turn of a workflow holds one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_tree_counts_the_messages_that_a_busy_actor_has_not_taken_up() {
    let busy = BusyEngine::start().await;
    let run = busy.held_run().await;
    let id = run.run_id();
    let mut sent = Vec::new();
    for mailbox in 1..=3 {
        sent.push(nudge(&run));
        let node = busy.node(id, 2, mailbox).await;
        let line = format!("{}, for ", node.kind);
        let drawing = busy.engine.tree().await.unwrap().to_string();
        let drawn = drawing.lines().find(|drawn| drawn.contains(&line)).unwrap();
        assert!(drawn.ends_with(&format!(", mailbox {mailbox}")), "{drawn}");
    }
    let tree = busy.engine.tree().await.unwrap();
    assert_eq!(tree.nodes[..3].iter().map(|node| node.mailbox).sum::<usize>(), 0, "{tree}");
    busy.let_go.send(()).unwrap();
    for sent in sent {
        sent.await.unwrap().unwrap();
    }
    busy.node(id, 2, 0).await;
    run.signal(NUDGE, ()).await.unwrap();
    run.result().await.unwrap();
    busy.engine.shutdown().await.unwrap();
}

/// As above.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_a_killed_actor_has_not_taken_up_is_counted_no_more() {
    let busy = BusyEngine::start().await;
    let run = busy.held_run().await;
    let id = run.run_id();
    let nudges = [nudge(&run), nudge(&run), nudge(&run)];
    let lost = busy.node(id, 2, 3).await;
    // Nobody waits for the answers, so that nobody sends them again.
    nudges.iter().for_each(JoinHandle::abort);
    let cell = actor::cell(&lost);
    cell.kill();
    busy.let_go.send(()).unwrap();
    cell.wait(None).await.unwrap();
    // Its successor is held in the same turn.
    let next = busy.node(id, 3, 0).await;
    assert_ne!(actor::cell(&next).get_id(), cell.get_id());
    let sent = nudge(&run);
    busy.node(id, 3, 1).await;
    busy.let_go.send(()).unwrap();
    sent.await.unwrap().unwrap();
    assert_eq!(run.describe().await.unwrap().signals.received, 1, "three were lost, unanswered");
    for _ in 0..3 {
        run.signal(NUDGE, ()).await.unwrap();
    }
    run.result().await.unwrap();
    busy.engine.shutdown().await.unwrap();
}

/// Where a store holds its caller, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeldAt {
    /// Where the journal looks whether the place of an event is free.
    Read,
    Commit,
}

#[derive(Debug)]
struct Holding {
    at: HeldAt,
    is_armed: AtomicBool,
    gate: Mutex<mpsc::Receiver<()>>,
}

impl Holding {
    fn pass(&self, at: HeldAt) {
        if self.at == at && self.is_armed.swap(false, Ordering::SeqCst) {
            block_in_place(|| self.gate.lock().unwrap().recv()).unwrap();
        }
    }
}

impl StoreHook for Holding {
    fn get(&self, space: Space, _key: &[u8]) -> Result<(), StoreError> {
        if space == Space::History {
            self.pass(HeldAt::Read);
        }
        Ok(())
    }

    fn commit(&self, _batch: &Batch) -> Option<StoreFuture<'_>> {
        self.pass(HeldAt::Commit);
        None
    }
}

/// In real time and on several threads, because the store holds one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_store_that_holds_the_journal_up_does_not_hold_up_the_tree() {
    // What was handed to a journal that is at work stands in its mailbox.
    for (at, expected) in [(HeldAt::Read, (1, 1)), (HeldAt::Commit, (0, 1))] {
        let (let_go, gate) = mpsc::channel();
        let hook = Holding { at, is_armed: false.into(), gate: Mutex::new(gate) };
        let store = Arc::new(HookedStore::new(Arc::new(MemoryStore::new()), hook));
        let engine = TestEngine::on_store(store.clone())
            .workflow(BRIEF, async |_: WorkflowContext, (): ()| Ok(()))
            .start()
            .await
            .unwrap();
        let start = || {
            let engine = engine.clone();
            tokio::spawn(async move { engine.start_workflow(BRIEF, ()).await.unwrap() })
        };
        store.hook().is_armed.store(true, Ordering::SeqCst);
        let held = start();
        while store.hook().is_armed.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        let behind = start();
        let looker = engine.clone();
        let looking = tokio::spawn(async move {
            loop {
                let tree = looker.tree().await.unwrap();
                let journal = &tree.nodes[1];
                if (journal.mailbox, journal.waiting) == expected {
                    return;
                }
                tokio::task::yield_now().await;
            }
        });
        let looked = tokio::time::timeout(Duration::from_secs(10), looking).await;
        let_go.send(()).unwrap();
        looked.unwrap_or_else(|_| panic!("not seen: {at:?}, {expected:?}")).unwrap();
        for start in [held, behind] {
            start.await.unwrap().result().await.unwrap();
        }
        engine.shutdown().await.unwrap();
    }
}
