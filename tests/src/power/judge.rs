//! Judges a directory that a power cut has left, and what was told before it.

mod runs;

use std::fmt;
use std::path::Path;

use entracte::store::{FjallStore, Persist, Store, StoreError};

use super::load;

/// What was at work when the power was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Work {
    /// [`load::commit`]: commits straight to the store.
    Commits,
    /// An engine, each of whose answers waits for the disk.
    Runs,
    /// An engine whose answers wait for the operating system only.
    BufferedRuns,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commits => "commits",
            Self::Runs => "runs",
            Self::BufferedRuns => "buffered-runs",
        })
    }
}

/// Something that a power cut must not bring about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {text}")]
pub struct Fault {
    /// What kind of thing, in few words.
    pub kind: String,
    /// What exactly.
    pub text: String,
}

impl Fault {
    /// Names a fault.
    #[must_use]
    pub fn new(kind: &str, text: impl fmt::Display) -> Self {
        Self { kind: kind.to_owned(), text: text.to_string() }
    }

    /// A store that does not open, or not a second time.
    fn opening(doing: &str, error: &StoreError) -> Self {
        let debug = format!("{error:?}");
        let variant = debug.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        Self::new(&format!("{doing}: {variant}"), error)
    }
}

/// What a right verdict says when the end of a journal was cut off.
pub const TORN: &str = "a torn end was cut off";

/// Judges a directory; tells in words what is there.
///
/// # Errors
/// The first [`Fault`].
pub async fn judge(data: &Path, told: &str, work: Work) -> Result<String, Fault> {
    let found = match work {
        Work::Commits => commits(data, told).await?,
        Work::Runs => runs::runs(data, told, true).await?,
        Work::BufferedRuns => runs::runs(data, told, false).await?,
    };
    nothing_beside(data)?;
    Ok(if data.join("torn").exists() { format!("{found}; {TORN}") } else { found })
}

async fn open(doing: &str, data: &Path) -> Result<FjallStore, Fault> {
    let opened = FjallStore::open(data, load::small_store()).await;
    opened.map_err(|error| Fault::opening(doing, &error))
}

async fn close(store: FjallStore) -> Result<(), Fault> {
    store.close().await.map_err(|error| Fault::new("closing", error))
}

/// The commits are there up to some number, at least up to the last one that was told to be
/// synced, and others can follow.
async fn commits(data: &Path, told: &str) -> Result<String, Fault> {
    const NEW_COMMITS: u64 = 3;
    let (mut begun, mut done, mut bound) = (0, 0, 0);
    for line in told.lines() {
        let (word, number) = line.split_once(' ').unwrap_or((line, "0"));
        let number: u64 = number.parse().map_err(|_| Fault::new("the test", line))?;
        match word {
            "begin" => begun = number,
            "committed" => done = number,
            "synced" => (done, bound) = (number, number),
            _ => bound = done,
        }
    }
    let store = open("opening", data).await?;
    let found = load::check(&store).map_err(|text| Fault::new("mixture", text))?;
    if found < bound {
        return Err(Fault::new("lost", format!("{found} of {bound} synced commits are there")));
    }
    if found > begun {
        return Err(Fault::new("mixture", format!("{found} of {begun} commits are there")));
    }
    for number in found + 1..=found + NEW_COMMITS {
        let committed = store.commit(load::batch(number, 1_000), Persist::Sync).await;
        committed.map_err(|error| Fault::new("new work", error))?;
    }
    close(store).await?;
    let store = open("second opening", data).await?;
    match load::check(&store) {
        Ok(again) if again == found + NEW_COMMITS => {}
        Ok(again) => {
            let text = format!("{again} commits where {NEW_COMMITS} followed {found}");
            return Err(Fault::new("new work", text));
        }
        Err(text) => return Err(Fault::new("new work", text)),
    }
    close(store).await?;
    Ok(format!("{found} of {begun} commits, {bound} of them synced"))
}

/// A store leaves nothing beside its own directory.
fn nothing_beside(data: &Path) -> Result<(), Fault> {
    let parent = data.parent().unwrap_or(data);
    let entries = std::fs::read_dir(parent).map_err(|error| Fault::new("the test", error))?;
    let others = entries.filter_map(|entry| {
        let entry = entry.ok()?.path();
        (entry != data).then(|| entry.display().to_string())
    });
    let others: Vec<String> = others.collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(Fault::new("left behind", others.join(", ")))
}
