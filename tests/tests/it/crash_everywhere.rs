//! A crash at every commit, and a failure of every commit: all runs end as if nothing had been.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entracte::StartWorkflowError;
use entracte::prelude::*;
use entracte_testing::crash::{CrashReport, CrashTest, ScriptResult};
use entracte_tests::small::{
    ENDINGS, FAN_OUT, NAP, PATIENT, RACE, STUBBORN, TRIP, Work, ending, small_workflows, start,
    start_all,
};
use entracte_tests::steps::{ADD_ONE, THREE_STEPS};

/// Every durability, with the workflows in memory between their turns as well as without.
const WAYS: [(Durability, bool); 6] = [
    (Durability::Sync, true),
    (Durability::Sync, false),
    (Durability::Interval(Duration::from_secs(1)), true),
    (Durability::Interval(Duration::from_secs(1)), false),
    (Durability::OsBuffered, true),
    (Durability::OsBuffered, false),
];

/// Plays a script under all faults, in every way.
fn survives(script: impl AsyncFn(Engine) -> ScriptResult) -> CrashReport {
    survives_in(&WAYS, script)
}

/// Plays a script under all faults, and sees it end the same in several ways.
fn survives_in(
    ways: &[(Durability, bool)],
    script: impl AsyncFn(Engine) -> ScriptResult,
) -> CrashReport {
    let mut reports = Vec::new();
    for &(durability, replay) in ways {
        let set_up =
            |engine| small_workflows(engine).durability(durability).replay_every_event(replay);
        let report = CrashTest::new(set_up, &script).run().unwrap_or_else(|failure| {
            panic!("{durability}, replay after every event {replay}: {failure}")
        });
        println!("{} plays, {} faults", report.plays, report.faults);
        reports.push(report);
    }
    assert!(reports.iter().all(|report| report.outcomes == reports[0].outcomes), "{reports:#?}");
    reports.swap_remove(0)
}

/// How the runs of a script ended, in order.
fn endings(report: &CrashReport) -> Vec<String> {
    report.outcomes.values().flatten().map(ending).collect()
}

#[test]
fn a_sequence_of_activities_survives_a_crash_at_every_commit() {
    let report = survives(async |engine| {
        start(&engine, THREE_STEPS, 39, "one").await?;
        Ok(())
    });
    assert_eq!(endings(&report), ["42"]);
    assert_eq!(report.commits, 4);
}

#[test]
fn a_fan_out_survives_a_crash_at_every_commit() {
    let report = survives(async |engine| {
        start(&engine, FAN_OUT, 5, "one").await?;
        Ok(())
    });
    assert_eq!(endings(&report), ["10"]);
}

#[test]
fn back_offs_survive_a_crash_at_every_commit() {
    let report = survives(async |engine| {
        start(&engine, STUBBORN, 21, "one").await?;
        Ok(())
    });
    assert_eq!(endings(&report), ["42"]);
    // The start; each of two failures and each attempt after one; the end.
    assert_eq!(report.commits, 6);
}

#[test]
fn a_timer_survives_a_crash_at_every_commit() {
    let report = survives(async |engine| {
        start(&engine, NAP, 40, "one").await?;
        Ok(())
    });
    assert_eq!(endings(&report), ["42"]);
}

#[test]
fn a_race_survives_a_crash_at_every_commit_whoever_wins() {
    for (seconds, expected) in [(5, "8"), (86_400, "1")] {
        let report = survives(async |engine| {
            start(&engine, RACE, Work { seconds, result: 7 }, "one").await?;
            Ok(())
        });
        assert_eq!(endings(&report), [expected]);
    }
}

#[test]
fn a_saga_is_compensated_whichever_commit_it_crashes_at() {
    let report = survives(async |engine| {
        start(&engine, TRIP, (), "one").await?;
        Ok(())
    });
    assert_eq!(endings(&report), ["failed: plan the trip: book the car: no car left"]);
}

#[test]
fn a_cancellation_survives_a_crash_at_every_commit() {
    let report = survives(async |engine| {
        let run = start(&engine, PATIENT, 1, "one").await?;
        run.cancel("waited enough").await?;
        Ok(())
    });
    assert!(endings(&report)[0].starts_with("canceled: "), "{report:?}");
}

#[test]
fn a_termination_survives_a_crash_at_every_commit() {
    let report = survives(async |engine| {
        let run = start(&engine, PATIENT, 1, "one").await?;
        if run.describe().await?.status.is_open() {
            run.terminate("by hand").await?;
        }
        Ok(())
    });
    assert_eq!(endings(&report), ["terminated: by hand"]);
}

/// Starts a first run of a workflow id, unless a later one was started already, and then a
/// second one: after a crash, a host that knows nothing can do the same again.
async fn start_two(engine: &Engine, wait_for_first: bool) -> ScriptResult {
    let first = engine
        .start_workflow(if wait_for_first { THREE_STEPS } else { PATIENT }, 10)
        .workflow_id("one")
        .request_id("first")
        .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate);
    match first.await {
        Ok(run) if wait_for_first => drop(run.result().await?),
        Ok(_) | Err(StartWorkflowError::AlreadyStarted { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    engine
        .start_workflow(THREE_STEPS, 39)
        .workflow_id("one")
        .request_id("second")
        .id_conflict_policy(WorkflowIdConflictPolicy::TerminateExisting)
        .await?;
    Ok(())
}

#[test]
fn a_workflow_id_goes_on_to_its_next_run_whichever_commit_it_crashes_at() {
    let report = survives(async |engine| start_two(&engine, true).await);
    assert_eq!(endings(&report), ["13", "42"]);
}

#[test]
fn terminate_existing_survives_a_crash_at_every_commit() {
    let report = survives(async |engine| start_two(&engine, false).await);
    let terminated = "terminated: TerminateIfRunning WorkflowIdReusePolicy";
    assert_eq!(endings(&report), [terminated, "42"]);
}

#[test]
fn a_parked_run_survives_a_crash_at_every_commit() {
    const CLUMSY: Workflow<u64, u64> = Workflow::new("clumsy");
    // Each engine sees the run stumble once at its start and once on its way.
    let set_up = |engine| {
        let stumbled = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        small_workflows(engine).workflow(CLUMSY, move |ctx: WorkflowContext, number: u64| {
            let stumbled = Arc::clone(&stumbled);
            async move {
                for stumbled in stumbled.iter() {
                    assert!(stumbled.swap(true, Ordering::Relaxed), "stumbles on purpose");
                    ctx.activity(ADD_ONE, number).await?;
                }
                Ok(number + 2)
            }
        })
    };
    let report = CrashTest::new(set_up, async |engine| {
        let run = start(&engine, CLUMSY, 40, "one").await?;
        run.result().await?;
        Ok(())
    })
    .run()
    .unwrap();
    assert_eq!(endings(&report), ["42"]);
}

#[test]
fn many_runs_together_survive_a_crash_at_every_commit() {
    let ways = [WAYS[0], WAYS[3]];
    let report = survives_in(&ways, async |engine| start_all(&engine, "").await);
    let endings: Vec<_> = report
        .outcomes
        .iter()
        .map(|(id, outcomes)| (id.as_str(), outcomes.iter().map(ending).collect::<String>()))
        .collect();
    for ((id, found), (expected_id, expected)) in endings.iter().zip(ENDINGS) {
        assert_eq!(*id, expected_id);
        assert!(found.starts_with(expected), "{id}: {found}");
    }
    assert_eq!(endings.len(), ENDINGS.len());
}
