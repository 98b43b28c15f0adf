//! What stands in the way of a store has a name, and nothing panics.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entracte::prelude::*;
use entracte::store::StoreError;
use entracte::{CodecError, Payload, PayloadCodec, RunError, StartEngineError, StartWorkflowError};
use entracte_testing::{SimulatedDisk, TestEngine};
use entracte_tests::steps::{ADD_ONE, THREE_STEPS, add_one, three_steps};

async fn open(directory: &Path) -> Result<Engine, StartEngineError> {
    Engine::builder(directory)
        .workflow(THREE_STEPS, three_steps)
        .activity(ADD_ONE, add_one)
        .start()
        .await
}

fn store_error(result: Result<Engine, StartEngineError>) -> StoreError {
    match result {
        Err(StartEngineError::Store(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_engine_on_a_directory_is_refused_and_the_first_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).await.unwrap();
    let error = store_error(open(directory.path()).await);
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    assert!(error.to_string().ends_with("is open already"), "{error}");
    let run = first.start_workflow(THREE_STEPS, 1).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 4);
    first.shutdown().await.unwrap();
    open(directory.path()).await.unwrap().shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_something_else_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let letter = directory.path().join("letter.txt");
    std::fs::write(&letter, "dear reader").unwrap();
    let error = store_error(open(directory.path()).await);
    assert!(matches!(error, StoreError::NotAStore { .. }), "{error:?}");
    let entries: Vec<_> =
        directory.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries, std::slice::from_ref(&letter));

    let error = store_error(open(&letter).await);
    assert!(matches!(error, StoreError::NotADirectory { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_a_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).await.unwrap().shutdown().await.unwrap();
    let format = directory.path().join("FORMAT");
    let text = std::fs::read_to_string(&format).unwrap();
    std::fs::write(&format, text.replace('2', "999")).unwrap();
    let error = store_error(open(directory.path()).await);
    assert!(matches!(error, StoreError::NewerFormat { found: 999, .. }), "{error:?}");
    std::fs::write(&format, text).unwrap();
    open(directory.path()).await.unwrap().shutdown().await.unwrap();
}

/// Lets everybody, or nobody, write what is under a path.
fn make_writable(path: &Path, writable: bool) {
    let is_directory = path.is_dir();
    if is_directory {
        for entry in path.read_dir().unwrap() {
            make_writable(&entry.unwrap().path(), writable);
        }
    }
    let mode = if is_directory { 0o555 } else { 0o444 } | if writable { 0o200 } else { 0 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs a copy of the workload that may not write the directory; gives what it said.
fn run_without_permission(directory: &Path, engine: &Path) -> String {
    let program = directory.join("workload");
    std::fs::copy(env!("CARGO_BIN_EXE_workload"), &program).unwrap();
    make_writable(directory, false);
    let anybody_may_run = std::fs::Permissions::from_mode(0o555);
    std::fs::set_permissions(&program, anybody_may_run).unwrap();
    let mut command = Command::new(&program);
    command.arg("--data").arg(engine);
    // The acknowledgements go where everybody may write.
    command.args(["--acks", "/dev/null", "run", "--starts", "1"]);
    // Permissions do not bind the superuser: the process gives that up.
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if is_root {
        command.uid(65_534).gid(65_534);
    }
    let output = command.output().unwrap();
    make_writable(directory, true);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

#[test]
fn a_directory_that_cannot_be_created_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let engine = directory.path().join("engine");
    let text = run_without_permission(directory.path(), &engine);
    assert_eq!(text, format!("error: permission denied at {}\n", engine.display()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_may_not_be_written_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let engine = directory.path().join("engine");
    open(&engine).await.unwrap().shutdown().await.unwrap();
    let text = run_without_permission(directory.path(), &engine);
    let lock = engine.join("LOCK");
    assert_eq!(text, format!("error: permission denied at {}\n", lock.display()));
    open(&engine).await.unwrap().shutdown().await.unwrap();
}

/// A real disk that takes no more: the process may write no file beyond some size.
#[test]
fn a_full_disk_stops_the_workload_with_a_named_error_and_nothing_acknowledged_is_lost() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let workload = |limit: &str, arguments: &str| {
        let script = format!(
            "trap '' XFSZ; {limit} exec '{}' --data '{path}/engine' --acks '{path}/acks' {arguments}",
            env!("CARGO_BIN_EXE_workload"),
            path = directory.path().display(),
        );
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text)
    };
    // Once without a limit, because the journal's file is set up in full at first.
    assert_eq!(workload("", "run --starts 50"), (Some(0), String::new()));
    // In blocks of 512 bytes, for some shells 1,024: beyond what those runs have written, so
    // that the disk is full in the middle of the work.
    let (code, text) = workload("ulimit -f 1000;", "run");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("error: "), "{text}");
    let reason = "the journal could not be written: cannot commit a batch at";
    assert!(text.contains(reason), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    assert_eq!(workload("", "check"), (Some(0), String::new()));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_stops_the_engine_and_its_callers_know_what_they_do_not_know() {
    const NEVER: Workflow<(), ()> = Workflow::new("never");
    async fn never(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
        ctx.sleep(Duration::from_secs(10 * 365 * 86_400)).await;
        Ok(())
    }
    let disk = SimulatedDisk::new(Default::default());
    let start = async || {
        TestEngine::on_store(disk.reopen())
            .workflow(THREE_STEPS, three_steps)
            .workflow(NEVER, never)
            .activity(ADD_ONE, add_one)
            .start()
            .await
            .unwrap()
    };
    let engine = start().await;
    let first = engine.start_workflow(THREE_STEPS, 1).workflow_id("first").await.unwrap();
    assert_eq!(first.result().await.unwrap(), 4);
    let waiting = engine.start_workflow(NEVER, ()).await.unwrap();
    let result = tokio::spawn(async move { waiting.result().await });
    tokio::task::yield_now().await;
    disk.fail_at_commit(disk.commits() + 1);
    let error = engine
        .start_workflow(THREE_STEPS, 2)
        .workflow_id("second")
        .request_id("request")
        .await
        .unwrap_err();
    let StartWorkflowError::OutcomeUnknown { workflow_id, reason } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(workflow_id.as_str(), "second");
    assert!(reason.starts_with("the journal could not be written"), "{reason}");
    let error = result.await.unwrap().unwrap_err();
    assert!(matches!(error, WorkflowError::EngineStopped(_)), "{error:?}");
    // From here on everything is refused, by name.
    let error = engine.start_workflow(THREE_STEPS, 3).await.unwrap_err();
    assert!(matches!(error, StartWorkflowError::EngineStopped(_)), "{error:?}");
    let error = first.describe().await.unwrap_err();
    assert!(matches!(error, RunError::EngineStopped(_)), "{error:?}");
    drop(engine);

    let engine = start().await;
    let second = engine
        .start_workflow(THREE_STEPS, 2)
        .workflow_id("second")
        .request_id("request")
        .await
        .unwrap();
    assert_eq!(second.result().await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn running_attempts_are_told_when_a_commit_fails() {
    const WAIT: Activity<(), ()> =
        Activity::new("wait").start_to_close_timeout(Duration::from_secs(60));
    const PAIR: Workflow<(), ()> = Workflow::new("pair");
    async fn pair(ctx: WorkflowContext, (): ()) -> WorkflowResult<()> {
        ctx.activity(WAIT, ()).await
    }
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = std::sync::Mutex::new(Some(tell));
    let disk = SimulatedDisk::new(Default::default());
    let engine = TestEngine::on_store(disk.reopen())
        .workflow(THREE_STEPS, three_steps)
        .activity(ADD_ONE, add_one)
        .workflow(PAIR, pair)
        .activity(WAIT, move |ctx: ActivityContext, ()| {
            /// Tells, when the attempt's future is dropped, why.
            struct Teller(ActivityContext, Option<tokio::sync::oneshot::Sender<CancelCause>>);
            impl Drop for Teller {
                fn drop(&mut self) {
                    if let (Some(cause), Some(tell)) = (self.0.cancel_cause(), self.1.take()) {
                        let _ = tell.send(cause);
                    }
                }
            }
            let teller = Teller(ctx, tell.lock().unwrap().take());
            async move {
                let _teller = teller;
                std::future::pending().await
            }
        })
        .start()
        .await
        .unwrap();
    engine.start_workflow(PAIR, ()).await.unwrap();
    while engine.run_actors().await.unwrap()[0].1.get_children().is_empty() {
        tokio::task::yield_now().await;
    }
    disk.fail_at_commit(disk.commits() + 1);
    engine.start_workflow(THREE_STEPS, 2).await.unwrap_err();
    assert_eq!(told.await.unwrap(), CancelCause::EngineStopped);
}

/// Panics once it is told to.
struct Fragile(Arc<AtomicBool>);

impl PayloadCodec for Fragile {
    fn encode(&self, payload: &Payload) -> Result<Payload, CodecError> {
        assert!(!self.0.load(Ordering::SeqCst), "no key");
        Ok(payload.clone())
    }

    fn decode(&self, payload: &Payload) -> Result<Payload, CodecError> {
        Ok(payload.clone())
    }
}

#[tokio::test]
async fn a_codec_that_panics_while_a_batch_is_encoded_stops_the_engine_and_hangs_nobody() {
    let panics = Arc::new(AtomicBool::new(false));
    let engine = TestEngine::builder()
        .payload_codec(Fragile(Arc::clone(&panics)))
        .workflow(THREE_STEPS, three_steps)
        .activity(ADD_ONE, add_one)
        .start()
        .await
        .unwrap();
    panics.store(true, Ordering::SeqCst);
    let error = engine.start_workflow(THREE_STEPS, 1).await.unwrap_err();
    assert!(matches!(error, StartWorkflowError::OutcomeUnknown { .. }), "{error:?}");
    let error = engine.start_workflow(THREE_STEPS, 1).await.unwrap_err();
    assert!(matches!(error, StartWorkflowError::EngineStopped(_)), "{error:?}");
    // It comes to its end, whatever it has to tell.
    drop(engine.shutdown().await);
}
