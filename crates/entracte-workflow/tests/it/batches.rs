//! Several jobs in one activation are the same as several activations with one.

use std::sync::Arc;

use entracte_model::PendingLimits;
use entracte_model::failure::ActivityFailure;
use entracte_model::{Failure, Headers, Payload, Seq, Timestamp, WorkflowId};
use entracte_workflow::{
    Activation, ActivityResolution, Command, InitializeWorkflow, Job, Machine, PendingCounts,
    WorkflowContext, WorkflowResult, join_all, select,
};
use proptest::prelude::*;

use crate::rig::*;

/// Ten operations of which the resolutions decide what comes next.
async fn workflow(ctx: WorkflowContext, cents: u64) -> WorkflowResult<u64> {
    let mut background = ctx.activity(SHIP, cents).start();
    let mut rounds = 0;
    let mut total = 0;
    while rounds < 4 {
        rounds += 1;
        select! {
            charged = ctx.activity(CHARGE, rounds) => total += charged.unwrap_or(1_000),
            shipped = &mut background => {
                total += shipped?;
                background = ctx.activity(SHIP, ctx.random_range(0..100)).start();
            }
            () = ctx.sleep(SECOND) => {
                let more = join_all((0..2).map(|number| ctx.activity(REFUND, number))).await;
                total += more.len() as u64;
            }
        }
    }
    Ok(total)
}

fn job() -> impl Strategy<Value = (u32, u8)> {
    (0_u32..8, 0_u8..5)
}

/// Makes jobs of numbers, such that they fit what is pending.
fn next_job(machine: &Machine, (pick, how): (u32, u8)) -> Option<Job> {
    if how == 4 && pick == 0 {
        return Some(Job::CancelWorkflow { reason: "by hand".to_owned() });
    }
    let outstanding = machine.outstanding();
    let picked = outstanding.get(pick as usize % outstanding.len().max(1))?;
    let seq = picked.seq;
    if matches!(picked.kind, entracte_workflow::OutstandingKind::Timer { .. }) {
        return Some(Job::FireTimer { seq });
    }
    let wrapped = |cause| Failure::activity(ActivityFailure::default(), cause);
    let resolution = match how {
        0 | 1 => ActivityResolution::Completed(Payload::encode(&u64::from(pick)).unwrap()),
        2 => ActivityResolution::Failed(wrapped(declined())),
        _ => ActivityResolution::Cancelled(wrapped(Failure::canceled())),
    };
    Some(Job::ResolveActivity { seq, resolution, is_local: false })
}

fn activate(machine: &mut Machine, jobs: Vec<Job>) -> Vec<Command> {
    let time = Timestamp::from_unix_millis(1);
    let head = Activation {
        run_id: run_id(),
        time,
        is_replaying: false,
        history_length: 1,
        history_size: 100,
        pending: PendingCounts::default(),
        jobs,
    };
    machine.activate(head).unwrap()
}

proptest! {
    #[test]
    fn commands_do_not_depend_on_batches(
        picks in prop::collection::vec(job(), 0..30),
        cuts in prop::collection::vec(1_usize..5, 1..30),
    ) {
        let code = erase(workflow);
        let mut single = Machine::new(Arc::clone(&code));
        let mut jobs = vec![Job::InitializeWorkflow(Box::new(InitializeWorkflow {
            workflow_id: WorkflowId::new("order-42").unwrap(),
            workflow_type: "test".into(),
            input: vec![Payload::encode(&5_u64).unwrap()],
            headers: Headers::new(),
            task_queue: "default".into(),
            attempt: 1,
            randomness_seed: 42,
            first_execution_run_id: run_id(),
            continued_execution_run_id: None,
            continued_failure: None,
        limits: PendingLimits::default(),
        }))];
        let mut commands = activate(&mut single, jobs.clone());
        for pick in picks {
            let Some(job) = next_job(&single, pick) else { break };
            commands.extend(activate(&mut single, vec![job.clone()]));
            jobs.push(job);
        }
        let mut batched = Machine::new(code);
        let mut joined = Vec::new();
        let mut rest = &jobs[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (batch, after) = rest.split_at(rest.len().min(*cut));
            joined.extend(activate(&mut batched, batch.to_vec()));
            rest = after;
        }
        prop_assert_eq!(&joined, &commands);
        prop_assert_eq!(batched.outstanding(), single.outstanding());
        let terminals = commands.iter().filter(|command| command.is_terminal()).count();
        prop_assert_eq!(terminals, usize::from(single.is_closed()));
        prop_assert!(terminals == 0 || commands.last().is_some_and(Command::is_terminal));
    }

    #[test]
    fn numbers_rise_and_never_repeat(picks in prop::collection::vec(job(), 0..30)) {
        let mut rig = Rig::new(workflow);
        rig.start(5);
        for (pick, how) in picks {
            let Some(Job::ResolveActivity { seq, .. } | Job::FireTimer { seq }) =
                next_job(&rig.machine, (pick, how))
            else { break };
            match rig.state.timers.contains_key(&seq) {
                true => rig.fire(seq.get()),
                false if how == 2 => rig.fail(seq.get(), declined()),
                false if how == 3 => rig.cancel(),
                false => rig.complete(seq.get(), 7),
            };
            if rig.machine.is_closed() {
                break;
            }
        }
        // The state refuses a number that does not rise, and the rig rebuilt the run each turn.
        prop_assert!(rig.state.activities.keys().all(|seq| *seq > Seq::new(0)));
    }
}
