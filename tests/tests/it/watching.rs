//! Watching a run: its events from any one on, each once, in order, and only when it is durable.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use entracte::prelude::*;
use entracte::store::keys::{HistoryKey, Key, RunKey};
use entracte::store::{Batch, MemoryStore, Persist, Space, Store, StoreError};
use entracte::{
    Event, EventAttributes, EventId, EventStream, EventType, RunError, RunId, RunNotFound,
    WatchError,
};
use entracte_testing::crash::CrashTest;
use entracte_testing::{SimulatedDisk, SimulatedOptions, TestEngine};
use entracte_tests::small::{ANY, ENDINGS, NAP, STUBBORN, small_workflows, start, start_all};
use entracte_tests::steps::{ADD_ONE, THREE_STEPS};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

/// Reads a stream to its end.
async fn read(mut events: EventStream) -> Result<Vec<Event>, WatchError> {
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(event?);
        assert_eq!(events.next_event_id(), seen.last().unwrap().id.next());
    }
    // It has ended for good.
    assert!(events.next().await.is_none());
    Ok(seen)
}

/// Long enough for everything that is under way.
async fn settle() {
    sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_watcher_sees_the_history_then_what_happens_and_ends_with_the_run() {
    let engine = small_workflows(TestEngine::builder()).start().await.unwrap();
    let run = start(&engine, NAP, 1, "nap").await.unwrap();
    settle().await;
    let so_far = run.history().await.unwrap();
    let mut live = run.watch();
    for event in &so_far {
        assert_eq!(live.next().await.unwrap().unwrap(), *event);
    }
    let waits = tokio::time::timeout(Duration::from_secs(60), live.next()).await;
    assert!(waits.is_err(), "there is nothing more yet: {waits:?}");
    let rest = read(live).await.unwrap();
    let history = run.history().await.unwrap();
    assert!(history.last().unwrap().attributes.event_type().is_close());
    assert_eq!([so_far, rest].concat(), history);
    // That of a closed run is its history, from any event on.
    for from in 0..=history.len() {
        let events = run.watch().from_event(EventId::new(from as u64));
        assert_eq!(read(events).await.unwrap(), history[from.saturating_sub(1)..]);
    }
    let behind = run.watch().from_event(history.last().unwrap().id.next());
    assert_eq!(read(behind).await.unwrap(), []);
    let far = run.watch().from_event(EventId::new(u64::MAX));
    assert_eq!(read(far).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_futures_gives_the_same_events() {
    use std::future::poll_fn;
    use std::pin::pin;

    let engine = small_workflows(TestEngine::builder()).start().await.unwrap();
    let run = start(&engine, THREE_STEPS, 1, "one").await.unwrap();
    let mut stream = pin!(run.watch());
    let mut seen = Vec::new();
    while let Some(event) = poll_fn(|cx| futures_core::Stream::poll_next(stream.as_mut(), cx)).await
    {
        seen.push(event.unwrap());
    }
    assert_eq!(seen, run.history().await.unwrap());
}

/// What a watcher is to see, and what it has seen.
struct Seen {
    id: String,
    from: EventId,
    events: Vec<Event>,
}

/// Watches runs from random events on, from random moments on, now fast and now slowly.
async fn watch_at_random(engine: Engine, id: String, mut random: ChaCha8Rng) -> Seen {
    sleep(Duration::from_millis(random.random_range(0..20_000))).await;
    let run = engine.workflow_handle(ANY, &id).await.unwrap();
    let from = EventId::new(random.random_range(1..12));
    let mut stream = run.watch().from_event(from);
    let mut events = Vec::new();
    let is_slow = random.random_ratio(1, 3);
    while let Some(event) = stream.next().await {
        events.push(event.unwrap());
        if is_slow {
            sleep(Duration::from_millis(random.random_range(0..3_000))).await;
        }
        if random.random_ratio(1, 10) {
            // Another stream goes on where this one is.
            stream = run.watch().from_event(stream.next_event_id());
        }
        if random.random_ratio(1, 5) {
            // A wait that is given up loses nothing.
            let wait = tokio::time::timeout(Duration::from_millis(1), stream.next());
            if let Ok(Some(event)) = wait.await {
                events.push(event.unwrap());
            }
        }
    }
    Seen { id, from, events }
}

async fn kill_runs_at_random(engine: &Engine, random: &mut ChaCha8Rng) {
    for _ in 0..100 {
        sleep(Duration::from_millis(random.random_range(0..300))).await;
        let runs = engine.run_actors().await.unwrap();
        if let Some((_, run)) = runs.choose(random) {
            run.kill();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn watchers_from_any_event_on_miss_nothing_and_see_nothing_twice() {
    for seed in 0..16 {
        let delay_max = Duration::from_millis(200);
        let disk = SimulatedDisk::new(SimulatedOptions { seed, delay_max, ..Default::default() });
        let engine = small_workflows(TestEngine::on_store(disk.reopen()))
            .replay_every_event(seed.is_multiple_of(2))
            .start()
            .await
            .unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        start_all(&engine, "a-").await.unwrap();
        let mut watchers = tokio::task::JoinSet::new();
        for (name, _) in ENDINGS {
            for _ in 0..6 {
                let random = ChaCha8Rng::from_rng(&mut random);
                watchers.spawn(watch_at_random(engine.clone(), format!("a-{name}"), random));
            }
        }
        let watched = watchers.join_all();
        let (watched, ()) = tokio::join!(watched, kill_runs_at_random(&engine, &mut random));
        for Seen { id, from, events } in watched {
            let run = engine.workflow_handle(ANY, &id).await.unwrap();
            let history = run.history().await.unwrap();
            let expected = history.get(from.get() as usize - 1..).unwrap_or_default();
            assert_eq!(events, expected, "seed {seed}, {id} from {from}");
        }
        engine.shutdown().await.unwrap();
    }
}

const CHAIN: Workflow<u64, u64> =
    Workflow::new("chain").retry_policy(RetryPolicy::exponential(Duration::from_secs(1)));

/// Continues as new so often, and is retried once.
async fn chain(ctx: WorkflowContext, left: u64) -> WorkflowResult<u64> {
    let number = ctx.activity(ADD_ONE, left).await?;
    ctx.sleep(Duration::from_secs(1)).await;
    match left {
        0 => Ok(number),
        1 if ctx.attempt() == 1 => Err(Failure::application("Once", "once more")),
        _ => ctx.continue_as_new(CHAIN, left - 1).await,
    }
}

/// The histories of all runs of a chain, from its first run on.
async fn histories(first: &WorkflowHandle<u64>) -> Result<Vec<(RunId, Event)>, RunError> {
    let mut all = Vec::new();
    let mut next = Some(first.run_id());
    while let Some(run_id) = next {
        let history = first.of_run(run_id).history().await?;
        next = history.last().and_then(|last| last.attributes.new_execution_run_id());
        all.extend(history.into_iter().map(|event| (run_id, event)));
    }
    Ok(all)
}

/// Reads a stream that follows a chain to its end.
async fn follow(mut events: EventStream) -> Result<Vec<(RunId, Event)>, WatchError> {
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push((events.run_id(), event?));
    }
    Ok(seen)
}

#[tokio::test(start_paused = true)]
async fn a_stream_follows_a_chain_from_run_to_run_if_it_is_told_to() {
    for seed in 0..8 {
        let delay_max = Duration::from_millis(200);
        let disk = SimulatedDisk::new(SimulatedOptions { seed, delay_max, ..Default::default() });
        let engine = small_workflows(TestEngine::on_store(disk.reopen()))
            .workflow(CHAIN, chain)
            .replay_every_event(seed.is_multiple_of(2))
            .start()
            .await
            .unwrap();
        let first = start(&engine, CHAIN, 3, "chain").await.unwrap();
        let followed = tokio::spawn(follow(first.watch().follow_chain()));
        let alone = tokio::spawn(read(first.watch()));
        kill_runs_at_random(&engine, &mut ChaCha8Rng::seed_from_u64(seed)).await;
        assert_eq!(first.result().await.unwrap(), 1, "seed {seed}");
        let expected = histories(&first).await.unwrap();
        assert_eq!(followed.await.unwrap().unwrap(), expected, "seed {seed}");
        let of_first = |(run_id, _): &&(RunId, Event)| *run_id == first.run_id();
        let count = expected.iter().filter(of_first).count();
        assert_eq!(alone.await.unwrap().unwrap().len(), count, "seed {seed}");
        // Of a chain that is over, from behind its first run.
        let behind = first.watch().from_event(EventId::new(count as u64 + 1)).follow_chain();
        assert_eq!(follow(behind).await.unwrap(), expected[count..], "seed {seed}");
        let mut runs: Vec<_> = expected.iter().map(|(run_id, _)| *run_id).collect();
        runs.dedup();
        assert_eq!(runs.len(), 5, "seed {seed}");
        engine.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_at_its_position_in_the_next_engine_wherever_the_chain_is() {
    for (seed, every) in [(1, 1), (2, 7), (3, 13)] {
        let disk = SimulatedDisk::new(SimulatedOptions { seed, ..Default::default() });
        let open = async || {
            let engine = small_workflows(TestEngine::on_store(disk.reopen()));
            engine.workflow(CHAIN, chain).start().await.unwrap()
        };
        let mut engine = open().await;
        let first = start(&engine, CHAIN, 3, "chain").await.unwrap();
        let (mut seen, mut has_lagged) = (Vec::new(), false);
        let mut events = first.watch().follow_chain();
        while let Some(event) = events.next().await {
            seen.push((events.run_id(), event.unwrap()));
            if seen.len() % every == 0 {
                let kept = serde_json::to_string(&events.position()).unwrap();
                // The chain goes on, and the engine is another one.
                sleep(Duration::from_secs(3)).await;
                engine.shutdown().await.unwrap();
                engine = open().await;
                let run = engine.workflow_handle(CHAIN, "chain").await.unwrap();
                has_lagged |= run.run_id() != events.run_id();
                events = engine.watch_from(serde_json::from_str(&kept).unwrap()).follow_chain();
            }
        }
        let run = engine.workflow_handle(CHAIN, "chain").await.unwrap();
        assert_eq!(run.result().await.unwrap(), 1);
        let expected = histories(&run.of_run(first.run_id())).await.unwrap();
        assert_eq!(seen, expected, "every {every}");
        // Handles stood for later runs than the positions.
        assert!(has_lagged, "every {every}");
    }
}

/// What watchers have seen, by the first run of the chain: of each play there is another.
type AllSeen = Mutex<BTreeMap<RunId, BTreeMap<(RunId, EventId), Event>>>;

/// The disk of a crash test forgets what was not synced, so this holds for `Sync` alone.
#[test]
fn what_a_watcher_has_seen_survives_a_crash_at_every_commit() {
    for (workflow, input) in [(STUBBORN, 21), (CHAIN, 2)] {
        let seen = AllSeen::default();
        let set_up = |engine| small_workflows(engine).workflow(CHAIN, chain);
        let report = CrashTest::new(set_up, async |engine: Engine| {
            let run = start(&engine, workflow, input, "one").await?;
            let first = run.of_run(first_of(&run).await?);
            // What an earlier engine has shown is still there.
            let stored = histories(&first).await?;
            let shown = seen.lock().unwrap().get(&first.run_id()).cloned().unwrap_or_default();
            for ((run_id, _), event) in shown {
                if !stored.contains(&(run_id, event.clone())) {
                    return Err(format!("{event:?} was shown and is not there").into());
                }
            }
            let mut events = first.watch().follow_chain();
            while let Some(event) = events.next().await {
                let event = event?;
                let mut seen = seen.lock().unwrap();
                let of_play = seen.entry(first.run_id()).or_default();
                of_play.insert((events.run_id(), event.id), event);
            }
            Ok(())
        });
        let report = report.run().unwrap_or_else(|failure| panic!("{failure}"));
        println!("{} plays, {} faults", report.plays, report.faults);
        assert!(report.faults > report.commits);
    }
}

/// The first run of a chain.
async fn first_of(run: &WorkflowHandle<u64>) -> Result<RunId, RunError> {
    let history = run.of_run(run.run_id()).history().await?;
    let EventAttributes::WorkflowExecutionStarted(started) = &history[0].attributes else {
        panic!("{history:?}")
    };
    Ok(started.first_execution_run_id)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_shown_while_its_commit_is_on_its_way() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let engine = small_workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap();
    let run = start(&engine, NAP, 1, "nap").await.unwrap();
    settle().await;
    let seen = run.history().await.unwrap().len();
    let mut events = run.watch().from_event(EventId::new(seen as u64 + 1));
    disk.hold();
    let (asker, reason) = (run.clone(), "held up");
    let asked = tokio::spawn(async move { asker.cancel(reason).await });
    let shown = tokio::time::timeout(Duration::from_secs(60), events.next()).await;
    assert!(shown.is_err(), "{shown:?}");
    assert!(!asked.is_finished());
    disk.release();
    let event = events.next().await.unwrap().unwrap();
    assert_eq!(event.attributes.event_type(), EventType::WorkflowExecutionCancelRequested);
    asked.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_holds_few_events_however_many_there_are() {
    const LONG: Workflow<u64, ()> = Workflow::new("long");
    let engine = TestEngine::builder()
        .replay_every_event(false)
        .workflow(LONG, async |ctx: WorkflowContext, naps: u64| {
            for _ in 0..naps {
                ctx.sleep(Duration::from_secs(1)).await;
            }
            Ok(())
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(LONG, 500).await.unwrap();
    let mut slow = run.watch();
    let mut seen = vec![slow.next().await.unwrap().unwrap()];
    run.result().await.unwrap();
    while let Some(event) = slow.next().await {
        seen.push(event.unwrap());
        let held = format!("{slow:?}").split_once("held: ").unwrap().1.to_owned();
        let held = held.split([',', ' ']).next().unwrap().parse::<usize>().unwrap();
        assert!(held <= 32, "{held}");
    }
    assert_eq!(seen, run.history().await.unwrap());
    assert_eq!(seen.len(), 1_002);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_watchers_of_one_run_all_see_it_end() {
    let engine = small_workflows(TestEngine::builder()).start().await.unwrap();
    let run = start(&engine, NAP, 1, "nap").await.unwrap();
    let mut watchers = tokio::task::JoinSet::new();
    for from in 0..1_000_u64 {
        let events = run.watch().from_event(EventId::new(from % 9));
        watchers.spawn(async move { read(events).await.unwrap().last().cloned() });
    }
    let last = watchers.join_all().await;
    let history = run.history().await.unwrap();
    assert!(last.iter().all(|last| last.as_ref() == history.last()));
}

/// How a stream ended that was not to end with its run.
async fn stopped(events: EventStream) -> String {
    match read(events).await {
        Err(WatchError::EngineStopped(stopped)) => stopped.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_engine_ends_its_streams_and_the_next_engine_goes_on() {
    for end in ["shutdown", "kill", "drop", "fail"] {
        let disk = SimulatedDisk::new(SimulatedOptions::default());
        let engine = small_workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap();
        let run = start(&engine, NAP, 1, "nap").await.unwrap();
        settle().await;
        let mut events = run.watch();
        let mut seen = Vec::new();
        for _ in run.history().await.unwrap() {
            seen.push(events.next().await.unwrap().unwrap());
        }
        let from = events.next_event_id();
        // One that was never polled, and one that waits.
        let untouched = run.watch().from_event(from);
        let waiting = tokio::spawn(stopped(events));
        settle().await;
        let reason = match end {
            "shutdown" => {
                engine.shutdown().await.unwrap();
                "the engine has stopped: it was shut down"
            }
            "kill" => {
                engine.actor().kill();
                "the engine has stopped: it was dropped or killed"
            }
            "drop" => "the engine has stopped: it was dropped or killed",
            _ => {
                disk.fail_at_commit(disk.commits() + 1);
                run.cancel("fails").await.unwrap_err();
                "the engine has stopped: the journal could not be written"
            }
        };
        let engine = if end == "drop" {
            drop(engine);
            None
        } else {
            Some(engine)
        };
        let reasons = [waiting.await.unwrap(), stopped(untouched).await];
        assert!(reasons.iter().all(|told| told.starts_with(reason)), "{end}: {reasons:?}");
        drop(engine);

        disk.clear_faults();
        let engine = small_workflows(TestEngine::on_store(disk.reopen())).start().await.unwrap();
        let run = engine.workflow_handle(NAP, "nap").await.unwrap();
        let rest = read(run.watch().from_event(from)).await.unwrap();
        assert_eq!([seen, rest].concat(), run.history().await.unwrap(), "{end}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_a_typed_end() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let engine = small_workflows(TestEngine::on_store(Arc::clone(&store))).start().await.unwrap();
    let run = start(&engine, THREE_STEPS, 1, "steps").await.unwrap();
    run.result().await.unwrap();
    let history = run.history().await.unwrap();
    let key = |event_id| HistoryKey { run_id: run.run_id(), event_id }.encode();
    let change = async |change: &dyn Fn(&mut Batch)| {
        let mut batch = Batch::new();
        change(&mut batch);
        store.commit(batch, Persist::Sync).await.unwrap();
    };
    change(&|batch| batch.put(Space::History, key(EventId::new(4)), Bytes::from("no event"))).await;
    let mut events = run.watch();
    // What is before it is given, and the error stands in its place.
    for event in &history[..3] {
        assert_eq!(events.next().await.unwrap().unwrap(), *event);
    }
    let error = events.next().await.unwrap().unwrap_err();
    assert!(matches!(error, WatchError::Store(StoreError::CorruptRow { .. })), "{error:?}");
    assert!(events.next().await.is_none());
    assert_eq!(events.next_event_id(), EventId::new(4));
    // What is behind it can be read.
    assert_eq!(read(run.watch().from_event(EventId::new(5))).await.unwrap(), history[4..]);

    let last = history.last().unwrap().id;
    change(&|batch| batch.delete(Space::History, key(last))).await;
    let error = read(run.watch().from_event(last)).await.unwrap_err();
    assert!(matches!(error, WatchError::EventMissing { event_id, .. } if event_id == last));

    let row = RunKey { run_id: run.run_id() }.encode();
    change(&|batch| batch.delete(Space::State, row.clone())).await;
    let error = read(run.watch().from_event(last)).await.unwrap_err();
    assert!(matches!(error, WatchError::NotFound(RunNotFound::RunId { .. })), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_parked_run_is_watched_until_it_is_terminated() {
    const CLUMSY: Workflow<(), ()> = Workflow::new("clumsy");
    let engine = TestEngine::builder()
        .workflow(CLUMSY, async |_: WorkflowContext, (): ()| -> WorkflowResult<()> {
            panic!("stumbles on purpose")
        })
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CLUMSY, ()).await.unwrap();
    let watcher = tokio::spawn(read(run.watch()));
    settle().await;
    assert!(run.describe().await.unwrap().parked.is_some());
    assert!(!watcher.is_finished());
    run.terminate("enough").await.unwrap();
    let seen = watcher.await.unwrap().unwrap();
    assert_eq!(seen, run.history().await.unwrap());
    assert_eq!(seen.len(), 2);
}
