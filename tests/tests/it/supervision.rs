//! The engine among the actors of its host: above it, under it, and told of what closes.

use std::sync::Arc;
use std::time::Duration;

use entracte::actor::{LinkError, RunClosed, cell, link_under_run, on_close};
use entracte::prelude::*;
use entracte::store::Store;
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine, check_store};
use entracte_tests::small::{ENDINGS, NAP, assert_endings, small_workflows, start, start_all};
use entracte_tests::steps::THREE_STEPS;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, ActorStatus, SupervisionEvent};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// An actor of the host, which writes down what it is told.
struct Host;

#[derive(Debug)]
enum Told {
    Closed(Box<RunClosed<u64>>),
    /// An actor under it has ended, and why.
    Ended(ActorId, Option<String>),
}

impl From<RunClosed<u64>> for Told {
    fn from(closed: RunClosed<u64>) -> Self {
        Self::Closed(Box::new(closed))
    }
}

impl Actor for Host {
    type Msg = Told;
    type State = mpsc::UnboundedSender<Told>;
    type Arguments = mpsc::UnboundedSender<Told>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Told>,
        told: mpsc::UnboundedSender<Told>,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(told)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Told>,
        message: Told,
        told: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let _ = told.send(message);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Told>,
        event: SupervisionEvent,
        told: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorTerminated(child, _, reason) = event {
            let _ = told.send(Told::Ended(child.get_id(), reason));
        }
        Ok(())
    }
}

async fn host() -> (ActorRef<Told>, mpsc::UnboundedReceiver<Told>) {
    let (sender, told) = mpsc::unbounded_channel();
    (Actor::spawn(None, Host, sender).await.unwrap().0, told)
}

fn disk() -> SimulatedDisk {
    SimulatedDisk::new(SimulatedOptions::default())
}

async fn engine(store: Arc<dyn Store>, host: &ActorRef<Told>) -> Engine {
    let builder = small_workflows(TestEngine::on_store(store));
    builder.supervisor(host.get_cell()).start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_host_hears_how_the_engine_has_ended() {
    for (end, reason) in [
        ("shutdown", None),
        ("fail", Some("the engine has failed: the journal could not be written: ")),
        ("directory", Some("the engine has failed: its directory actor has ended")),
        ("kill", Some("killed")),
        ("drop", Some("killed")),
    ] {
        let (host, mut told) = host().await;
        let disk = disk();
        let engine = engine(disk.reopen(), &host).await;
        let run = start(&engine, NAP, 1, "nap").await.unwrap();
        let root = engine.actor();
        match end {
            "shutdown" => engine.shutdown().await.unwrap(),
            "fail" => {
                disk.fail_at_commit(disk.commits() + 1);
                run.cancel("fails").await.unwrap_err();
            }
            "directory" => cell(&engine.tree().await.unwrap().nodes[2]).kill(),
            "kill" => root.kill(),
            _ => drop(engine),
        }
        let Some(Told::Ended(ended, why)) = told.recv().await else { panic!("{end}") };
        assert_eq!(ended, root.get_id());
        match reason {
            None => assert_eq!(why, None, "{end}"),
            Some(reason) => assert!(why.as_deref().unwrap().starts_with(reason), "{end}: {why:?}"),
        }
        // The host lives on, and may start another one.
        assert_eq!(host.get_status(), ActorStatus::Running);
        assert!(told.try_recv().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_host_is_a_crash_of_the_engine_and_loses_nothing() {
    let disk = disk();
    let (first, _told) = host().await;
    let engine_of_first = engine(disk.reopen(), &first).await;
    start_all(&engine_of_first, "a-").await.unwrap();
    first.stop_and_wait(None, None).await.unwrap();
    engine_of_first.actor().wait(None).await.unwrap();
    start(&engine_of_first, NAP, 1, "late").await.unwrap_err();
    engine_of_first.tree().await.unwrap_err();
    drop(engine_of_first);

    let (second, _told) = host().await;
    let store = disk.reopen();
    let engine = engine(store.clone(), &second).await;
    for (name, _) in ENDINGS {
        let run = engine.workflow_handle(entracte_tests::small::ANY, format!("a-{name}")).await;
        let _ = run.unwrap().result().await;
    }
    assert_endings(&check_store(&*store).unwrap(), "a-");
}

#[tokio::test(start_paused = true)]
async fn actors_of_the_host_live_and_end_with_what_they_are_linked_under() {
    let (helper, _told) = host().await;
    let (guest, _told) = host().await;
    let engine = small_workflows(TestEngine::builder()).start().await.unwrap();
    guest.get_cell().link(engine.actor());
    let run = start(&engine, NAP, 1, "nap").await.unwrap();
    link_under_run(&engine, &run, &helper.get_cell()).await.unwrap();
    // The end of one of the host's actors means nothing to the engine.
    let (brief, _told) = host().await;
    link_under_run(&engine, &run, &brief.get_cell()).await.unwrap();
    brief.kill_and_wait(None).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(helper.get_status(), ActorStatus::Running);
    assert_eq!(run.result().await.unwrap(), 3);
    helper.wait(None).await.unwrap();
    assert_eq!(guest.get_status(), ActorStatus::Running);

    let late = link_under_run(&engine, &run, &guest.get_cell()).await;
    let closed = run.run_id();
    assert!(matches!(late, Err(LinkError::NoActor { run_id }) if run_id == closed), "{late:?}");
    let other = start(&engine, NAP, 1, "other").await.unwrap();
    let ended = link_under_run(&engine, &other, &helper.get_cell()).await;
    let of_other = other.run_id();
    assert!(matches!(ended, Err(LinkError::Ending { run_id }) if run_id == of_other), "{ended:?}");
    engine.shutdown().await.unwrap();
    guest.wait(None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_actor_is_linked_under_the_run_of_the_chain_that_is_open() {
    const AGAIN: Workflow<u32, u32> = Workflow::new("again");
    let engine = TestEngine::builder()
        .workflow(AGAIN, async |ctx: WorkflowContext, left: u32| {
            ctx.sleep(Duration::from_secs(60)).await;
            if left == 0 { Ok(0) } else { ctx.continue_as_new(AGAIN, left - 1).await }
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(AGAIN, 2).await.unwrap();
    let mut linked = Vec::new();
    for _ in 0..3 {
        let (helper, _told) = host().await;
        link_under_run(&engine, &run, &helper.get_cell()).await.unwrap();
        let above = helper.get_cell().try_get_supervisor().unwrap();
        let actors = engine.run_actors().await.unwrap();
        let actors: Vec<_> = actors.into_iter().map(|(id, cell)| (id, cell.get_id())).collect();
        assert_eq!(actors, [(run.describe().await.unwrap().run_id, above.get_id())]);
        linked.push(actors[0].0);
        // It falls with that run.
        helper.wait(None).await.unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    linked.dedup();
    assert_eq!((linked.len(), linked[0]), (3, run.run_id()));
    // A handle to a single run stands for that one alone, and that of a closed chain for none.
    let (helper, _told) = host().await;
    for (run, last) in [(run.of_run(linked[1]), linked[1]), (run, linked[2])] {
        let late = link_under_run(&engine, &run, &helper.get_cell()).await;
        assert!(matches!(late, Err(LinkError::NoActor { run_id }) if run_id == last), "{late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_subscription_is_told_of_the_close_once() {
    let (host, mut told) = host().await;
    let disk = disk();
    let engine = engine(disk.reopen(), &host).await;
    let run = start(&engine, NAP, 1, "nap").await.unwrap();
    on_close(&run, host.clone());
    on_close(&run, host.clone());
    on_close(&run, host.clone()).unsubscribe();
    // The run's actor is lost in between, several times.
    for _ in 0..5 {
        sleep(Duration::from_secs(60)).await;
        assert!(told.try_recv().is_err());
        engine.run_actors().await.unwrap()[0].1.kill();
    }
    for _ in 0..2 {
        let Some(Told::Closed(closed)) = told.recv().await else { panic!("not told") };
        assert_eq!((closed.workflow_id.as_str(), closed.run_id), ("nap", run.run_id()));
        assert_eq!(closed.result.unwrap(), 3);
    }
    // One that has closed before is told of at once.
    on_close(&run, host.clone());
    assert!(matches!(told.recv().await, Some(Told::Closed(_))));
    let other = start(&engine, NAP, 1, "other").await.unwrap();
    on_close(&other, host.clone());
    other.terminate("enough").await.unwrap();
    let Some(Told::Closed(closed)) = told.recv().await else { panic!("not told") };
    assert!(matches!(closed.result, Err(WorkflowError::Terminated { .. })), "{closed:?}");
    sleep(Duration::from_secs(86_400)).await;
    assert!(told.try_recv().is_err());

    let unfinished = start(&engine, NAP, 1, "unfinished").await.unwrap();
    on_close(&unfinished, host.clone());
    sleep(Duration::from_secs(1)).await;
    engine.shutdown().await.unwrap();
    let mut heard = [told.recv().await, told.recv().await];
    heard.sort_by_key(|told| matches!(told, Some(Told::Ended(..))));
    let [Some(Told::Closed(closed)), Some(Told::Ended(..))] = heard else { panic!("{heard:?}") };
    assert!(matches!(closed.result, Err(WorkflowError::EngineStopped(_))), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_to_a_subscriber_that_has_ended() {
    let (host, mut told) = host().await;
    let engine = small_workflows(TestEngine::builder()).start().await.unwrap();
    let run = start(&engine, THREE_STEPS, 1, "steps").await.unwrap();
    on_close(&run, host.clone());
    host.kill_and_wait(None).await.unwrap();
    on_close(&run, host);
    assert_eq!(run.result().await.unwrap(), 4);
    sleep(Duration::from_secs(1)).await;
    // Nobody holds the other end any more, and nothing was sent to it.
    assert!(told.recv().await.is_none());
}
