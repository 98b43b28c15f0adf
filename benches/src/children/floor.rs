//! The floor of children: actors that are linked, and rows that are committed.

use std::path::Path;
use std::time::{Duration, Instant};

use entracte::Durability;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::commits::resident_bytes;
use crate::figures::JournalFigures;
use crate::floor::open;
use crate::load::LoadError;

/// The rows of its state that the engine writes or deletes for each child, beside its events:
/// three deliveries written and struck, the run and its workflow id written twice.
const STATE_ROWS: u64 = 10;
/// The bytes of each value, about.
const ROW_BYTES: usize = 150;

/// What the floor of so many children has taken.
#[derive(Debug, Clone, Copy)]
pub struct FloorTaken {
    /// How long it took to start the actors, each linked under one.
    pub spawned: Duration,
    /// How much more memory the process had then than before, if the operating system tells.
    pub resident_bytes: Option<u64>,
    /// How long the commits took.
    pub committed: Duration,
}

/// Does nothing, until it is stopped.
struct Idle;

impl Actor for Idle {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _myself: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

/// Starts as many actors as there are children, and makes as many commits, with as many rows, as
/// the engine has made for them.
///
/// # Errors
/// [`LoadError`] of the first thing that fails.
pub async fn floor(
    directory: &Path,
    durability: Durability,
    children: u64,
    journal: JournalFigures,
) -> Result<FloorTaken, LoadError> {
    let before = resident_bytes();
    let begin = Instant::now();
    let (root, root_task) = Actor::spawn(None, Idle, ()).await?;
    for _ in 0..children {
        Actor::spawn_linked(None, Idle, (), root.get_cell()).await?;
    }
    let spawned = begin.elapsed();
    let resident_bytes =
        resident_bytes().zip(before).map(|(after, before)| after.saturating_sub(before));
    root.stop_children_and_wait(None, None).await;
    root.stop(None);
    root_task.await?;
    let directory = directory.to_owned();
    let commit = move || commits(&directory, durability, children, journal);
    let committed = tokio::task::spawn_blocking(commit).await??;
    Ok(FloorTaken { spawned, resident_bytes, committed })
}

fn commits(
    directory: &Path,
    durability: Durability,
    children: u64,
    journal: JournalFigures,
) -> Result<Duration, LoadError> {
    let (database, keyspace) = open(directory)?;
    let mode = match durability {
        Durability::Sync => fjall::PersistMode::SyncData,
        _ => fjall::PersistMode::Buffer,
    };
    let (rows, commits) = (journal.events + STATE_ROWS * children, journal.commits.max(1));
    let value = vec![7_u8; ROW_BYTES];
    let begin = Instant::now();
    let mut written = 0_u64;
    for commit in 1..=commits {
        let mut batch = database.batch();
        while written < rows * commit / commits {
            batch.insert(&keyspace, written.to_be_bytes(), value.as_slice());
            written += 1;
        }
        batch.commit()?;
        database.persist(mode)?;
    }
    Ok(begin.elapsed())
}
