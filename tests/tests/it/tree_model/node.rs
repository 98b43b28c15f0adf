//! The workflow that does what its node says.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use entracte::prelude::*;
use entracte::workflow::{ChildWorkflowCall, ChildWorkflowFuture, StartChildWorkflow};
use entracte::{ActivityCancellationType, ChildWorkflowHandle, EngineBuilder};
use entracte_testing::TEST_EPOCH;

use super::scenario::{
    CancelEnd, End, Node, OnCancel, Op, STEP, Scenario, TICK_MINUTES, Timeout, next_moment,
};

/// Does what the node of a number says, in the so manieth run that goes on as new.
pub(super) const NODE: Workflow<(usize, u32), u64> = Workflow::new("node");
pub(super) const GO: Signal<()> = Signal::new("go");
const WORK: Activity<bool, ()> = Activity::new("work")
    .start_to_close_timeout(Duration::from_secs(60))
    .cancellation_type(ActivityCancellationType::TryCancel);

/// Which workflows do not stumble any more.
pub(super) type Mended = Arc<Mutex<Vec<usize>>>;

pub(super) fn register(
    engine: EngineBuilder,
    scenario: &Arc<Scenario>,
    mended: &Mended,
) -> EngineBuilder {
    let (scenario, mended) = (Arc::clone(scenario), Arc::clone(mended));
    engine
        .workflow(NODE, move |ctx, (number, generation)| {
            node(ctx, Arc::clone(&scenario), number, generation, Arc::clone(&mended))
        })
        .activity(WORK, async |_, fails: bool| match fails {
            true => Err(Failure::non_retryable("Broken", "it does not work")),
            false => Ok(()),
        })
}

/// A child, as far as its parent has looked.
enum Slot {
    None,
    Starting(StartChildWorkflow<u64>),
    Running(ChildWorkflowHandle<u64>),
    Ending(ChildWorkflowFuture<u64>),
    Ended(Result<u64, Failure>),
}

impl Slot {
    fn poll_started(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self::Starting(start) = self else { return Poll::Ready(()) };
        match Pin::new(start).poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(handle)) => *self = Self::Running(handle),
            Poll::Ready(Err(failure)) => *self = Self::Ended(Err(failure)),
        }
        Poll::Ready(())
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_started(cx).is_pending() {
            return Poll::Pending;
        }
        *self = match std::mem::replace(self, Self::None) {
            Self::Running(handle) => Self::Ending(handle.result()),
            other => other,
        };
        if let Self::Ending(end) = self {
            match Pin::new(end).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => *self = Self::Ended(result),
            }
        }
        Poll::Ready(())
    }
}

async fn node(
    ctx: WorkflowContext,
    scenario: Arc<Scenario>,
    number: usize,
    generation: u32,
    mended: Mended,
) -> WorkflowResult<u64> {
    let node = &scenario.nodes[number];
    let mut slots: Vec<Slot> = scenario.nodes.iter().map(|_| Slot::None).collect();
    let is_mended = || mended.lock().unwrap().contains(&number);
    let next = (generation < node.generations).then_some((number, generation + 1));
    let OnCancel::Heeds { settles, end } = node.on_cancel else {
        return ctx.shield(body(&ctx, &scenario, node, next, &mut slots, &is_mended)).await;
    };
    select! {
        () = ctx.cancelled() => {}
        result = body(&ctx, &scenario, node, next, &mut slots, &is_mended) => return result,
    }
    if settles {
        all_ended(&mut slots, None).await;
    }
    match end {
        CancelEnd::Cancels => Err(Failure::canceled()),
        CancelEnd::Completes => Ok(sum(&slots)),
        CancelEnd::Fails => Err(Failure::application("Upset", "it was cancelled")),
        CancelEnd::Undoes => {
            ctx.shield(ctx.activity(WORK, false)).await?;
            Err(Failure::canceled())
        }
    }
}

async fn body(
    ctx: &WorkflowContext,
    scenario: &Scenario,
    node: &Node,
    next: Option<(usize, u32)>,
    slots: &mut [Slot],
    is_mended: &(impl Fn() -> bool + Sync),
) -> WorkflowResult<u64> {
    for op in &node.body {
        follow(ctx, scenario, op, slots, is_mended).await;
    }
    match next {
        Some(next) => ctx.continue_as_new(NODE, next).await,
        None => finish(ctx, node, slots).await,
    }
}

async fn follow(
    ctx: &WorkflowContext,
    scenario: &Scenario,
    op: &Op,
    slots: &mut [Slot],
    is_mended: &(impl Fn() -> bool + Sync),
) {
    match op {
        Op::Start { child, waits } => {
            slots[*child] = Slot::Starting(call(ctx, scenario, *child).start());
            if *waits {
                poll_fn(|cx| slots[*child].poll_started(cx)).await;
            }
        }
        Op::Join(children) => all_ended(slots, Some(children)).await,
        Op::Gate => ctx.signals(GO).recv().await,
        Op::Nap(nth) => ctx.sleep(until(ctx, 1, *nth)).await,
        // Only a cancellation could fail it, and that ends all of this.
        Op::Work => drop(ctx.activity(WORK, false).await),
        Op::Cancel(child) => {
            poll_fn(|cx| {
                let _ = slots[*child].poll_started(cx);
                Poll::Ready(())
            })
            .await;
            if let Slot::Running(handle) = &slots[*child] {
                handle.cancel("enough");
            }
        }
        Op::CancelOther(workflow_id) => {
            drop(ctx.external_workflow(workflow_id).cancel("enough").await);
        }
        Op::Stumble if !is_mended() => {
            // A panic of which the hook is not told, to keep the output short.
            std::panic::resume_unwind(Box::new("stumbled"))
        }
        Op::Stumble => {}
    }
}

fn call(ctx: &WorkflowContext, scenario: &Scenario, child: usize) -> ChildWorkflowCall<u64> {
    let node = &scenario.nodes[child];
    let options = &node.options;
    let call = ctx
        .child(NODE, (child, 1))
        .parent_close_policy(options.policy)
        .parent_close_scope(options.scope)
        .cancellation_type(options.cancellation)
        .workflow_id_reuse_policy(options.reuse);
    let call = if node.has_default_id { call } else { call.workflow_id(&node.workflow_id) };
    let call =
        if options.attempts > 1 { call.retry_policy(retries(options.attempts)) } else { call };
    match options.timeout {
        None => call,
        Some(Timeout::Run(nth)) => call.run_timeout(until(ctx, 2, nth)),
        Some(Timeout::Execution(nth)) => call.execution_timeout(until(ctx, 2, nth)),
        Some(Timeout::EachRun(steps)) => {
            call.run_timeout(Duration::from_secs(60 * (60 * STEP * steps + TICK_MINUTES)))
        }
    }
}

fn retries(attempts: u32) -> entracte::model::RetryPolicy {
    entracte::model::RetryPolicy {
        initial_interval: Duration::from_secs(1),
        backoff_coefficient: 1.0,
        maximum_attempts: attempts,
        ..Default::default()
    }
}

/// How long until a moment of a kind comes for the so manieth time.
fn until(ctx: &WorkflowContext, part: u64, nth: u64) -> Duration {
    const HOUR: u64 = 3_600;
    let passed = ctx.now().saturating_since(TEST_EPOCH);
    let moment = next_moment(passed.as_secs() / HOUR, part, nth);
    Duration::from_secs(moment * HOUR) - passed
}

async fn all_ended(slots: &mut [Slot], only: Option<&[usize]>) {
    poll_fn(|cx| {
        let mut polled = Poll::Ready(());
        for (number, slot) in slots.iter_mut().enumerate() {
            let is_wanted = only.is_none_or(|only| only.contains(&number));
            if is_wanted && slot.poll_ended(cx).is_pending() {
                polled = Poll::Pending;
            }
        }
        polled
    })
    .await;
}

async fn finish(ctx: &WorkflowContext, node: &Node, slots: &[Slot]) -> WorkflowResult<u64> {
    match node.end {
        End::Completes => Ok(sum(slots)),
        End::Fails => Err(Failure::application("Broken", "it does not work")),
        End::FailsUntil(attempt) if ctx.attempt() < attempt => {
            Err(Failure::application("Broken", "it does not work"))
        }
        End::FailsUntil(_) => Ok(sum(slots)),
        End::FailsWithActivity => ctx.activity(WORK, true).await.map(|()| 0),
        End::Propagates => {
            let failed = slots.iter().find_map(|slot| match slot {
                Slot::Ended(Err(failure)) => Some(failure.clone()),
                _ => None,
            });
            failed.map_or_else(|| Ok(sum(slots)), Err)
        }
    }
}

fn sum(slots: &[Slot]) -> u64 {
    let given = slots.iter().filter_map(|slot| match slot {
        Slot::Ended(Ok(given)) => Some(*given),
        _ => None,
    });
    1 + given.sum::<u64>()
}
