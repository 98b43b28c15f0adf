//! Rates of fairness keys: how many attempts of each tenant may start in a time.

use std::collections::BTreeMap;
use std::time::Duration;

use entracte::prelude::*;
use entracte::{PriorityError, StartEngineError, TaskQueueDescription, TaskQueueOptionsError};
use entracte_testing::TestEngine;
use entracte_tests::queues::{DO_ALL, DO_ONE, Floor, Job};
use tokio::time::{Instant, sleep};

const RATED: &str = "rated";

async fn engine(floor: &Floor, options: TaskQueueOptions) -> Engine {
    let engine = floor.register(TestEngine::builder()).replay_every_event(false);
    engine.task_queue(RATED, options).start().await.unwrap()
}

fn rated(engine: &Engine) -> TaskQueueDescription {
    engine.task_queues().into_iter().find(|queue| queue.name == RATED).unwrap()
}

fn assert_idle(engine: &Engine) {
    let queue = rated(engine);
    let held = queue.fairness_keys_held;
    assert_eq!((queue.slots_in_use, queue.waiting_total(), held), (0, 0, 0), "{queue:?}");
}

fn job(key: &str, seconds: u64) -> Job {
    Job { fairness_key: Some(key.to_owned()), ..Job::new(key, RATED, seconds) }
}

/// Starts one job of this key, and tells after how many milliseconds it was done.
async fn start(engine: &Engine, job: Job) -> tokio::task::JoinHandle<u128> {
    let run = engine.start_workflow(DO_ONE, job).await.unwrap();
    let begin = Instant::now();
    tokio::spawn(async move {
        run.result().await.unwrap();
        begin.elapsed().as_millis()
    })
}

#[tokio::test(start_paused = true)]
async fn pri_3_a_key_s_attempts_start_at_the_times_that_its_rate_allows() {
    let floor = Floor::default();
    let options = TaskQueueOptions::new().slots(1).fairness_key_rate_per_second(0.5);
    let engine = engine(&floor, options).await;
    let mut jobs = Vec::new();
    for (key, weight) in [("slow", 0.25), ("fast", 4.0), ("fast", 4.0), ("slow", 0.25)] {
        for _ in 0..2 {
            jobs.push(start(&engine, Job { fairness_weight: Some(weight), ..job(key, 0) }).await);
        }
    }
    let mut times = Vec::new();
    for job in jobs {
        times.push(job.await.unwrap());
    }
    // One every eight seconds of the one, one every half second of the other, and the only slot
    // was always free for it.
    assert_eq!(times, [0, 8_000, 0, 500, 1_000, 1_500, 16_000, 24_000]);
    assert_idle(&engine);
}

#[tokio::test(start_paused = true)]
async fn pri_3_no_key_starts_more_than_its_rate_and_no_other_waits_for_it() {
    let floor = Floor::default();
    let options = TaskQueueOptions::new()
        .slots(40)
        .fairness_key_rate_per_second(2.0)
        .fairness_weight_override("large", 5.0)
        .rate_of_fairness_key("own", 20.0);
    let engine = engine(&floor, options).await;
    // Those of one key come first, all at once.
    let mut jobs = Vec::new();
    for key in ["small", "large", "own"] {
        jobs.extend(vec![Job { fairness_weight: Some(0.5), ..job(key, 1) }; 300]);
    }
    let run = engine.start_workflow(DO_ALL, jobs).await.unwrap();
    for second in 1..=15_u32 {
        sleep(Duration::from_secs(1)).await;
        let mut begun = BTreeMap::new();
        for name in floor.begun() {
            *begun.entry(name).or_insert(0_u32) += 1;
        }
        for (key, rate) in [("small", 1), ("large", 10), ("own", 20)] {
            let expected = (rate * second).min(300);
            assert!(begun[key].abs_diff(expected) <= 2, "{begun:?} after {second} s");
        }
    }
    assert_eq!(rated(&engine).fairness_keys_held, 2);
    run.result().await.unwrap();
    assert_eq!(floor.begun().len(), 900);
    assert_idle(&engine);
}

#[tokio::test(start_paused = true)]
async fn pri_3_attempts_that_wait_for_their_rate_can_be_cancelled_and_time_out() {
    let floor = Floor::default();
    let options = TaskQueueOptions::new().rate_of_fairness_key("slow", 0.001);
    let engine = engine(&floor, options).await;
    start(&engine, job("slow", 0)).await.await.unwrap();
    let cancelled = engine.start_workflow(DO_ONE, job("slow", 0)).await.unwrap();
    let terminated = engine.start_workflow(DO_ALL, vec![job("slow", 0); 3]).await.unwrap();
    let late = Job { schedule_to_start: Some(10), ..job("slow", 0) };
    let late = engine.start_workflow(DO_ONE, late).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let queue = rated(&engine);
    assert_eq!((queue.waiting_total(), queue.fairness_keys_held), (5, 1));
    cancelled.cancel("not wanted").await.unwrap();
    cancelled.result().await.unwrap_err();
    terminated.terminate("not wanted").await.unwrap();
    assert_eq!(rated(&engine).waiting_total(), 1);
    late.result().await.unwrap_err();
    assert_idle(&engine);
    // The next one comes when it would have come without them.
    let last = start(&engine, job("slow", 0)).await.await.unwrap();
    assert_eq!(last, 1_000_000 - 10_000);
    assert_eq!(floor.begun().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn pri_2_the_weight_that_a_queue_gives_a_key_counts_for_its_turns_too() {
    let floor = Floor::default();
    let options = TaskQueueOptions::new().slots(1).fairness_weight_override("large", 3.0);
    let engine = engine(&floor, options).await;
    let mut jobs = vec![job("small", 1)];
    for key in ["small", "large"] {
        jobs.extend(vec![Job { fairness_weight: Some(100.0), ..job(key, 1) }; 100]);
    }
    jobs.iter_mut().filter(|job| job.name == "small").for_each(|job| job.fairness_weight = None);
    engine.start_workflow(DO_ALL, jobs).await.unwrap();
    sleep(Duration::from_secs(81)).await;
    let begun = floor.begun();
    let large = begun.iter().filter(|name| *name == "large").count();
    assert!(large.abs_diff(60) <= 1, "{large} of {}", begun.len());
}

#[tokio::test(start_paused = true)]
async fn pri_3_rates_and_weights_of_keys_that_cannot_be_are_refused_at_the_start() {
    let start = async |options| {
        let floor = Floor::default();
        let engine = floor.register(TestEngine::builder()).task_queue(RATED, options);
        match engine.start().await.unwrap_err() {
            StartEngineError::TaskQueue { task_queue, source } if task_queue == RATED => source,
            error => panic!("{error:?}"),
        }
    };
    let options = TaskQueueOptions::new();
    let rate = start(options.clone().fairness_key_rate_per_second(0.0)).await;
    assert_eq!(rate, TaskQueueOptionsError::Rate { rate_per_second: 0.0 });
    let weight = start(options.fairness_weight_override("a", -1.0)).await;
    let source = PriorityError::FairnessWeight { weight: -1.0 };
    assert_eq!(weight, TaskQueueOptionsError::FairnessKey { fairness_key: "a".into(), source });
}
