//! Stores to damage.

mod build;
mod engine;
mod helper;
mod keep;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use entracte::store::FjallOptions;

pub(super) use self::build::with_unsynced;
pub use self::helper::Commits;
pub(super) use self::helper::{commits_until_told, engine_until_told};
use super::Trouble;
use super::commits::ValueSizes;
use super::content::Content;
use super::image::Image;

/// How a store came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Two hundred synced commits in one journal.
    Young,
    /// Small tables on several levels.
    Compacted,
    /// Several journals of 64 MB.
    Journals,
    /// The store of an engine, with closed and open runs.
    Engine,
}

/// How the last process that had the store open came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ending {
    /// It closed the store.
    Closed,
    /// It was killed long after its last commit.
    Killed,
    /// It was killed as soon as its last commit was acknowledged.
    KilledAtOnce,
    /// There were several processes, closing the store and being killed in turn.
    Reopened,
}

/// The files of a store, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// How it came to be, in words.
    pub name: String,
    /// Its files.
    pub image: Image,
    /// Its files at earlier moments.
    pub earlier: Vec<Image>,
    /// What it held after each commit, from none on.
    pub contents: Vec<Content>,
    /// How many commits were acknowledged.
    pub acknowledged: usize,
    /// How many commits must be there, or an error be told. Those beyond were acknowledged in
    /// the last second; the store knows of them by their own records alone.
    pub durable: usize,
}

/// How the commits of a kind of store are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Making {
    pub(super) commits: u64,
    pub(super) sizes: ValueSizes,
    pub(super) options: FjallOptions,
}

impl Kind {
    /// How its commits are made; an engine makes its own.
    pub(super) fn making(self) -> Making {
        let (options, larger_beyond) = (FjallOptions::default(), (u64::MAX, 1));
        match self {
            Self::Young | Self::Engine => {
                let sizes = ValueSizes { small: 16, history: 24, larger_beyond };
                Making { commits: 200, sizes, options }
            }
            Self::Compacted => {
                let sizes = ValueSizes { small: 250, history: 400, larger_beyond };
                let options = FjallOptions { memtable_bytes_max: 64 * 1024, ..options };
                Making { commits: 1_500, sizes, options }
            }
            Self::Journals => {
                let sizes = ValueSizes { small: 16, history: 400_000, larger_beyond };
                let options = FjallOptions {
                    memtable_bytes_max: 8 * 1024 * 1024,
                    // The small rows of the other spaces hold on to the old journals.
                    journal_bytes_max: 1024 * 1024 * 1024,
                    ..options
                };
                Making { commits: 240, sizes, options }
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Young => "young",
            Self::Compacted => "compacted",
            Self::Journals => "journals",
            Self::Engine => "engine",
        })
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Killed => "killed",
            Self::KilledAtOnce => "killed-at-once",
            Self::Reopened => "reopened",
        })
    }
}

impl Sample {
    /// Makes a store with processes of a program (the soak program), in a directory for
    /// scratch files.
    ///
    /// # Errors
    /// If it cannot be made, or does not hold what was acknowledged.
    pub fn build(
        kind: Kind,
        ending: Ending,
        program: &Path,
        scratch: &Path,
    ) -> Result<Arc<Self>, Trouble> {
        let directory = tempfile::tempdir_in(scratch)?;
        let store = directory.path().join("store");
        let sample = match kind {
            Kind::Engine => engine::build(ending, program, directory.path())?,
            _ => build::build(kind, ending, program, &store)?,
        };
        Ok(Arc::new(sample))
    }

    /// Reads a store from a directory in which it was kept, or makes it and keeps it there.
    ///
    /// # Errors
    /// As [`build`](Self::build), and if it cannot be read.
    pub fn load_or_build(
        kind: Kind,
        ending: Ending,
        program: &Path,
        scratch: &Path,
        kept: Option<&Path>,
    ) -> Result<Arc<Self>, Trouble> {
        let Some(kept) = kept.map(|kept| kept.join(format!("{kind}-{ending}"))) else {
            return Self::build(kind, ending, program, scratch);
        };
        if let Some(sample) = keep::load(&kept)? {
            return Ok(Arc::new(sample));
        }
        let sample = Self::build(kind, ending, program, scratch)?;
        keep::keep(&sample, &kept)?;
        Ok(sample)
    }

    /// The number of the last commit that is there, if what is there is what a commit has left.
    #[must_use]
    pub fn commit_of(&self, content: &Content) -> Option<usize> {
        self.contents.iter().position(|known| known == content)
    }
}
