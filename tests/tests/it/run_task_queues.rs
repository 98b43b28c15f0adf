//! The task queue of a run: activities and children take it over, and it goes along when the run
//! is followed by another one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use entracte::model::options::{DEFAULT_TASK_QUEUE, WorkflowOptionsError};
use entracte::prelude::*;
use entracte::store::rows::RunRow;
use entracte::store::{Batch, Persist, Store};
use entracte::verify::verify;
use entracte::{
    EngineBuilder, Event, EventAttributes as A, StartWorkflowError, TaskQueueDescription,
};
use entracte_testing::{SimulatedDisk, SimulatedOptions, StoredRun, TestEngine, check_store};
use entracte_tests::queues::{Floor, Job, one};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

const GPU: &str = "gpu";
pub(crate) const TAPE: &str = "tape";
pub(crate) const NARROW: &str = "narrow";
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Does what is planned; gives which runs had which queue, by their own account.
pub(crate) const TREE: Workflow<Plan, BTreeMap<String, String>> = Workflow::new("tree");
/// The same, by a constant that names a queue.
const ON_TAPE: Workflow<Plan, BTreeMap<String, String>> =
    Workflow::new("tree-on-tape").task_queue(TAPE);

/// What a workflow does. Nothing is said of a queue where it is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Its workflow id.
    pub(crate) name: String,
    /// The queue that it is given as a child.
    pub(crate) task_queue: Option<String>,
    /// What it does itself, all at once, beside its children.
    pub(crate) jobs: Vec<Job>,
    pub(crate) children: Vec<Plan>,
    /// How many of its attempts fail when all is done.
    pub(crate) failures: u32,
    /// Whether its constant names the tape's queue.
    pub(crate) on_tape: bool,
    /// The queues that its further runs are given, each after what the one before has done.
    pub(crate) further: Vec<Option<String>>,
}

impl Plan {
    pub(crate) fn new(name: &str, jobs: usize) -> Self {
        Self { name: name.to_owned(), jobs: jobs_of(name, jobs), ..Self::default() }
    }

    pub(crate) fn on(self, task_queue: &str) -> Self {
        Self { task_queue: Some(task_queue.to_owned()), ..self }
    }

    pub(crate) fn with(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }
}

/// Jobs of a few seconds that say nothing of a queue.
fn jobs_of(name: &str, jobs: usize) -> Vec<Job> {
    let job = |number| Job { name: format!("{name}/{number}"), seconds: 3, ..Job::default() };
    (0..jobs).map(job).collect()
}

async fn tree(ctx: WorkflowContext, plan: Plan) -> WorkflowResult<BTreeMap<String, String>> {
    let children = plan.children.iter().map(|child| {
        let workflow = if child.on_tape { ON_TAPE } else { TREE };
        let call = ctx.child(workflow, child.clone()).workflow_id(child.name.clone());
        let call = match &child.task_queue {
            Some(task_queue) => call.task_queue(task_queue),
            None => call,
        };
        // A child that fails is retried.
        call.retry_policy(RetryPolicy::exponential(SECOND))
    });
    let jobs = plan.jobs.iter().map(|job| one(&ctx, job.clone()));
    let (children, jobs) = join!(try_join_all(children), try_join_all(jobs));
    jobs?;
    if ctx.attempt() <= plan.failures {
        return Err(Failure::application("NotYet", "once more"));
    }
    if let Some((queue, further)) = plan.further.split_first() {
        let name = format!("{}+", plan.name);
        let jobs = jobs_of(&name, plan.jobs.len());
        let next = Plan { name, jobs, further: further.to_vec(), ..Plan::default() };
        let next = ctx.continue_as_new(TREE, next);
        return match queue {
            Some(task_queue) => next.task_queue(task_queue).await,
            None => next.await,
        };
    }
    let mut queues: BTreeMap<_, _> = children?.into_iter().flatten().collect();
    queues.insert(plan.name, ctx.task_queue().to_owned());
    Ok(queues)
}

pub(crate) fn engine(floor: &Floor, engine: EngineBuilder) -> EngineBuilder {
    floor.register(engine).workflow(TREE, tree).workflow(ON_TAPE, tree)
}

pub(crate) async fn start(
    engine: &Engine,
    plan: Plan,
) -> Result<WorkflowHandle<BTreeMap<String, String>>, StartWorkflowError> {
    let name = plan.name.clone();
    let queue = plan.task_queue.clone();
    let workflow = if plan.on_tape { ON_TAPE } else { TREE };
    let start = engine.start_workflow(workflow, plan).workflow_id(&name).request_id(&name);
    let start = start.retry_policy(RetryPolicy::exponential(SECOND));
    match queue {
        Some(task_queue) => start.task_queue(task_queue).await,
        None => start.await,
    }
}

fn queue(engine: &Engine, name: &str) -> TaskQueueDescription {
    engine.task_queues().into_iter().find(|queue| queue.name == name).unwrap()
}

/// The jobs of a plan, each in its queue.
pub(crate) fn expected(places: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    places.iter().map(|(job, queue)| ((*job).to_owned(), (*queue).to_owned())).collect()
}

pub(crate) fn told(queues: &[(&str, &str)]) -> BTreeMap<String, String> {
    expected(queues).into_iter().collect()
}

/// The queues that a history names for its run and for what that asked for.
fn journaled(history: &[Event]) -> Vec<(&'static str, String)> {
    let queue = |event: &Event| match &event.attributes {
        A::WorkflowExecutionStarted(it) => Some(("run", it.task_queue.to_string())),
        A::ActivityTaskScheduled(it) => Some(("activity", it.options.task_queue.clone())),
        A::StartChildWorkflowExecutionInitiated(it) => {
            Some(("child", it.options.task_queue.clone()))
        }
        A::WorkflowExecutionContinuedAsNew(it) => Some(("next run", it.task_queue.to_string())),
        _ => None,
    };
    history.iter().filter_map(queue).collect()
}

/// Children and grandchildren with queues of their own and without; some activities name one.
fn family() -> Plan {
    let mail = Job::new("root/mail", "mail", 1);
    let mut root = Plan::new("root", 1)
        .on(GPU)
        .with(Plan::new("heir", 1).with(Plan::new("grandchild", 1)))
        .with(Plan::new("other", 1).on(TAPE).with(Plan::new("its child", 1)))
        .with(Plan { on_tape: true, ..Plan::new("by constant", 1) })
        .with(Plan { on_tape: true, ..Plan::new("by call", 1).on(DEFAULT_TASK_QUEUE) });
    root.jobs.push(mail);
    root
}

#[tokio::test(start_paused = true)]
async fn chd_1_a_child_takes_its_parent_s_queue_and_an_activity_its_run_s() {
    let floor = Floor::default();
    let engine = engine(&floor, TestEngine::builder()).start().await.unwrap();
    let run = start(&engine, family()).await.unwrap();
    let by_run = told(&[
        ("root", GPU),
        ("heir", GPU),
        ("grandchild", GPU),
        ("other", TAPE),
        ("its child", TAPE),
        ("by constant", TAPE),
        ("by call", DEFAULT_TASK_QUEUE),
    ]);
    assert_eq!(run.result().await.unwrap(), by_run);
    let mut places: BTreeSet<_> =
        by_run.iter().map(|(name, queue)| (format!("{name}/0"), queue.clone())).collect();
    places.insert(("root/mail".to_owned(), "mail".to_owned()));
    assert_eq!(floor.places(), places);
    let expected = [
        ("run", GPU),
        ("child", GPU),
        ("child", TAPE),
        ("child", TAPE),
        ("child", DEFAULT_TASK_QUEUE),
        ("activity", GPU),
        ("activity", "mail"),
    ];
    let expected = expected.map(|(what, queue)| (what, queue.to_owned()));
    assert_eq!(journaled(&run.history().await.unwrap()), expected);
    // Whoever watches sees the same events.
    let (mut events, mut watched) = (run.watch(), Vec::new());
    while let Some(event) = events.next().await {
        watched.push(event.unwrap());
    }
    assert_eq!(journaled(&watched), expected);
    // Of queues that nobody has configured nothing is left.
    let names: Vec<_> = engine.task_queues().into_iter().map(|queue| queue.name).collect();
    assert_eq!(names, [DEFAULT_TASK_QUEUE]);
}

#[tokio::test(start_paused = true)]
async fn chd_1_descriptions_tell_the_queues_of_run_children_and_activities() {
    let floor = Floor::default();
    let engine = engine(&floor, TestEngine::builder()).start().await.unwrap();
    let run = start(&engine, family()).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let open = run.describe().await.unwrap();
    assert_eq!(open.task_queue, GPU);
    let children: Vec<_> =
        open.pending_children.iter().map(|it| (it.workflow_id.as_str(), &*it.task_queue)).collect();
    let expected =
        [("heir", GPU), ("other", TAPE), ("by constant", TAPE), ("by call", DEFAULT_TASK_QUEUE)];
    assert_eq!(children, expected);
    let activities: Vec<_> = open.pending_activities.iter().map(|it| &*it.task_queue).collect();
    assert_eq!(activities, [GPU, "mail"]);
    let other = engine.workflow_handle(TREE, "other").await.unwrap();
    assert_eq!(other.describe().await.unwrap().task_queue, TAPE);
    run.result().await.unwrap();
    assert_eq!(run.describe().await.unwrap().task_queue, GPU, "a closed run tells it too");
}

#[tokio::test(start_paused = true)]
async fn a_first_run_has_the_default_queue_unless_its_start_or_its_constant_names_one() {
    let floor = Floor::default();
    let engine = engine(&floor, TestEngine::builder()).start().await.unwrap();
    let by_constant = |plan: Plan| Plan { on_tape: true, ..plan };
    for (plan, expected) in [
        (Plan::new("nothing said", 1), DEFAULT_TASK_QUEUE),
        (Plan::new("by start", 1).on(GPU), GPU),
        (by_constant(Plan::new("by constant", 1)), TAPE),
        (by_constant(Plan::new("by both", 1)).on(GPU), GPU),
    ] {
        let name = plan.name.clone();
        let run = start(&engine, plan).await.unwrap();
        assert_eq!(run.result().await.unwrap(), told(&[(&name, expected)]));
        assert!(floor.places().contains(&(format!("{name}/0"), expected.to_owned())));
    }
    let by_name = engine.start_workflow_by_name("tree", vec![encoded(&Plan::new("by name", 0))]);
    let run = by_name.task_queue(GPU).await.unwrap();
    let told_by_name: BTreeMap<String, String> = run.result().await.unwrap().decode().unwrap();
    assert_eq!(told_by_name, told(&[("by name", GPU)]));
}

fn encoded(plan: &Plan) -> entracte::Payload {
    entracte::Payload::encode(plan).unwrap()
}

#[tokio::test(start_paused = true)]
async fn wrk_1_children_of_a_queue_with_one_slot_run_one_attempt_at_a_time() {
    let floor = Floor::default();
    let builder = TestEngine::builder().task_queue(NARROW, TaskQueueOptions::new().slots(1));
    let engine = engine(&floor, builder).start().await.unwrap();
    let mut root = Plan::new("root", 2).on(NARROW);
    for number in 0..4 {
        let child = Plan::new(&format!("child-{number}"), 2);
        root = root.with(child.with(Plan::new(&format!("grandchild-{number}"), 1)));
    }
    // Beside it, one that does not share the slot.
    let free = start(&engine, Plan::new("free", 3)).await.unwrap();
    let begin = Instant::now();
    let run = start(&engine, root).await.unwrap();
    free.result().await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), 3);
    assert_eq!(floor.most(DEFAULT_TASK_QUEUE), 3);
    assert_eq!(queue(&engine, NARROW).slots_in_use, 1);
    assert_eq!(queue(&engine, NARROW).waiting_total(), 14 - 2);
    run.result().await.unwrap();
    // Fourteen attempts, one after the other, and none of them late.
    assert_eq!(begin.elapsed().as_secs(), 14 * 3);
    assert_eq!(floor.most(NARROW), 1);
    assert!(floor.places().iter().all(|(job, queue)| job.starts_with("free") != (queue == NARROW)));
    assert_eq!(queue(&engine, NARROW).slots_in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn cnt_2_the_next_run_keeps_the_queue_unless_it_is_given_another() {
    let floor = Floor::default();
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let builder = TestEngine::on_store(disk.reopen());
    let engine = engine(&floor, builder).start().await.unwrap();
    let further = vec![None, Some(TAPE.to_owned()), None, Some(DEFAULT_TASK_QUEUE.to_owned())];
    let plan = Plan { further, ..Plan::new("c", 1).on(GPU) };
    let run = start(&engine, plan).await.unwrap();
    assert_eq!(run.result().await.unwrap(), told(&[("c++++", DEFAULT_TASK_QUEUE)]));
    let places = [
        ("c/0", GPU),
        ("c+/0", GPU),
        ("c++/0", TAPE),
        ("c+++/0", TAPE),
        ("c++++/0", DEFAULT_TASK_QUEUE),
    ];
    assert_eq!(floor.places(), expected(&places));
    assert_eq!(run.of_run(run.run_id()).describe().await.unwrap().task_queue, GPU);
    assert_eq!(run.describe().await.unwrap().task_queue, DEFAULT_TASK_QUEUE);
    engine.shutdown().await.unwrap();
    let mut runs = check_store(&*disk.reopen()).unwrap();
    runs.sort_by_key(|run| run.row.start_time);
    let rows: Vec<_> = runs.iter().map(|run| run.row.task_queue.to_string()).collect();
    assert_eq!(rows, [GPU, GPU, TAPE, TAPE, DEFAULT_TASK_QUEUE]);
    let last = |run: &StoredRun| journaled(&run.history).pop().unwrap();
    let next: Vec<_> = runs.iter().take(4).map(last).collect();
    let queues = [GPU, TAPE, TAPE, DEFAULT_TASK_QUEUE];
    assert_eq!(next, queues.map(|queue| ("next run", queue.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn cnt_2_and_chd_1_verify_tells_a_run_of_another_queue_than_it_was_given() {
    let disk = SimulatedDisk::new(SimulatedOptions::default());
    let builder = TestEngine::on_store(disk.reopen());
    let engine = engine(&Floor::default(), builder).start().await.unwrap();
    let further = vec![Some(TAPE.to_owned())];
    let plan = Plan { further, ..Plan::new("root", 1).on(GPU).with(Plan::new("heir", 1)) };
    let root = start(&engine, plan).await.unwrap();
    root.result().await.unwrap();
    engine.shutdown().await.unwrap();
    let store = disk.reopen();
    assert!(verify(&*store).unwrap().problems.is_empty());
    for run in check_store(&*store).unwrap() {
        if run.run_id == root.run_id() {
            continue;
        }
        let put = async |task_queue: &str| {
            let mut batch = Batch::new();
            let mut start = run.history[0].clone();
            let A::WorkflowExecutionStarted(started) = &mut start.attributes else { panic!() };
            started.task_queue = task_queue.into();
            batch.put_event(run.run_id, &start);
            batch.put_run(run.run_id, &RunRow { task_queue: task_queue.into(), ..run.row.clone() });
            store.commit(batch, Persist::Sync).await.unwrap();
        };
        put("odd").await;
        let problems = verify(&*store).unwrap().problems;
        let found: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let (run_id, given, by) = (run.run_id, &run.row.task_queue, root.run_id());
        let text =
            format!("run {run_id} has the task queue odd, and was given {given} by run {by}");
        assert_eq!(found, [text]);
        put(given).await;
    }
}

#[tokio::test(start_paused = true)]
async fn chd_10_a_retry_keeps_the_queue_that_of_a_child_too() {
    let floor = Floor::default();
    let engine = engine(&floor, TestEngine::builder()).start().await.unwrap();
    let heir = Plan { failures: 2, ..Plan::new("heir", 1) };
    let other = Plan { failures: 1, ..Plan::new("other", 1).on(TAPE) };
    let root = Plan { failures: 1, ..Plan::new("root", 1).on(GPU).with(heir).with(other) };
    let run = start(&engine, root).await.unwrap();
    // In its back-off the second run has no history yet.
    sleep(Duration::from_secs(3 + 1 + 3 + 2 + 3) + SECOND / 2).await;
    let asleep = run.describe().await.unwrap();
    assert_eq!((asleep.attempt, asleep.history_length, &*asleep.task_queue), (2, 0, GPU));
    let by_run = told(&[("root", GPU), ("heir", GPU), ("other", TAPE)]);
    assert_eq!(run.result().await.unwrap(), by_run);
    let places = [("root/0", GPU), ("heir/0", GPU), ("other/0", TAPE)];
    assert_eq!(floor.places(), expected(&places));
}

#[tokio::test(start_paused = true)]
async fn wid_8_a_start_with_a_name_that_cannot_be_one_is_refused_and_leaves_nothing() {
    let floor = Floor::default();
    let engine = engine(&floor, TestEngine::builder()).start().await.unwrap();
    for name in [String::new(), "q".repeat(1_001)] {
        let error = start(&engine, Plan::new("run", 1).on(&name)).await.unwrap_err();
        let StartWorkflowError::Options(WorkflowOptionsError::TaskQueue { .. }) = error else {
            panic!("{error}")
        };
        assert!(error.to_string().starts_with("invalid task queue name: "), "{error}");
        // Of a child it is the parent's call that fails.
        let parent = Plan::new(&format!("parent-{}", name.len()), 0);
        let parent = parent.with(Plan::new("run", 1).on(&name));
        let parent = start(&engine, parent).await.unwrap();
        let error = parent.result().await.unwrap_err();
        let WorkflowError::Failed { failure, .. } = error else { panic!("{error}") };
        assert_eq!(failure.application_type(), Some("InvalidChildWorkflowOptions"));
    }
    assert!(engine.workflow_handle(TREE, "run").await.is_err());
    assert_eq!(floor.begun(), Vec::<String>::new());
}
