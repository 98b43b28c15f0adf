//! A directory with a store in it, and the program run on it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use entracte::prelude::*;
use entracte::store::{Batch, FjallOptions, FjallStore, Persist, Store};
use tempfile::TempDir;

const ORDER: Workflow<u64, String> = Workflow::new("order");
const CHARGE: Activity<u64, String> =
    Activity::new("charge").start_to_close_timeout(Duration::from_secs(3_600));

/// The cents of an order whose activity never ends.
pub(crate) const HANGS: u64 = 0;

async fn order(ctx: WorkflowContext, cents: u64) -> WorkflowResult<String> {
    if cents == HANGS {
        ctx.sleep(Duration::from_millis(1)).await;
    }
    ctx.activity(CHARGE, cents).await
}

async fn charge(_ctx: ActivityContext, cents: u64) -> ActivityResult<String> {
    if cents == HANGS {
        std::future::pending::<()>().await;
    }
    Ok(format!("receipt for {cents}"))
}

/// How the program ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// What it printed for machines.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A directory with a store in it.
pub(crate) struct Sandbox {
    directory: TempDir,
}

/// What a file looks like: its length, its contents, and when it was written.
type Fingerprint = (u64, u64, SystemTime);

impl Sandbox {
    pub(crate) fn empty() -> Self {
        Self { directory: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    /// A store whose engine has crashed with one run closed, one at an activity and one parked.
    pub(crate) fn crashed() -> Self {
        let sandbox = Self::empty();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let engine = Engine::builder(sandbox.store_path())
                .workflow(ORDER, order)
                .activity(CHARGE, charge)
                .workflow(Workflow::<(), ()>::new("broken"), async |_, ()| panic!("no code"))
                .start()
                .await
                .unwrap();
            let closed = engine.start_workflow(ORDER, 42).workflow_id("order-42").await.unwrap();
            closed.result().await.unwrap();
            let hangs = engine.start_workflow(ORDER, HANGS).workflow_id("hangs").await.unwrap();
            while hangs.describe().await.unwrap().pending_activities.is_empty() {
                tokio::task::yield_now().await;
            }
            let broken = Workflow::<(), ()>::new("broken");
            engine.start_workflow(broken, ()).workflow_id("broken").await.unwrap();
            // The engine is not shut down: everything it has spawned ends with the runtime.
        });
        drop(runtime);
        sandbox
    }

    /// A crashed store with something planted in it.
    pub(crate) fn planted(plant: impl FnOnce(&mut Batch)) -> Self {
        let sandbox = Self::crashed();
        let mut batch = Batch::new();
        plant(&mut batch);
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let store = sandbox.open();
            store.commit(batch, Persist::Sync).await.unwrap();
            store.close().await.unwrap();
        });
        sandbox
    }

    pub(crate) fn open(&self) -> FjallStore {
        FjallStore::open_blocking(&self.store_path(), &FjallOptions::default()).unwrap()
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn store_path(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Runs the program on the store.
    pub(crate) fn run(&self, command: &str, more: &[&str]) -> Outcome {
        run_on(command, &self.store_path(), more)
    }

    /// Runs the program on the store, and checks that it has changed nothing and left nothing.
    pub(crate) fn look(&self, command: &str, more: &[&str]) -> Outcome {
        let before = fingerprints(self.path());
        let outcome = self.run(command, more);
        let after = fingerprints(self.path());
        assert_eq!(after, before, "`{command}` changes nothing: {outcome:?}");
        outcome
    }
}

/// Runs the program on some path.
pub(crate) fn run_on(command: &str, path: &Path, more: &[&str]) -> Outcome {
    let mut program = Command::new(env!("CARGO_BIN_EXE_entracte"));
    let output = program.arg(command).arg(path).args(more).output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// All files below a directory, whatever they are called.
fn fingerprints(directory: &Path) -> BTreeMap<PathBuf, Fingerprint> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(fingerprints(&path));
            found.insert(path, (0, 0, SystemTime::UNIX_EPOCH));
        } else {
            let print = fingerprint(&path);
            found.insert(path, print);
        }
    }
    found
}

fn fingerprint(path: &Path) -> Fingerprint {
    let mut file = File::open(path).unwrap();
    let metadata = file.metadata().unwrap();
    let mut hasher = DefaultHasher::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk).unwrap() {
            0 => return (metadata.len(), hasher.finish(), metadata.modified().unwrap()),
            read => hasher.write(&chunk[..read]),
        }
    }
}
