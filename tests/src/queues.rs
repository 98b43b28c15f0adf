//! Workflows whose activities share task queues, and a floor on which those attempts are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entracte::prelude::*;
use entracte::{ActivityCancellationType, EngineBuilder};
use serde::{Deserialize, Serialize};

/// Takes a while on the floor.
pub const JOB: Activity<Job, String> = Activity::new("job")
    .start_to_close_timeout(Duration::from_secs(86_400))
    .cancellation_type(ActivityCancellationType::WaitCancellationCompleted);
/// The same, by another name.
pub const CHORE: Activity<Job, String> = Activity::new("chore")
    .start_to_close_timeout(Duration::from_secs(86_400))
    .cancellation_type(ActivityCancellationType::WaitCancellationCompleted);
/// Does one job.
pub const DO_ONE: Workflow<Job, String> = Workflow::new("do-one");
/// Does several jobs at once.
pub const DO_ALL: Workflow<Vec<Job>, Vec<String>> = Workflow::new("do-all");

/// What is to be done, and where it stands in which queue.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Job {
    /// How it is found in the books.
    pub name: String,
    /// Whether it is a chore.
    pub is_chore: bool,
    /// How long it takes.
    pub seconds: u64,
    /// How many of its attempts fail at once, before one takes its time.
    pub failures: u32,
    /// In which queue, if not in that of its run.
    pub task_queue: Option<String>,
    /// With which priority.
    pub priority: Option<Priority>,
    /// With which fairness key.
    pub fairness_key: Option<String>,
    /// With which weight.
    pub fairness_weight: Option<f32>,
    /// How long an attempt may wait, in seconds.
    pub schedule_to_start: Option<u64>,
    /// How long all may take, in seconds.
    pub schedule_to_close: Option<u64>,
}

impl Job {
    /// A job in a queue.
    #[must_use]
    pub fn new(name: impl Into<String>, task_queue: &str, seconds: u64) -> Self {
        let (name, task_queue) = (name.into(), Some(task_queue.to_owned()));
        Self { name, task_queue, seconds, ..Self::default() }
    }
}

/// Where attempts run: it counts how many do at a time, and writes down who began.
#[derive(Debug, Clone, Default)]
pub struct Floor(Arc<Mutex<Books>>);

#[derive(Debug, Default)]
struct Books {
    running: BTreeMap<String, usize>,
    most: BTreeMap<String, usize>,
    begun: Vec<String>,
    /// Which job had an attempt in which queue.
    places: BTreeSet<(String, String)>,
    /// Each attempt at each activity.
    attempts: BTreeSet<(String, u32)>,
    doubled: Vec<(String, u32)>,
}

/// An attempt on the floor, until it is dropped.
struct Presence {
    floor: Floor,
    groups: [String; 2],
}

impl Floor {
    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, ctx: &ActivityContext, job: &Job) -> Presence {
        let info = ctx.info();
        let groups = [info.task_queue.to_string(), info.activity_type.to_string()];
        let mut books = self.books();
        books.begun.push(job.name.clone());
        books.places.insert((job.name.clone(), info.task_queue.to_string()));
        let attempt = (ctx.idempotency_key(), ctx.attempt());
        if !books.attempts.insert(attempt.clone()) {
            books.doubled.push(attempt);
        }
        for group in &groups {
            let running = books.running.entry(group.clone()).or_default();
            *running += 1;
            let running = *running;
            let most = books.most.entry(group.clone()).or_default();
            *most = running.max(*most);
        }
        Presence { floor: self.clone(), groups }
    }

    /// How many attempts of a queue, or of an activity type, have run at a time at most.
    #[must_use]
    pub fn most(&self, group: &str) -> usize {
        self.books().most.get(group).copied().unwrap_or_default()
    }

    /// How many of them run now.
    #[must_use]
    pub fn running(&self, group: &str) -> usize {
        self.books().running.get(group).copied().unwrap_or_default()
    }

    /// The names of the jobs whose attempts began, in their order.
    #[must_use]
    pub fn begun(&self) -> Vec<String> {
        self.books().begun.clone()
    }

    /// The names of the jobs whose attempts began, with the queues that admitted them.
    #[must_use]
    pub fn places(&self) -> BTreeSet<(String, String)> {
        self.books().places.clone()
    }

    /// Each attempt that began, as the key of its activity and its number.
    #[must_use]
    pub fn attempts(&self) -> BTreeSet<(String, u32)> {
        self.books().attempts.clone()
    }

    /// The attempts that were run more than once.
    #[must_use]
    pub fn doubled(&self) -> Vec<(String, u32)> {
        self.books().doubled.clone()
    }

    async fn work(&self, ctx: ActivityContext, job: Job) -> ActivityResult<String> {
        let _presence = self.enter(&ctx, &job);
        if ctx.attempt() <= job.failures {
            return Err(Failure::application("NotYet", "once more"));
        }
        tokio::time::sleep(Duration::from_secs(job.seconds)).await;
        Ok(job.name)
    }

    /// Registers the workflows and their activities, which work on this floor.
    pub fn register(&self, engine: EngineBuilder) -> EngineBuilder {
        let (jobs, chores) = (self.clone(), self.clone());
        engine
            .workflow(DO_ONE, do_one)
            .workflow(DO_ALL, do_all)
            .activity(JOB, move |ctx, job| {
                let floor = jobs.clone();
                async move { floor.work(ctx, job).await }
            })
            .activity(CHORE, move |ctx, job| {
                let floor = chores.clone();
                async move { floor.work(ctx, job).await }
            })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut books = self.floor.books();
        for group in &self.groups {
            *books.running.entry(group.clone()).or_default() -= 1;
        }
    }
}

/// Has a job done.
///
/// # Errors
/// The failure of the activity.
pub async fn one(ctx: &WorkflowContext, job: Job) -> WorkflowResult<String> {
    let mut call = ctx.activity(if job.is_chore { CHORE } else { JOB }, job.clone());
    if let Some(task_queue) = job.task_queue {
        call = call.task_queue(task_queue);
    }
    if let Some(priority) = job.priority {
        call = call.priority(priority);
    }
    if let Some(key) = job.fairness_key {
        call = call.fairness_key(key);
    }
    if let Some(weight) = job.fairness_weight {
        call = call.fairness_weight(weight);
    }
    if let Some(seconds) = job.schedule_to_start {
        call = call.schedule_to_start_timeout(Duration::from_secs(seconds));
    }
    if let Some(seconds) = job.schedule_to_close {
        call = call.schedule_to_close_timeout(Duration::from_secs(seconds));
    }
    call.await
}

async fn do_one(ctx: WorkflowContext, job: Job) -> WorkflowResult<String> {
    one(&ctx, job).await
}

async fn do_all(ctx: WorkflowContext, jobs: Vec<Job>) -> WorkflowResult<Vec<String>> {
    let done = join_all(jobs.into_iter().map(|job| one(&ctx, job))).await;
    done.into_iter().collect()
}
