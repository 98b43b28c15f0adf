//! The program as a whole: real processes, killed and started again.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

mod harness;

use std::fs;
use std::os::unix::process::ExitStatusExt;

use crate::harness::{STAGES, Sandbox, home_page, run_id, site};

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

fn first_attempts(stages: &[&str]) -> Vec<String> {
    stages.iter().map(|stage| format!("{stage} 1")).collect()
}

#[test]
fn a_deployment_brings_the_site_live_and_cleans_up() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&[]);
    sandbox.assert_deployed(&outcome);
    assert_eq!(sandbox.effects(), first_attempts(&STAGES));
    assert!(sandbox.servers().is_empty());
    assert!(outcome.stdout.contains("WorkflowExecutionCompleted"), "{outcome:#?}");
    assert_eq!(outcome.stderr, "");
}

#[test]
fn a_second_deployment_is_a_release_of_its_own() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&[]);
    let second = sandbox.run(&[]);
    sandbox.assert_deployed(&second);
    assert_ne!(run_id(&first), run_id(&second));
    assert_eq!(sandbox.effects(), first_attempts(&STAGES));
    assert_eq!(sandbox.releases().len(), 2);
    assert!(sandbox.current().unwrap().ends_with(run_id(&second)));
}

/// Aborts at a stage, runs again, and checks that nothing that was done is done again.
fn crash_and_resume(stage: &str) {
    let sandbox = Sandbox::new();
    let crash = sandbox.run(&["--crash-at", stage]);
    assert_eq!(crash.status.signal(), Some(SIGABRT), "{crash:#?}");
    let before = STAGES.iter().position(|name| *name == stage).unwrap();
    assert_eq!(sandbox.effects(), first_attempts(&STAGES[..before]));

    let outcome = sandbox.run(&[]);
    sandbox.assert_deployed(&outcome);
    assert!(outcome.stdout.contains(&format!("resuming run {}", run_id(&outcome))), "{outcome:#?}");
    let mut wanted = first_attempts(&STAGES);
    wanted[before] = format!("{stage} 2");
    assert_eq!(sandbox.effects(), wanted);
    assert_eq!(sandbox.releases().len(), 1);
    assert!(sandbox.servers().is_empty());
}

#[test]
fn a_crash_while_provisioning_is_survived() {
    crash_and_resume("provision");
}

#[test]
fn a_crash_while_configuring_is_survived() {
    crash_and_resume("configure");
}

#[test]
fn a_crash_while_deploying_is_survived_and_the_lost_server_replaced() {
    crash_and_resume("deploy");
}

#[test]
fn a_crash_while_checking_is_survived() {
    crash_and_resume("health-check");
}

#[test]
fn a_crash_while_switching_is_survived() {
    crash_and_resume("switch");
}

#[test]
fn crashes_at_every_stage_of_one_run_are_survived() {
    let sandbox = Sandbox::new();
    for stage in STAGES {
        let crash = sandbox.run(&["--crash-at", stage]);
        assert_eq!(crash.status.signal(), Some(SIGABRT), "{crash:#?}");
    }
    let outcome = sandbox.run(&[]);
    sandbox.assert_deployed(&outcome);
    let wanted: Vec<_> = STAGES.iter().map(|stage| format!("{stage} 2")).collect();
    assert_eq!(sandbox.effects(), wanted);
    assert!(sandbox.servers().is_empty());
}

#[test]
fn a_kill_at_any_stage_is_survived() {
    for stage in STAGES {
        let sandbox = Sandbox::new();
        let killed = sandbox.run_killed_at(stage);
        assert_eq!(killed.status.signal(), Some(SIGKILL), "{killed:#?}");
        let before = sandbox.effects();
        let outcome = sandbox.run(&[]);
        sandbox.assert_deployed(&outcome);
        assert!(sandbox.effects().starts_with(&before), "the log of effects was rewritten");
        assert_eq!(sandbox.releases().len(), 1);
        assert!(sandbox.servers().is_empty());
    }
}

/// Fails for good at a stage and checks what is undone, and that nothing is left.
fn fail_and_undo(stage: &str, undone: &[&str]) -> String {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&["--fail-at", stage]);
    assert_eq!(outcome.status.code(), Some(1), "{outcome:#?}");
    let before = STAGES.iter().position(|name| *name == stage).unwrap();
    let mut wanted = first_attempts(&STAGES[..before]);
    wanted.extend(first_attempts(undone));
    assert_eq!(sandbox.effects(), wanted);
    sandbox.assert_effects_match_history(&outcome);
    assert!(sandbox.servers().is_empty());
    assert!(sandbox.releases().is_empty());
    assert_eq!(sandbox.current(), None);
    assert!(outcome.stdout.contains("WorkflowExecutionFailed"), "{outcome:#?}");
    outcome.stderr.replace(run_id(&outcome), "RELEASE")
}

#[test]
fn a_failure_at_the_switch_undoes_everything_in_reverse_and_reads_as_a_chain() {
    let undone = ["undo-switch", "undo-deploy", "undo-configure", "undo-provision"];
    let stderr = fail_and_undo("switch", &undone);
    assert_eq!(
        stderr,
        "error: deploy site `hello` to 127.0.0.1: switch traffic to release RELEASE: \
         the switch stage was told to fail\n"
    );
}

#[test]
fn a_failed_health_check_undoes_the_stages_before_it() {
    let stderr =
        fail_and_undo("health-check", &["undo-deploy", "undo-configure", "undo-provision"]);
    assert!(stderr.contains(": check the server of release RELEASE on 127.0.0.1:"), "{stderr}");
}

#[test]
fn a_failed_start_of_the_server_undoes_it_too() {
    let stderr = fail_and_undo("deploy", &["undo-deploy", "undo-configure", "undo-provision"]);
    assert!(stderr.contains(": start the server of release RELEASE on 127.0.0.1:"), "{stderr}");
}

#[test]
fn a_failed_configuration_is_undone() {
    fail_and_undo("configure", &["undo-configure", "undo-provision"]);
}

#[test]
fn a_failed_provision_is_undone() {
    fail_and_undo("provision", &["undo-provision"]);
}

#[test]
fn a_failure_leaves_the_site_that_was_live_before() {
    let sandbox = Sandbox::new();
    let kept = sandbox.run(&["--keep"]);
    sandbox.assert_deployed(&kept);
    let (before, servers) = (sandbox.current(), sandbox.servers());
    assert_eq!(servers.len(), 1);

    let failed = sandbox.run(&["--fail-at", "switch"]);
    assert_eq!(failed.status.code(), Some(1), "{failed:#?}");
    assert_eq!(sandbox.current(), before);
    assert_eq!(sandbox.servers(), servers);
    assert!(home_page(&kept).contains("The site is live"));
}

#[test]
fn a_flaky_health_check_is_retried_until_it_works() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(&["--flaky", "health-check=3"]);
    sandbox.assert_deployed(&outcome);
    let mut wanted = first_attempts(&STAGES);
    "health-check 4".clone_into(&mut wanted[3]);
    assert_eq!(sandbox.effects(), wanted);
}

#[test]
fn flaky_stages_repeat_their_work_without_harm() {
    let sandbox = Sandbox::new();
    let args = ["--flaky", "provision=1", "--flaky", "deploy=2", "--flaky", "switch=1"];
    let outcome = sandbox.run(&args);
    sandbox.assert_deployed(&outcome);
    let wanted = ["provision 2", "configure 1", "deploy 3", "health-check 1", "switch 2"];
    assert_eq!(sandbox.effects(), wanted);
    assert!(sandbox.servers().is_empty());
}

#[test]
fn a_kept_site_stays_up_until_it_is_replaced_or_stopped() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&["--keep"]);
    sandbox.assert_deployed(&first);
    let home = fs::read_to_string(site().join("index.html")).unwrap();
    assert!(home_page(&first).ends_with(&home));

    let second = sandbox.run(&["--keep"]);
    sandbox.assert_deployed(&second);
    assert!(home_page(&second).ends_with(&home));
    assert_eq!(sandbox.servers().len(), 1);

    let stop = sandbox.run(&["stop"]);
    assert!(stop.status.success(), "{stop:#?}");
    assert!(sandbox.servers().is_empty());
}

#[test]
fn a_request_that_cannot_be_carried_out_is_refused_before_anything_is_done() {
    let sandbox = Sandbox::new();
    let outside = tempfile::tempdir().unwrap();
    let request = outside.path().join("request.toml");
    fs::write(&request, "name = \"a\"\nsite = \"gone\"\nhost = \"127.0.0.1\"\n").unwrap();
    let outcome = sandbox.run(&[request.to_str().unwrap()]);
    assert_eq!(outcome.status.code(), Some(2), "{outcome:#?}");
    assert!(outcome.stderr.contains("gone` cannot be read: No such file"), "{outcome:#?}");
    assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 0);
}
