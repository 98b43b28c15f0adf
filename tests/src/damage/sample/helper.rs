//! The processes that make stores, and that are killed.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;

use clap::Args;
use entracte::store::{FjallStore, Persist, Store};

use super::{Kind, Making};
use crate::damage::Trouble;
use crate::damage::commits::commit;

/// What a process is told when it goes on.
pub(super) const GO_ON: &str = "go on";
/// What a process is told when it closes its store and ends.
pub(super) const CLOSE: &str = "close";

/// Says something, and waits for what it is told.
fn say_and_wait(text: &str) -> io::Result<String> {
    let mut output = io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()?;
    let mut told = String::new();
    io::stdin().lock().read_line(&mut told)?;
    Ok(told.trim().to_owned())
}

/// Which commits a process makes.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Commits {
    /// What kind of store.
    #[arg(long)]
    pub(super) kind: Kind,
    /// The number of the first commit.
    #[arg(long)]
    pub(super) first: u64,
    /// How many commits are synced; those beyond are not.
    #[arg(long)]
    pub(super) synced: u64,
    /// How many times as large the values of the commits beyond the synced ones are.
    #[arg(long, default_value_t = 1)]
    pub(super) larger: usize,
    /// After which commits it waits.
    #[arg(long)]
    pub(super) stop: Vec<u64>,
}

/// Opens a store and makes commits. At each stop it says so, and waits until it is told to go
/// on, or to close the store.
///
/// # Errors
/// If the store cannot be opened or written to.
pub(in crate::damage) async fn commits_until_told(
    directory: &Path,
    commits: &Commits,
) -> Result<(), Trouble> {
    let Making { mut sizes, options, .. } = commits.kind.making();
    sizes.larger_beyond = (commits.synced, commits.larger);
    let store = FjallStore::open(directory, options).await?;
    let mut next = commits.first;
    for stop in &commits.stop {
        while next <= *stop {
            let is_synced = next <= commits.synced;
            let persist = if is_synced { Persist::Sync } else { Persist::Buffer };
            store.commit(commit(next, sizes), persist).await?;
            next += 1;
        }
        if say_and_wait(&stop.to_string())? == CLOSE {
            break;
        }
    }
    store.close().await?;
    Ok(())
}

/// Opens an engine and starts small workflows, waits for some of their ends, and says which
/// they were; then waits until it is told to shut down.
///
/// # Errors
/// If the engine cannot be opened, or a run has no end.
pub(in crate::damage) async fn engine_until_told(directory: &Path) -> Result<(), Trouble> {
    use crate::small;
    use entracte::prelude::*;
    let text = |error: Box<dyn Error>| error.to_string();
    let engine = small::small_workflows(Engine::builder(directory)).start().await?;
    for prefix in ["a-", "b-"] {
        small::start_all(&engine, prefix).await.map_err(text)?;
    }
    say_and_wait("started")?;
    let mut ended = Vec::new();
    for prefix in ["a-", "b-"] {
        for name in super::engine::ENDED {
            let id = format!("{prefix}{name}");
            let run = engine.workflow_handle(small::ANY, id.clone()).await?;
            // Which end it is, is told by the store.
            let _ = run.result().await;
            ended.push(id);
        }
    }
    say_and_wait(&ended.join(" "))?;
    engine.shutdown().await?;
    Ok(())
}
