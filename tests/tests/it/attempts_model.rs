//! Random policies, timeouts, attempts, asynchronous completions, cancellations and crashes, against a model written from the rules.
//!
//! Attempts never overlap; there are never more than the policy allows; each begins and ends to
//! the millisecond when the model says; whoever says by a token how an attempt has ended is
//! answered as the model says, also after crashes; and the closing event is the model's. Where
//! commits take time and the machine dies at one of them, the model cannot tell the times; the
//! rest holds, and what was acknowledged has happened.

#[path = "attempts_model/model.rs"]
mod model;
#[path = "attempts_model/scenario.rs"]
mod scenario;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entracte::model::RetryPolicy as OwnedPolicy;
use entracte::prelude::*;
use entracte::store::Store;
use entracte::{
    ActivityCancellationType, AsyncActivityError, Event, EventAttributes as A, TaskToken,
};
use entracte_testing::crash::one_life;
use entracte_testing::{CrashPoint, SimulatedDisk, SimulatedOptions, TEST_EPOCH, TestEngine};
use entracte_tests::look::assert_well_formed;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::model::{Answer, Close, Story, Try, WORDS_AFTER_UP, predict};
use self::scenario::{Attempt, End, Fails, Says, Scenario, scenario};

/// Where start-to-close is set.
const WORK: Activity<(), ()> = Activity::new("work")
    .start_to_close_timeout(Duration::MAX)
    .cancellation_type(ActivityCancellationType::WaitCancellationCompleted);
/// Where it is not.
const OPEN_WORK: Activity<(), ()> = Activity::new("open-work")
    .schedule_to_close_timeout(Duration::MAX)
    .cancellation_type(ActivityCancellationType::WaitCancellationCompleted);
const CALL: Workflow<(), ()> = Workflow::new("call");

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

async fn call(ctx: WorkflowContext, scenario: Arc<Scenario>) -> WorkflowResult<()> {
    let timeouts = &scenario.timeouts;
    let mut call = match timeouts.start_to_close {
        Some(timeout) => ctx.activity(WORK, ()).start_to_close_timeout(millis(timeout)),
        None => ctx.activity(OPEN_WORK, ()),
    };
    if let Some(timeout) = timeouts.schedule_to_close {
        call = call.schedule_to_close_timeout(millis(timeout));
    }
    if let Some(timeout) = timeouts.schedule_to_start {
        call = call.schedule_to_start_timeout(millis(timeout));
    }
    if let Some(timeout) = timeouts.heartbeat {
        call = call.heartbeat_timeout(millis(timeout));
    }
    let policy = &scenario.policy;
    call.retry_policy(OwnedPolicy {
        initial_interval: millis(policy.initial),
        backoff_coefficient: policy.coefficient.into(),
        maximum_interval: policy.maximum_interval.map(millis),
        maximum_attempts: policy.maximum_attempts,
        non_retryable_error_types: policy.non_retryable.iter().map(|it| it.to_string()).collect(),
    })
    .await
}

/// What the code of the attempts saw.
#[derive(Debug, Default)]
struct Log {
    /// When the machine came up, and the same on the clock of its runtime.
    up: Option<(u64, Instant)>,
    /// When it died; what is dropped later was gone then.
    died: Option<u64>,
    tries: Vec<Try>,
    running: u32,
    overlapped: bool,
    words: Vec<Said>,
    /// Whether somebody waits for an answer.
    is_speaking: bool,
    has_words: Arc<Notify>,
}

/// What somebody says of an attempt.
#[derive(Debug, Clone)]
struct Said {
    number: u32,
    token: TaskToken,
    at: u64,
    says: Says,
    /// None before it was said, or if the machine died over it.
    answer: Option<Answer>,
}

impl Log {
    fn came_up(&mut self, at: u64) {
        (self.up, self.died) = (Some((at, Instant::now())), None);
        self.is_speaking = false;
    }

    fn now(&self) -> u64 {
        let (up, at) = self.up.unwrap();
        self.died.unwrap_or_else(|| up + u64::try_from(at.elapsed().as_millis()).unwrap())
    }

    /// Somebody has got the attempt's token, who will have something to say.
    fn hand_out(&mut self, ctx: &ActivityContext, attempt: &Attempt) {
        let Some(word) = &attempt.word else { return };
        let (number, token, says) = (ctx.attempt(), ctx.task_token(), word.says.clone());
        let at = self.now() + word.after;
        self.words.push(Said { number, token, at, says, answer: None });
        self.has_words.notify_one();
    }

    /// What is to be said next, and when.
    fn next_word(&self) -> Option<(usize, Said, Instant)> {
        let words = self.words.iter().enumerate().filter(|(_, said)| said.answer.is_none());
        let (index, said) = words.min_by_key(|(_, said)| said.at)?;
        let (up, since) = self.up.unwrap();
        let at = since + millis(said.at.saturating_sub(up));
        // Nobody can speak while the machine is down.
        let earliest = if up > 0 { since + millis(WORDS_AFTER_UP) } else { since };
        Some((index, said.clone(), at.max(earliest)))
    }
}

/// An attempt whose code runs.
struct Running(Arc<Mutex<Log>>);

impl Running {
    fn begin(log: &Arc<Mutex<Log>>, number: u32) -> Self {
        let mut entries = log.lock().unwrap();
        entries.running += 1;
        entries.overlapped |= entries.running > 1;
        let from = entries.now();
        entries.tries.push(Try { number, from, to: from });
        drop(entries);
        Self(Arc::clone(log))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut log = self.0.lock().unwrap();
        log.running -= 1;
        let now = log.now();
        if let Some(last) = log.tries.last_mut() {
            last.to = now;
        }
    }
}

async fn work(
    ctx: ActivityContext,
    scenario: Arc<Scenario>,
    log: Arc<Mutex<Log>>,
) -> ActivityResult<()> {
    let _running = Running::begin(&log, ctx.attempt());
    let attempt = scenario.attempt(ctx.attempt());
    log.lock().unwrap().hand_out(&ctx, &attempt);
    if !attempt.heeds {
        return follow(attempt, ctx).await;
    }
    tokio::select! {
        biased;
        _ = ctx.cancelled() => Err(Failure::canceled()),
        result = follow(attempt, ctx.clone()) => result,
    }
}

async fn follow(attempt: Attempt, ctx: ActivityContext) -> ActivityResult<()> {
    let begin = Instant::now();
    let hangs = matches!(attempt.end, End::Hangs);
    let beats = (1..=attempt.beats).map(|beat| beat * attempt.beat_every);
    for beat in beats.filter(|beat| hangs || *beat < attempt.lasts) {
        tokio::time::sleep_until(begin + millis(beat)).await;
        ctx.heartbeat(&beat)?;
    }
    if !hangs {
        tokio::time::sleep_until(begin + millis(attempt.lasts)).await;
    }
    match attempt.end {
        End::Succeeds => Ok(()),
        End::Fails(fails) => Err(failure(&fails)),
        End::Leaves => Err(ctx.result_pending()),
        // A panic of which the hook is not told, to keep the output short.
        End::Panics => std::panic::resume_unwind(Box::new("panicked")),
        End::Cancels => Err(Failure::canceled()),
        End::Hangs => std::future::pending().await,
    }
}

fn failure(fails: &Fails) -> Failure {
    let failure = match fails.non_retryable {
        true => Failure::non_retryable(fails.r#type, "failed"),
        false => Failure::application(fails.r#type, "failed"),
    };
    match fails.next_delay {
        Some(delay) => failure.with_next_retry_delay(millis(delay)),
        None => failure,
    }
}

/// Says what others have to say of the attempts, each at its time, and never returns.
async fn speak(engine: &Engine, log: &Mutex<Log>) {
    let has_words = Arc::clone(&log.lock().unwrap().has_words);
    loop {
        let next = log.lock().unwrap().next_word();
        let Some((index, said, at)) = next else {
            has_words.notified().await;
            continue;
        };
        tokio::select! {
            biased;
            () = has_words.notified() => continue,
            () = tokio::time::sleep_until(at) => {}
        }
        log.lock().unwrap().is_speaking = true;
        let attempt = engine.async_activity(said.token);
        let answer = match &said.says {
            Says::Complete => attempt.complete(&()).await,
            Says::Fail(fails) => attempt.fail(failure(fails)).await,
            Says::Cancelled => attempt.report_cancelled(&()).await,
        };
        let answer = match answer {
            Ok(()) => Answer::Taken,
            Err(AsyncActivityError::NotFound(_)) => Answer::NotFound,
            Err(AsyncActivityError::CancelNotRequested { .. }) => Answer::CancelNotRequested,
            // The machine dies, and it is said again.
            Err(_) => return std::future::pending().await,
        };
        let mut log = log.lock().unwrap();
        log.is_speaking = false;
        log.words[index].answer = Some(answer);
    }
}

/// How long the last engine has for the run's end, in virtual time.
const PATIENCE: Duration = Duration::from_secs(30 * 86_400);

/// Plays the scenario, one engine after the other on one disk. In each life the machine may also
/// die at a commit: so many after it came up.
fn play(
    scenario: &Arc<Scenario>,
    options: SimulatedOptions,
    deaths: &[(u64, CrashPoint)],
) -> (Story, bool) {
    let disk = SimulatedDisk::new(options);
    let log = Arc::new(Mutex::new(Log::default()));
    let mut up = 0;
    let (mut crashes, mut deaths) = (scenario.crashes.iter(), deaths.iter());
    let mut lives = 0..;
    let history = loop {
        let life = lives.next();
        let (crash, death) = (crashes.next(), deaths.next());
        disk.clear_faults();
        if let Some((commits, point)) = death {
            disk.crash_at_commit(disk.commits() + commits, *point);
        }
        let history = one_life(&disk, async |store| {
            log.lock().unwrap().came_up(up);
            let run = start(scenario, &log, up, store).await;
            let limit = crash.map_or(PATIENCE, |crash| millis(crash.after));
            let ending = async {
                let mut speaking = std::pin::pin!(speak(&run.0, &log));
                tokio::select! {
                    biased;
                    _ = run.1.result() => {}
                    () = cancel(scenario, life, &run.1) => {}
                    () = &mut speaking => {}
                }
                // Whoever has ended it is answered too.
                while log.lock().unwrap().is_speaking {
                    tokio::select! {
                        biased;
                        () = &mut speaking => {}
                        () = tokio::task::yield_now() => {}
                    }
                }
            };
            let ended = tokio::time::timeout(limit, ending).await.is_ok();
            log.lock().unwrap().died = crash.map(|crash| up + crash.after);
            assert!(ended || crash.is_some(), "the run does not end: {scenario:#?}");
            if ended { Some(run.1.history().await.unwrap()) } else { None }
        });
        // Nothing comes of a life that ended at a commit.
        if let Some(history) = history.unwrap().flatten() {
            break history;
        }
        up += crash.map_or(1_000, |crash| crash.after + crash.down);
    };
    let log = log.lock().unwrap();
    (tell(&history, &log), log.overlapped)
}

/// Cancels the run if it is to be cancelled in this life, and never returns.
async fn cancel(scenario: &Scenario, life: Option<usize>, run: &WorkflowHandle<()>) {
    if let Some(cancel) = scenario.cancel.as_ref().filter(|it| Some(it.life) == life) {
        tokio::time::sleep(millis(cancel.after)).await;
        let _ = run.cancel("enough").await;
    }
    std::future::pending().await
}

/// Starts an engine, and on it the run, or finds it there.
async fn start(
    scenario: &Arc<Scenario>,
    log: &Arc<Mutex<Log>>,
    up: u64,
    store: Arc<dyn Store>,
) -> (Engine, WorkflowHandle<()>) {
    let (in_workflow, in_activity) = (Arc::clone(scenario), Arc::clone(scenario));
    let log = Arc::clone(log);
    let work = move |ctx, ()| work(ctx, Arc::clone(&in_activity), Arc::clone(&log));
    let engine = TestEngine::on_store(store)
        .virtual_time(TEST_EPOCH.saturating_add(millis(up)))
        .workflow(CALL, move |ctx, ()| call(ctx, Arc::clone(&in_workflow)))
        .activity(WORK, work.clone())
        .activity(OPEN_WORK, work)
        .start()
        .await
        .unwrap();
    let run = engine.start_workflow(CALL, ()).workflow_id("one").request_id("one");
    let run = run.await.unwrap();
    (engine, run)
}

fn tell(history: &[Event], log: &Log) -> Story {
    assert_well_formed(history);
    let started = history.iter().find_map(|event| match &event.attributes {
        A::ActivityTaskStarted(started) => Some(started.attempt),
        _ => None,
    });
    let (event, close) = history
        .iter()
        .find_map(|event| Some((event, close_of(&event.attributes, started)?)))
        .unwrap_or_else(|| panic!("no end in {history:#?}"));
    let closed_at = event.time.saturating_since(history[0].time).as_millis();
    let words = log.words.iter();
    let words = words.filter_map(|said| Some((said.number, said.says.clone(), said.answer?)));
    let mut words: Vec<_> = words.collect();
    words.sort_by_key(|(number, ..)| *number);
    let attempts = log.tries.clone();
    Story { attempts, words, close, closed_at: u64::try_from(closed_at).unwrap() }
}

fn close_of(attributes: &A, started: Option<u32>) -> Option<Close> {
    Some(match attributes {
        A::ActivityTaskCompleted(_) => Close::Completed { attempt: started.unwrap() },
        A::ActivityTaskFailed(failed) => Close::Failed {
            attempt: started.unwrap(),
            r#type: failed.failure.application_type().unwrap().to_owned(),
            retry_state: failed.retry_state,
        },
        A::ActivityTaskTimedOut(timed_out) => Close::TimedOut {
            attempt: started,
            timeout_type: timed_out.failure.timeout_type().unwrap(),
            retry_state: timed_out.retry_state,
        },
        A::ActivityTaskCanceled(_) => Close::Canceled { attempt: started },
        _ => return None,
    })
}

/// Checks what holds whenever the machine dies.
fn check(scenario: &Scenario, story: &Story, overlapped: bool) -> Result<(), TestCaseError> {
    prop_assert!(!overlapped, "attempts overlapped: {story:#?}");
    let numbers: Vec<_> = story.attempts.iter().map(|it| it.number).collect();
    prop_assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "repeated: {story:#?}");
    let maximum = scenario.policy.maximum_attempts;
    prop_assert!(maximum == 0 || numbers.iter().all(|it| *it <= maximum), "{story:#?}");
    let last = match story.close {
        // Only what an attempt did counts, and nothing runs after it.
        Close::Completed { attempt } | Close::Failed { attempt, .. } => Some(attempt),
        Close::TimedOut { attempt, .. } | Close::Canceled { attempt } => attempt,
    };
    // One that was admitted may have been lost before its code ran.
    let is_last = last.is_none_or(|last| numbers.iter().all(|it| *it <= last));
    prop_assert!(is_last, "{story:#?}");
    if matches!(story.close, Close::Completed { .. } | Close::Failed { .. }) {
        prop_assert_eq!(last, numbers.last().copied(), "{:#?}", story);
    }
    // What was acknowledged has happened, and nothing after it.
    for (number, says, _) in story.words.iter().filter(|(.., answer)| *answer == Answer::Taken) {
        let has_happened = match says {
            Says::Complete => story.close == Close::Completed { attempt: *number },
            Says::Cancelled => story.close == Close::Canceled { attempt: Some(*number) },
            Says::Fail(_) => story.close != Close::Completed { attempt: *number },
        };
        prop_assert!(has_happened, "{story:#?}");
    }
    Ok(())
}

fn deaths() -> impl Strategy<Value = Vec<(u64, CrashPoint)>> {
    let points = select(vec![CrashPoint::BeforeDurable, CrashPoint::AfterDurable]);
    vec((1_u64..8, points), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ret_11_attempts_and_their_end_are_those_of_the_model(scenario in scenario()) {
        let predicted = predict(&scenario);
        prop_assume!(predicted.is_ok());
        let scenario = Arc::new(scenario);
        let options =
            SimulatedOptions { delay_max: Duration::ZERO, ..SimulatedOptions::default() };
        let (story, overlapped) = play(&scenario, options, &[]);
        check(&scenario, &story, overlapped)?;
        prop_assert_eq!(story, predicted.unwrap());
    }

    #[test]
    fn ret_6_no_crash_at_a_commit_gives_an_attempt_too_many_or_two_at_once(
        scenario in scenario(),
        seed in any::<u64>(),
        deaths in deaths(),
    ) {
        let scenario = Arc::new(scenario);
        let options = SimulatedOptions { seed, ..SimulatedOptions::default() };
        let (story, overlapped) = play(&scenario, options, &deaths);
        check(&scenario, &story, overlapped)?;
    }
}
