//! Task queues: slots, priorities, fairness, rates, limits of activity types, and what can
//! happen to an attempt while it waits.

use std::time::Duration;

use entracte::model::options::DEFAULT_TASK_QUEUE;
use entracte::prelude::*;
use entracte::{
    EngineBuilder, EventAttributes, FailureKind, PendingActivityDescription, PendingActivityState,
    RetryState, StartEngineError, StartWorkflowError, TaskQueueDescription, TaskQueueOptionsError,
    TimeoutType,
};
use entracte_testing::TestEngine;
use entracte_tests::queues::{CHORE, DO_ALL, DO_ONE, Floor, JOB, Job};
use entracte_tests::steps::{ADD_ONE, THREE_STEPS, add_one, three_steps};
use tokio::time::{Instant, sleep};

const NARROW: &str = "narrow";

/// An engine with a queue of so many slots.
fn narrow(floor: &Floor, slots: usize) -> EngineBuilder {
    let options = TaskQueueOptions::new().slots(slots);
    floor.register(TestEngine::builder()).task_queue(NARROW, options)
}

fn queue(engine: &Engine, name: &str) -> TaskQueueDescription {
    engine.task_queues().into_iter().find(|queue| queue.name == name).unwrap()
}

/// Nobody waits, and no slot is taken.
fn assert_idle(engine: &Engine) {
    for queue in engine.task_queues() {
        assert_eq!((queue.slots_in_use, queue.waiting_total()), (0, 0), "{queue:?}");
    }
}

async fn start(engine: &Engine, job: Job) -> WorkflowHandle<String> {
    let id = job.name.clone();
    engine.start_workflow(DO_ONE, job).workflow_id(id).await.unwrap()
}

/// A job that takes the only slot of the narrow queue for so long, and has got it.
async fn hog(engine: &Engine, seconds: u64) -> WorkflowHandle<String> {
    let run = start(engine, Job::new("hog", NARROW, seconds)).await;
    sleep(Duration::from_millis(10)).await;
    assert_eq!(queue(engine, NARROW).slots_in_use, 1);
    run
}

async fn pending<O>(run: &WorkflowHandle<O>) -> PendingActivityDescription {
    run.describe().await.unwrap().pending_activities.remove(0)
}

#[tokio::test(start_paused = true)]
async fn wrk_1_no_more_attempts_run_than_there_are_slots() {
    let floor = Floor::default();
    let engine = narrow(&floor, 3).start().await.unwrap();
    let begin = Instant::now();
    let mut runs = Vec::new();
    for number in 0..50 {
        runs.push(start(&engine, Job::new(format!("job-{number}"), NARROW, 10)).await);
    }
    for run in &runs {
        run.result().await.unwrap();
    }
    assert_eq!(floor.most(NARROW), 3);
    // Seventeen rounds of three, and nothing lost between them.
    let seconds = begin.elapsed().as_secs();
    assert_eq!(seconds, 170);
    let expected: Vec<_> = (0..50).map(|number| format!("job-{number}")).collect();
    assert_eq!(floor.begun(), expected);
    assert_idle(&engine);
}

#[tokio::test(start_paused = true)]
async fn wrk_1_a_queue_that_nobody_configured_has_a_thousand_slots() {
    let floor = Floor::default();
    let engine = floor.register(TestEngine::builder().replay_every_event(false));
    let engine = engine.start().await.unwrap();
    let jobs = (0..1_100).map(|number| Job::new(format!("job-{number}"), "wide", 10)).collect();
    let run = engine.start_workflow(DO_ALL, jobs).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(floor.running("wide"), 1_000);
    assert_eq!(queue(&engine, "wide").waiting[&Priority::Normal], 100);
    run.result().await.unwrap();
    assert_eq!(floor.most("wide"), 1_000);
    assert_idle(&engine);
    // Of a queue that nobody has configured nothing is left when it is not used.
    let names: Vec<_> = engine.task_queues().into_iter().map(|queue| queue.name).collect();
    assert_eq!(names, [DEFAULT_TASK_QUEUE]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_need_not_wait_costs_one_commit_also_with_a_single_slot() {
    let engine = TestEngine::builder()
        .task_queue(DEFAULT_TASK_QUEUE, TaskQueueOptions::new().slots(1))
        .workflow(THREE_STEPS, three_steps)
        .activity(ADD_ONE, add_one)
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(THREE_STEPS, 39).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 42);
    // The start with the first step, and one for the end of each step.
    assert_eq!(engine.journal_stats().appends, 4);
    assert_idle(&engine);
}

#[tokio::test(start_paused = true)]
async fn a_queued_attempt_is_admitted_by_one_more_append() {
    let floor = Floor::default();
    let engine = narrow(&floor, 1).start().await.unwrap();
    let hog = hog(&engine, 60).await;
    let run = start(&engine, Job::new("job", NARROW, 1)).await;
    hog.result().await.unwrap();
    run.result().await.unwrap();
    // Start and end of the first; start, admission and end of the second.
    assert_eq!(engine.journal_stats().appends, 5);
}

#[tokio::test(start_paused = true)]
async fn pri_1_a_higher_priority_goes_first_and_is_inherited_from_the_workflow() {
    let floor = Floor::default();
    let engine = narrow(&floor, 1).start().await.unwrap();
    let hog = hog(&engine, 60).await;
    for priority in [Priority::Lowest, Priority::Normal, Priority::Highest] {
        let job = Job::new(format!("{priority:?}"), NARROW, 1);
        start(&engine, Job { priority: Some(priority), ..job }).await;
    }
    // One that says nothing is normal; what the workflow says is inherited, unless its activity
    // says something else.
    start(&engine, Job::new("nothing said", NARROW, 1)).await;
    for (own, of_workflow, name) in [
        (None, Priority::Low, "inherited Low"),
        (None, Priority::High, "inherited High"),
        (Some(Priority::Highest), Priority::Lowest, "own Highest"),
    ] {
        let job = Job { priority: own, ..Job::new(name, NARROW, 1) };
        engine.start_workflow(DO_ONE, job).priority(of_workflow).await.unwrap();
    }
    let waiting = queue(&engine, NARROW).waiting;
    let counts: Vec<_> = waiting.into_iter().map(|(it, count)| (it.get(), count)).collect();
    assert_eq!(counts, [(1, 2), (2, 1), (3, 2), (4, 1), (5, 1)]);
    hog.result().await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let order = [
        "hog",
        "Highest",
        "own Highest",
        "inherited High",
        "Normal",
        "nothing said",
        "inherited Low",
        "Lowest",
    ];
    assert_eq!(floor.begun(), order);
    assert_idle(&engine);
}

#[tokio::test(start_paused = true)]
async fn pri_2_keys_share_a_queue_in_proportion_to_their_weights() {
    let floor = Floor::default();
    let engine = narrow(&floor, 2).replay_every_event(false).start().await.unwrap();
    // The first two take the slots.
    let mut jobs = vec![Job::new("hog", NARROW, 5); 2];
    for (key, weight) in [("a", 1.0), ("b", 3.0), ("c", 0.5)] {
        for _ in 0..600 {
            jobs.push(Job {
                fairness_key: Some(key.into()),
                fairness_weight: Some(weight),
                ..Job::new(key, NARROW, 1)
            });
        }
    }
    let run = engine.start_workflow(DO_ALL, jobs).await.unwrap();
    sleep(Duration::from_secs(300)).await;
    let begun = floor.begun();
    let count = |key| begun.iter().filter(|name| *name == key).count();
    // Of about 590, in proportions of 2 : 6 : 1.
    let (a, b, c) = (count("a"), count("b"), count("c"));
    assert!((580..=600).contains(&(a + b + c)), "{a} {b} {c}");
    assert!(b.abs_diff(3 * a) <= 6 && a.abs_diff(2 * c) <= 4, "{a} {b} {c}");
    run.result().await.unwrap();
    assert_eq!(floor.most(NARROW), 2);
}

#[tokio::test(start_paused = true)]
async fn pri_2_a_tenant_with_a_long_queue_does_not_hold_up_others() {
    let floor = Floor::default();
    let engine = narrow(&floor, 1).replay_every_event(false).start().await.unwrap();
    let jobs = (0..500).map(|_| Job::new("many", NARROW, 10)).collect();
    engine.start_workflow(DO_ALL, jobs).fairness_key("tenant-1").await.unwrap();
    sleep(Duration::from_secs(1_000)).await;
    let job = Job::new("few", NARROW, 10);
    let few = engine.start_workflow(DO_ONE, job).fairness_key("tenant-2").await.unwrap();
    let asked = Instant::now();
    few.result().await.unwrap();
    assert!(asked.elapsed() <= Duration::from_secs(30), "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn pri_3_no_more_attempts_start_than_the_rate_allows() {
    let floor = Floor::default();
    let options = TaskQueueOptions::new().rate_per_second(10.0);
    let engine =
        floor.register(TestEngine::builder()).task_queue("rated", options).start().await.unwrap();
    let begin = Instant::now();
    let jobs = (0..101).map(|_| Job::new("job", "rated", 0)).collect();
    let run = engine.start_workflow(DO_ALL, jobs).await.unwrap();
    for second in 1..10 {
        sleep(Duration::from_secs(1)).await;
        let begun = floor.begun().len();
        assert!(begun.abs_diff(10 * second + 1) <= 1, "{begun} in {second} seconds");
    }
    run.result().await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), 10);
    assert_idle(&engine);
}

#[tokio::test(start_paused = true)]
async fn a_limited_activity_type_holds_up_nobody_behind_it() {
    let floor = Floor::default();
    let engine = narrow(&floor, 10).activity_concurrency_max(CHORE, 2).start().await.unwrap();
    let chores = |queue: &str| {
        let chore = Job { is_chore: true, ..Job::new("chore", queue, 60) };
        vec![chore; 30]
    };
    // The limit holds over all queues.
    let here = engine.start_workflow(DO_ALL, chores(NARROW)).await.unwrap();
    let there = engine.start_workflow(DO_ALL, chores("elsewhere")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(queue(&engine, NARROW).waiting_total(), 28);
    assert_eq!(queue(&engine, "elsewhere").waiting_total(), 30);
    let begin = Instant::now();
    start(&engine, Job::new("job", NARROW, 1)).await.result().await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), 1);
    here.result().await.unwrap();
    there.result().await.unwrap();
    assert_eq!(floor.most("chore"), 2);
    assert_idle(&engine);
}

/// The failure of a workflow's only activity, and its retry state.
async fn timeout_of(run: &WorkflowHandle<String>) -> (TimeoutType, RetryState) {
    run.result().await.unwrap_err();
    let history = run.history().await.unwrap();
    let timed_out = history.iter().find_map(|event| match &event.attributes {
        EventAttributes::ActivityTaskTimedOut(it) => Some(it),
        _ => None,
    });
    let timed_out = timed_out.unwrap_or_else(|| panic!("{history:#?}"));
    (timed_out.failure.timeout_type().unwrap(), timed_out.retry_state)
}

#[tokio::test(start_paused = true)]
async fn tmo_1_schedule_to_start_counts_the_wait_in_the_queue() {
    let floor = Floor::default();
    let engine = narrow(&floor, 1).start().await.unwrap();
    hog(&engine, 60).await;
    let begin = Instant::now();
    let job = Job { schedule_to_start: Some(5), ..Job::new("job", NARROW, 1) };
    let run = start(&engine, job).await;
    assert_eq!(timeout_of(&run).await, (TimeoutType::ScheduleToStart, RetryState::Timeout));
    assert_eq!(begin.elapsed().as_secs(), 5);
    assert_eq!(queue(&engine, NARROW).waiting_total(), 0);
    sleep(Duration::from_secs(100)).await;
    assert_eq!(floor.begun(), ["hog"]);
    assert_idle(&engine);
}

#[tokio::test(start_paused = true)]
async fn tmo_7_with_schedule_to_close_alone_a_wait_is_reported_as_schedule_to_start() {
    let floor = Floor::default();
    let engine = narrow(&floor, 1).start().await.unwrap();
    hog(&engine, 60).await;
    let job = Job { schedule_to_close: Some(7), ..Job::new("job", NARROW, 1) };
    let run = start(&engine, job).await;
    assert_eq!(timeout_of(&run).await, (TimeoutType::ScheduleToStart, RetryState::Timeout));
}

#[tokio::test(start_paused = true)]
async fn tmo_6_a_retry_goes_through_the_queue_and_its_wait_counts_from_the_end_of_the_back_off() {
    let floor = Floor::default();
    let engine = narrow(&floor, 1).start().await.unwrap();
    let job = Job { failures: 1, schedule_to_start: Some(5), ..Job::new("job", NARROW, 1) };
    let begin = Instant::now();
    let run = start(&engine, job).await;
    // It has failed, and its back-off of a second has begun.
    sleep(Duration::from_millis(500)).await;
    let waits = pending(&run).await;
    assert_eq!((waits.state, waits.attempt), (PendingActivityState::Scheduled, 2));
    assert_eq!(waits.queued_since, None);
    hog(&engine, 60).await;
    sleep(Duration::from_secs(2)).await;
    let queued = pending(&run).await;
    assert_eq!((queued.state, queued.attempt), (PendingActivityState::Queued, 2));
    assert_eq!(queued.queued_since, waits.next_attempt_time);
    assert_eq!(queued.task_queue, NARROW);
    assert_eq!(timeout_of(&run).await, (TimeoutType::ScheduleToStart, RetryState::Timeout));
    assert_eq!(begin.elapsed().as_secs(), 6);
}

#[tokio::test(start_paused = true)]
async fn acx_3_an_activity_that_is_cancelled_in_its_queue_is_cancelled_at_once() {
    let floor = Floor::default();
    let engine = narrow(&floor, 1).start().await.unwrap();
    hog(&engine, 60).await;
    let run = start(&engine, Job::new("job", NARROW, 1)).await;
    run.cancel("not wanted").await.unwrap();
    let begin = Instant::now();
    run.result().await.unwrap_err();
    assert_eq!(begin.elapsed().as_secs(), 0);
    let history = run.history().await.unwrap();
    let canceled = history.iter().find_map(|event| match &event.attributes {
        EventAttributes::ActivityTaskCanceled(it) => it.details.clone(),
        _ => None,
    });
    let details: String = canceled.unwrap().decode().unwrap();
    assert_eq!(details, "ACTIVITY_ID_NOT_STARTED");
    assert_eq!(queue(&engine, NARROW).waiting_total(), 0);
    sleep(Duration::from_secs(100)).await;
    assert_eq!(floor.begun(), ["hog"]);
    assert_idle(&engine);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_terminated_leaves_its_queues() {
    let floor = Floor::default();
    let engine = narrow(&floor, 1).start().await.unwrap();
    let hog = hog(&engine, 60).await;
    let jobs = (0..10).map(|_| Job::new("job", NARROW, 1)).collect();
    let run = engine.start_workflow(DO_ALL, jobs).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(queue(&engine, NARROW).waiting_total(), 10);
    run.terminate("not wanted").await.unwrap();
    assert_eq!(queue(&engine, NARROW).waiting_total(), 0);
    // A run that is terminated gives its slots back too.
    let last = start(&engine, Job::new("last", NARROW, 1)).await;
    hog.terminate("takes too long").await.unwrap();
    last.result().await.unwrap();
    assert_eq!(floor.begun(), ["hog", "last"]);
    assert_idle(&engine);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_opened_again_has_its_old_place_in_the_queue() {
    let floor = Floor::default();
    let engine = narrow(&floor, 1).start().await.unwrap();
    let hog = hog(&engine, 60).await;
    let first = start(&engine, Job::new("first", NARROW, 1)).await;
    sleep(Duration::from_secs(1)).await;
    let second = start(&engine, Job::new("second", NARROW, 1)).await;
    for (run_id, actor) in engine.run_actors().await.unwrap() {
        if run_id == first.run_id() {
            actor.kill();
        }
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(queue(&engine, NARROW).waiting_total(), 2);
    hog.result().await.unwrap();
    second.result().await.unwrap();
    assert_eq!(floor.begun(), ["hog", "first", "second"]);
    assert_idle(&engine);
}

#[tokio::test(start_paused = true)]
async fn descriptions_tell_what_waits_where_and_since_when() {
    let floor = Floor::default();
    let options = TaskQueueOptions::new().slots(1).rate_per_second(5.0);
    let engine =
        floor.register(TestEngine::builder()).task_queue(NARROW, options).start().await.unwrap();
    let hog = hog(&engine, 60).await;
    sleep(Duration::from_secs(5)).await;
    let run = start(&engine, Job { priority: Some(Priority::Low), ..Job::new("job", NARROW, 5) });
    let run = run.await;
    let since = run.history().await.unwrap()[0].time;
    sleep(Duration::from_secs(5)).await;
    let queued = pending(&run).await;
    assert_eq!((queued.state, queued.attempt), (PendingActivityState::Queued, 1));
    assert_eq!((queued.task_queue.as_str(), queued.queued_since), (NARROW, Some(since)));
    assert_eq!((queued.started_time, queued.next_attempt_time), (None, Some(since)));
    let narrow = queue(&engine, NARROW);
    assert_eq!((narrow.slots, narrow.slots_in_use, narrow.rate_per_second), (1, 1, Some(5.0)));
    assert_eq!(narrow.waiting.into_iter().collect::<Vec<_>>(), [(Priority::Low, 1)]);
    hog.result().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let started = pending(&run).await;
    assert_eq!((started.state, started.queued_since), (PendingActivityState::Started, None));
}

#[tokio::test(start_paused = true)]
async fn options_that_are_wrong_are_typed_errors_at_the_start_and_at_the_call() {
    let floor = Floor::default();
    let error = narrow(&floor, 0).start().await.unwrap_err();
    let StartEngineError::TaskQueue { task_queue, source } = &error else { panic!("{error:?}") };
    assert_eq!((task_queue.as_str(), source), (NARROW, &TaskQueueOptionsError::NoSlots));
    let text = "the options of task queue `narrow` are invalid: it has zero slots: at least one \
                is needed";
    assert_eq!(error.to_string(), text);
    let zero = narrow(&floor, 1).activity_concurrency_max(JOB, 0).start().await.unwrap_err();
    assert!(matches!(zero, StartEngineError::ActivityConcurrencyZero { .. }), "{zero:?}");
    let unnamed = narrow(&floor, 1).task_queue("", TaskQueueOptions::new());
    let unnamed = unnamed.start().await.unwrap_err();
    assert!(matches!(unnamed, StartEngineError::TaskQueue { .. }), "{unnamed:?}");

    let engine = narrow(&floor, 1).start().await.unwrap();
    let good = Job::new("job", NARROW, 1);
    for wrong in [
        Job { fairness_key: Some("k".repeat(65)), ..good.clone() },
        Job { fairness_weight: Some(-1.0), ..good.clone() },
        Job { task_queue: Some(String::new()), ..good.clone() },
    ] {
        let run = engine.start_workflow(DO_ONE, wrong).await.unwrap();
        let error = run.result().await.unwrap_err();
        let failure = error.failure().unwrap();
        assert!(matches!(failure.kind(), FailureKind::Application(_)), "{failure:?}");
        assert_eq!(failure.application_type(), Some("InvalidActivityOptions"), "{failure}");
    }
    let start = engine.start_workflow(DO_ONE, good).fairness_weight(0.0).await.unwrap_err();
    assert!(matches!(start, StartWorkflowError::Priority(_)), "{start:?}");
    assert_eq!(floor.begun().len(), 0);
}
